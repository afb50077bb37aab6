/*
 * What the kernel does with a trap: interrupts go to their handlers, page faults to the address space, other faults
 * of a program end that program, and a fault of the kernel itself ends the machine.
 */
#include "entry/trap.h"
#include "entry/crash.h"
#include "klib/printf.h"
#include "klib/string.h"
#include "mm/pagetable.h"
#include "mm/vm.h"
#include "proc/process.h"
#include "proc/upcall.h"
#include "sched/thread.h"
#include "x86/irq.h"
#include "x86/trapframe.h"

static const struct {
    const char *name;
    uint32_t signal; /* of Linux, for the exit status */
} exceptions[32] = {
    [VEC_DE] = { "DE", 8 },  [VEC_DB] = { "DB", 5 },  [VEC_NMI] = { "NMI", 7 },
    [VEC_BP] = { "BP", 5 },  [VEC_OF] = { "OF", 11 }, [VEC_BR] = { "BR", 11 },
    [VEC_UD] = { "UD", 4 },  [VEC_NM] = { "NM", 11 }, [VEC_DF] = { "DF", 7 },
    [VEC_TS] = { "TS", 11 }, [VEC_NP] = { "NP", 11 }, [VEC_SS] = { "SS", 11 },
    [VEC_GP] = { "GP", 11 }, [VEC_PF] = { "PF", 11 }, [VEC_MF] = { "MF", 8 },
    [VEC_AC] = { "AC", 7 },  [VEC_MC] = { "MC", 7 },  [VEC_XM] = { "XM", 8 },
};

static bool (*trap_hook)(struct trap_frame *f);

void trap_set_hook(bool (*hook)(struct trap_frame *f))
{
    trap_hook = hook;
}

/*
 * gcc ends with UD2 what must not happen: a failed check of -fsanitize=undefined, or code that nothing may reach.
 * The name of the function it is in, or NULL: it was something else.
 */
static const char *compiler_trap(const struct trap_frame *f)
{
    static const uint8_t ud2[] = { 0x0f, 0x0b };
    uintptr_t offset;
    const char *name = f->vector == VEC_UD ? symbol_find(f->rip, &offset) : NULL;
    return name && !memcmp((const void *)f->rip, ud2, sizeof ud2) ? name : NULL;
}

static NORETURN void kernel_fault(const struct trap_frame *f, uintptr_t address)
{
    const char *name = exceptions[f->vector].name ? exceptions[f->vector].name : "?";
    if (panic_elsewhere())
        panic_halt();
    if (f->vector == VEC_PF)
        kprintf("PF: addr=0x%lx err=0x%lx\n", address, f->error);
    else
        kprintf("TRAP: %s rip=0x%lx\n", name, f->rip);
    if (f->vector == VEC_DF && kstack_guard_hit(address))
        panic_at(PANIC_DOUBLE_FAULT, f->rip, f->rbp, "kernel stack overflow (address 0x%lx)",
                 address);
    if (compiler_trap(f))
        panic_at(PANIC_UNDEFINED, f->rip, f->rbp, "undefined behaviour in %s", compiler_trap(f));
    uint64_t code = f->vector == VEC_DF    ? PANIC_DOUBLE_FAULT
                    : f->vector == VEC_NMI ? PANIC_NMI
                    : f->vector == VEC_MC  ? PANIC_MACHINE_CHECK
                                           : PANIC_TRAP;
    panic_at(code, f->rip, f->rbp, "%s in the kernel err=0x%lx addr=0x%lx rsp=0x%lx", name,
             f->error, address, f->rsp);
}

/* FPE_ codes by the lowest flag of MXCSR or FSW that is set: IE DE ZE OE UE PE. */
static int32_t float_code(void)
{
    static const int32_t codes[] = { 7, 5, 3, 4, 5, 6 };
    uint32_t mxcsr;
    uint16_t fsw;
    __asm__ volatile("fnstsw %0; stmxcsr %1" : "=m"(fsw), "=m"(mxcsr));
    uint32_t flags = (fsw | mxcsr) & 0x3f;
    return flags ? codes[__builtin_ctz(flags)] : 0;
}

/* Number, code and address of a fault as Linux gives them. */
static struct upcall_info describe(const struct trap_frame *f, uintptr_t address, status_t why)
{
    struct upcall_info i = { .number = exceptions[f->vector].signal, .code = UPCALL_BY_KERNEL };
    if (!i.number)
        i.number = SIGSEGV;
    switch (f->vector) {
    case VEC_PF:
        i.code = why == -EACCES ? UPCALL_ACCERR : UPCALL_MAPERR;
        i.addr = address;
        if (why == -ENOMEM || why == -ENXIO) { /* no frame for it, or past the end of an object */
            i.number = SIGBUS;
            i.code = 2; /* BUS_ADRERR */
        }
        break;
    case VEC_DE:
        i.code = UPCALL_INTDIV;
        i.addr = f->rip;
        break;
    case VEC_UD:
    case VEC_DB: /* ILL_ILLOPN, TRAP_TRACE */
        i.code = 2;
        i.addr = f->rip;
        break;
    case VEC_AC: i.code = 1; break; /* BUS_ADRALN */
    case VEC_MF:
    case VEC_XM:
        i.code = float_code();
        i.addr = f->rip;
        break;
    default: break;
    }
    return i;
}

/* A program's fault is told to the program, or ends it: the thread dies on its way back to user mode. */
static void user_fault(struct trap_frame *f, uintptr_t address, status_t why)
{
    const char *name = exceptions[f->vector].name ? exceptions[f->vector].name : "?";
    struct process *p = current_thread()->process;
    struct upcall_info info = describe(f, address, why);
    irq_enable();
    status_t st = upcall_fault(f, &info);
    irq_disable();
    if (st == OK)
        return;
    if (!thread_killed(current_thread()))
        crash_report(f, address, name, info.number,
                     why == -ENOMEM  ? " (out of memory)"
                     : st == -EFAULT ? " (no room on its upcall stack)"
                                     : "");
    process_kill(p, info.number);
}

static void mark_user_fault(bool on)
{
#ifdef DEBUG
    current_thread()->user_fault = on;
#else
    (void)on;
#endif
}

static void page_fault(struct trap_frame *f)
{
    uintptr_t address = read_cr2();
    struct aspace *as = current_thread() ? current_thread()->aspace : NULL;
    uint32_t access = f->error & PF_FETCH ? VM_EXEC : f->error & PF_WRITE ? VM_WRITE : VM_READ;
    uintptr_t fixup = trap_from_user(f) ? 0 : usercopy_fixup(f->rip);
    status_t st = -EFAULT;
    CPU_COUNT(faults);
    /* With interrupts off a lock may be held: such a look at user memory (user_peek32) fails instead of waiting. */
    if (as && address < USER_MAX && (trap_from_user(f) || fixup) && (f->rflags & RFLAGS_IF)) {
        irq_enable();
        mark_user_fault(trap_from_user(f));
        st = process_fault(as, address, access);
        mark_user_fault(false);
        irq_disable();
    }
    if (st == OK)
        return;
    if (trap_from_user(f))
        user_fault(f, address, st);
    else if (fixup)
        f->rip = fixup;
    else
        kernel_fault(f, address);
}

void trap_user_work(struct trap_frame *f)
{
    thread_user_work();
    if (__atomic_load_n(&current_thread()->work, __ATOMIC_ACQUIRE) & (WORK_UPCALL | WORK_RETURN))
        upcall_work(f);
}

static void interrupt(struct trap_frame *f)
{
    this_cpu()->irq_depth++;
    CPU_COUNT(interrupts);
    irq_dispatch((unsigned)f->vector);
    this_cpu()->irq_depth--;
    /* From user mode the way out looks at the work bits itself. */
    if (!trap_from_user(f) && (f->rflags & RFLAGS_IF) && this_cpu()->irq_depth == 0)
        thread_preempt();
}

void trap_handle(struct trap_frame *f)
{
    if (f->vector >= VEC_IRQ_FIRST)
        interrupt(f);
    else if (UNLIKELY(trap_hook) && trap_hook(f))
        return;
    else if (f->vector == VEC_PF)
        page_fault(f);
    else if (trap_from_user(f) && f->vector != VEC_NMI && f->vector != VEC_MC &&
             f->vector != VEC_DF)
        user_fault(f, 0, OK);
    else
        kernel_fault(f, f->vector == VEC_DF ? read_cr2() : 0);
}
