/* Upcalls (upcall.h). */
#include "proc/upcall.h"
#include "klib/printf.h"
#include "klib/string.h"
#include "mm/usercopy.h"
#include "x86/fpu.h"
#include "x86/gdt.h"

/* Bytes below RSP that a program's function may use (System V ABI, 3.2.2). */
#define RED_ZONE 128u

#define BIT(number) (1ull << ((number) - 1))
/* Numbers that do nothing unless they are handled; what stops a process elsewhere does nothing here. */
#define HARMLESS                                                                               \
    (BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU) | \
     BIT(SIGURG) | BIT(SIGWINCH))

/* RFLAGS that user mode can change itself, and those that are as they are. */
#define RFLAGS_RF    (1ull << 16)
#define RFLAGS_ID    (1ull << 21)
#define RFLAGS_ARITH 0x8d5ull /* CF PF AF ZF SF OF */
#define RFLAGS_FREE \
    (RFLAGS_ARITH | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_RF | RFLAGS_AC | RFLAGS_ID)
#define RFLAGS_FIXED (RFLAGS_IF | 2)

#define SYSCALL_LENGTH 2u /* bytes of the instruction */

/* What lies at RSP when a handler is entered; the FPU state is somewhere above. */
struct frame {
    uint64_t return_address; /* 0: nothing to return to */
    struct upcall_context context;
    struct upcall_info info;
};

/* ---- what a number does ---- */

static uint32_t action_of(struct process *p, uint32_t number)
{
    uint64_t bit = BIT(number);
    if (__atomic_load_n(&p->upcalls.ignored, __ATOMIC_RELAXED) & bit)
        return UPCALL_IGNORE;
    if (__atomic_load_n(&p->upcalls.handled, __ATOMIC_RELAXED) & bit &&
        __atomic_load_n(&p->upcalls.entry, __ATOMIC_RELAXED))
        return UPCALL_HANDLE;
    return HARMLESS & bit ? UPCALL_IGNORE : UPCALL_DEFAULT;
}

/* Numbers sent to the process that t may take now. One that is handled needs a stack to be handled on. */
static uint64_t shared_for(struct process *p, struct thread *t)
{
    uint64_t bits = __atomic_load_n(&p->upcalls.pending, __ATOMIC_SEQ_CST) &
                    ~__atomic_load_n(&t->upcalls.mask, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&t->upcalls.stack_len, __ATOMIC_SEQ_CST) &&
        __atomic_load_n(&p->upcalls.entry, __ATOMIC_RELAXED))
        bits &= ~__atomic_load_n(&p->upcalls.handled, __ATOMIC_RELAXED);
    return bits;
}

static uint64_t own_for(struct thread *t)
{
    return __atomic_load_n(&t->upcalls.pending, __ATOMIC_SEQ_CST) &
           ~__atomic_load_n(&t->upcalls.mask, __ATOMIC_SEQ_CST);
}

/* ---- sending ---- */

void upcall_offer(struct process *p)
{
    uint64_t left = __atomic_load_n(&p->upcalls.pending, __ATOMIC_SEQ_CST);
    ASSERT(spin_held(&p->lock));
    PROCESS_THREADS (t, p) {
        uint64_t bits = left ? shared_for(p, t) & left : 0;
        if (bits)
            thread_notify(t, WORK_UPCALL);
        left &= ~bits;
    }
}

static status_t check_number(uint32_t number)
{
    return number > UPCALL_MAX || number == SIGSTOP ? -EINVAL : OK;
}

status_t upcall_to_thread(struct process *p, uint64_t tid, uint32_t number)
{
    status_t st = check_number(number);
    if (st != OK)
        return st;
    spin_lock(&p->lock);
    struct thread *t = process_thread_of(tree_find(&p->threads, tid));
    if (t && number && number != SIGKILL && action_of(p, number) != UPCALL_IGNORE) {
        __atomic_fetch_or(&t->upcalls.pending, BIT(number), __ATOMIC_SEQ_CST);
        if (own_for(t) & BIT(number))
            thread_notify(t, WORK_UPCALL);
    }
    spin_unlock(&p->lock);
    if (t && number == SIGKILL)
        process_kill(p, SIGKILL);
    return t ? OK : -ESRCH;
}

status_t upcall_to_process(struct process *p, uint32_t number)
{
    status_t st = check_number(number);
    if (st != OK)
        return st;
    spin_lock(&p->lock);
    bool alive = p->state < PROC_DYING;
    if (alive && number && number != SIGKILL && action_of(p, number) != UPCALL_IGNORE) {
        __atomic_fetch_or(&p->upcalls.pending, BIT(number), __ATOMIC_SEQ_CST);
        upcall_offer(p);
    }
    spin_unlock(&p->lock);
    if (alive && number == SIGKILL)
        process_kill(p, SIGKILL);
    return alive ? OK : -ESRCH;
}

/* ---- the calling process and thread ---- */

/* Mask, stack or actions have changed: see whether something that waits can be taken now, here or by another thread. */
static void look_again(void)
{
    struct thread *t = current_thread();
    struct process *p = t->process;
    if (own_for(t) | shared_for(p, t))
        __atomic_fetch_or(&t->work, WORK_UPCALL, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&p->upcalls.pending, __ATOMIC_SEQ_CST)) {
        spin_lock(&p->lock);
        upcall_offer(p);
        spin_unlock(&p->lock);
    }
}

void upcall_set_entry(uintptr_t entry)
{
    __atomic_store_n(&process_current()->upcalls.entry, entry, __ATOMIC_SEQ_CST);
    look_again();
}

int upcall_set_action(uint32_t number, uint32_t action)
{
    struct process *p = process_current();
    struct process_upcalls *u = &p->upcalls;
    if (number == 0 || check_number(number) != OK || number == SIGKILL || action > UPCALL_QUERY)
        return -EINVAL;
    uint64_t bit = BIT(number);
    spin_lock(&p->lock);
    int old = u->ignored & bit ? UPCALL_IGNORE : u->handled & bit ? UPCALL_HANDLE : UPCALL_DEFAULT;
    if (action != UPCALL_QUERY) {
        __atomic_store_n(&u->handled, (u->handled & ~bit) | (action == UPCALL_HANDLE ? bit : 0),
                         __ATOMIC_RELAXED);
        __atomic_store_n(&u->ignored, (u->ignored & ~bit) | (action == UPCALL_IGNORE ? bit : 0),
                         __ATOMIC_RELAXED);
    }
    spin_unlock(&p->lock);
    look_again();
    return old;
}

void upcall_set_stack(uintptr_t base, size_t len)
{
    struct thread_upcalls *u = &current_thread()->upcalls;
    u->stack = base;
    __atomic_store_n(&u->stack_len, len, __ATOMIC_SEQ_CST);
    look_again();
}

void upcall_set_mask(uint64_t mask)
{
    __atomic_store_n(&current_thread()->upcalls.mask, upcall_maskable(mask), __ATOMIC_SEQ_CST);
    look_again();
}

void upcall_request_return(uintptr_t context)
{
    struct thread *t = current_thread();
    t->upcalls.returning = context;
    __atomic_fetch_or(&t->work, WORK_RETURN, __ATOMIC_SEQ_CST);
}

/* ---- the frame ---- */

size_t upcall_frame_max(void)
{
    return RED_ZONE + sizeof(struct frame) + 2 * 16 + fpu_size() + FPU_ALIGN;
}

static void save_registers(struct upcall_context *c, const struct trap_frame *f)
{
    const struct thread *t = current_thread();
    bool trap = f->vector < VEC_IRQ_FIRST;
    *c = (struct upcall_context){
        .stack = t->upcalls.stack,
        .stack_size = t->upcalls.stack_len,
        .r8 = f->r8,
        .r9 = f->r9,
        .r10 = f->r10,
        .r11 = f->r11,
        .r12 = f->r12,
        .r13 = f->r13,
        .r14 = f->r14,
        .r15 = f->r15,
        .rdi = f->rdi,
        .rsi = f->rsi,
        .rbp = f->rbp,
        .rbx = f->rbx,
        .rdx = f->rdx,
        .rax = f->rax,
        .rcx = f->rcx,
        .rsp = f->rsp,
        .rip = f->rip,
        .rflags = f->rflags,
        .cs = SEL_USER_CODE,
        .ss = SEL_USER_DATA,
        .error = trap ? f->error : 0,
        .trap = trap ? f->vector : 0,
        .old_mask = t->upcalls.mask,
        .mask = t->upcalls.mask,
    };
}

static void load_registers(struct trap_frame *f, const struct upcall_context *c)
{
    *f = (struct trap_frame){ .r8 = c->r8,
                              .r9 = c->r9,
                              .r10 = c->r10,
                              .r11 = c->r11,
                              .r12 = c->r12,
                              .r13 = c->r13,
                              .r14 = c->r14,
                              .r15 = c->r15,
                              .rdi = c->rdi,
                              .rsi = c->rsi,
                              .rbp = c->rbp,
                              .rbx = c->rbx,
                              .rdx = c->rdx,
                              .rax = c->rax,
                              .rcx = c->rcx,
                              .rsp = c->rsp,
                              .rip = c->rip,
                              .rflags = c->rflags,
                              .cs = SEL_USER_CODE,
                              .ss = SEL_USER_DATA,
                              .vector = VEC_NONE };
}

/* Where frame and FPU state go, or 0 when the stack has no room. */
static uintptr_t place_frame(const struct thread_upcalls *u, uintptr_t rsp, uintptr_t *fpu)
{
    bool on_it = rsp > u->stack && rsp - u->stack <= u->stack_len;
    uintptr_t top = on_it ? rsp - RED_ZONE : u->stack + u->stack_len;
    if (!u->stack_len || top - u->stack > u->stack_len || top - u->stack < upcall_frame_max())
        return 0;
    *fpu = align_down(top - fpu_size(), FPU_ALIGN);
    /* RSP is 8 off a multiple of 16, as a CALL leaves it. */
    return align_down(*fpu - sizeof(struct frame), 16) - 8;
}

/*
 * The FPU state as it is in the registers, to user memory; then the registers as functions expect them. It goes through
 * the thread's save area: the registers stay as they are meanwhile, so a switch to another thread puts the same there.
 */
static status_t save_fpu(uintptr_t to)
{
    void *area = current_thread()->fpu;
    fpu_save(area);
    status_t st = copy_to_user((struct user_out){ to }, area, fpu_size());
    if (st == OK)
        fpu_clear();
    return st;
}

/*
 * The other way. A switch amid the copy would mix it with the registers: its pages are fetched before, then interrupts
 * are off, and a page that is gone again is -EFAULT.
 */
static status_t load_fpu(uintptr_t from)
{
    void *area = current_thread()->fpu;
    uint8_t byte;
    status_t st = copy_from_user(&byte, (struct user_in){ from }, sizeof byte);
    if (st == OK)
        st = copy_from_user(&byte, (struct user_in){ from + fpu_size() - 1 }, sizeof byte);
    if (st != OK)
        return st;
    irq_disable();
    st = copy_from_user(area, (struct user_in){ from }, fpu_size());
    if (st == OK && !fpu_area_ok(area))
        st = -EINVAL;
    if (st == OK)
        fpu_restore(area);
    else
        fpu_reset(
            area); /* XSAVE leaves most of the header as it is, and XRSTOR would not take it */
    irq_enable();
    return st;
}

static status_t enter_handler(struct trap_frame *f, const struct upcall_info *info)
{
    struct thread *t = current_thread();
    struct frame frame = { .info = *info };
    uintptr_t fpu, at = place_frame(&t->upcalls, f->rsp, &fpu);
    if (!at)
        return -EFAULT;
    save_registers(&frame.context, f);
    frame.context.cr2 = info->addr;
    frame.context.fpu = fpu;
    status_t st = copy_to_user((struct user_out){ at }, &frame, sizeof frame);
    if (st == OK)
        st = save_fpu(fpu);
    if (st != OK)
        return st;
    f->rip = __atomic_load_n(&t->process->upcalls.entry, __ATOMIC_RELAXED);
    f->rsp = at;
    f->rdi = info->number;
    f->rsi = at + offsetof(struct frame, info);
    f->rdx = at + offsetof(struct frame, context);
    f->rax = f->rbp = 0;
    f->rflags = RFLAGS_FIXED;
    f->vector = VEC_NONE;
    __atomic_store_n(&t->upcalls.mask, upcall_maskable(UINT64_MAX), __ATOMIC_SEQ_CST);
    return OK;
}

/* Whether user mode could have these registers; IRET would fault with others. */
static bool registers_ok(const struct upcall_context *c)
{
    bool canonical = (uint64_t)((int64_t)(c->rsp << 16) >> 16) == c->rsp;
    return c->cs == SEL_USER_CODE && c->ss == SEL_USER_DATA && !c->fs && !c->gs &&
           (c->rflags & ~RFLAGS_FREE) == RFLAGS_FIXED && c->rip < USER_MAX && canonical;
}

static status_t leave_handler(struct trap_frame *f, uintptr_t context)
{
    struct upcall_context c;
    status_t st = copy_from_user(&c, (struct user_in){ context }, sizeof c);
    if (st == OK && !registers_ok(&c))
        st = -EINVAL;
    if (st == OK)
        st = load_fpu(c.fpu);
    if (st != OK)
        return st;
    load_registers(f, &c);
    upcall_set_mask(c.mask);
    return OK;
}

/* ---- the way to user mode ---- */

static bool can_handle(const struct thread *t, uint32_t number)
{
    return !(t->upcalls.mask & BIT(number)) && t->upcalls.stack_len &&
           action_of(t->process, number) == UPCALL_HANDLE;
}

/* What was sent has no room on the upcall stack: the process ends by it. */
static void end_named(const struct trap_frame *f, uint32_t number)
{
    struct process *p = process_current();
    kprintf_at(LOG_ERR,
               "USER: killed pid=%lu name=%s cause=upcall number=%u rip=0x%lx rsp=0x%lx"
               " (no room on its upcall stack)\n",
               p->pid, p->name, number, f->rip, f->rsp);
    process_kill(p, number);
}

status_t upcall_fault(struct trap_frame *f, const struct upcall_info *info)
{
    return can_handle(current_thread(), info->number) ? enter_handler(f, info) : -ENOENT;
}

/* Take the lowest number that waits for t, its own first; 0: none. */
static uint32_t take(struct thread *t, int32_t *code)
{
    struct process *p = t->process;
    uint64_t bits = own_for(t), shared;
    *code = UPCALL_BY_THREAD;
    if (bits) {
        bits &= -bits;
        __atomic_fetch_and(&t->upcalls.pending, ~bits, __ATOMIC_SEQ_CST);
        return (uint32_t)__builtin_ctzll(bits) + 1;
    }
    *code = UPCALL_BY_PROCESS;
    while ((shared = shared_for(p, t)) != 0) {
        bits = shared & -shared;
        /* Another thread may have been faster. */
        if (__atomic_fetch_and(&p->upcalls.pending, ~bits, __ATOMIC_SEQ_CST) & bits)
            return (uint32_t)__builtin_ctzll(bits) + 1;
    }
    return 0;
}

/* Do what a number does now. */
static void perform(struct trap_frame *f, uint32_t number, int32_t code)
{
    struct upcall_info info = { .number = number, .code = code };
    switch (action_of(process_current(), number)) {
    case UPCALL_HANDLE:
        if (enter_handler(f, &info) != OK)
            end_named(f, number);
        break;
    case UPCALL_DEFAULT: process_kill(process_current(), number); break;
    default: break;
    }
}

/* A system call that says so is made again: the instruction with its number and arguments, once user mode goes on. */
static void restart_syscall(struct trap_frame *f)
{
    if (f->vector == VEC_SYSCALL && (int64_t)f->rax == STATUS_RESTART) {
        f->rip -= SYSCALL_LENGTH;
        f->rax = SYS_BASE + f->error;
        f->vector = VEC_NONE;
    }
}

void upcall_work(struct trap_frame *f)
{
    struct thread *t = current_thread();
    uint32_t number,
        work = __atomic_fetch_and(&t->work, ~(WORK_UPCALL | WORK_RETURN), __ATOMIC_SEQ_CST);
    int32_t code;
    restart_syscall(f);
    if (work & WORK_RETURN) {
        status_t st = leave_handler(f, t->upcalls.returning);
        if (st != OK)
            f->rax = (uint64_t)st;
    }
    while (!thread_killed(t) && (number = take(t, &code)) != 0)
        perform(f, number, code);
    /* With all masked now, what others sent meanwhile is for another thread. */
    if (__atomic_load_n(&t->process->upcalls.pending, __ATOMIC_SEQ_CST))
        look_again();
}
