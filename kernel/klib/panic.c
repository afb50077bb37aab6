/* Panic (panic.h). */
#include "klib/panic.h"
#include "klib/klog.h"
#include "klib/printf.h"
#include "x86/apic.h"
#include "x86/cpu.h"
#include "x86/debugexit.h"

static struct cpu *panicking; /* [a] the CPU that is at it */
static void (*reset_machine)(void);

void panic_set_reboot(void (*reset)(void))
{
    reset_machine = reset;
}

void panic_halt(void)
{
    for (;;)
        cpu_halt();
}

bool panic_elsewhere(void)
{
    struct cpu *c = __atomic_load_n(&panicking, __ATOMIC_ACQUIRE);
    return c && c != this_cpu();
}

static NORETURN void die(uint64_t code, uintptr_t rip, uintptr_t rbp, const char *text)
{
    irq_disable();
    struct cpu *nobody = NULL, *self = this_cpu();
    bool first = __atomic_compare_exchange_n(&panicking, &nobody, self, false, __ATOMIC_SEQ_CST,
                                             __ATOMIC_SEQ_CST);
    if (!first && nobody != self)
        panic_halt();
    if (first) {
        lapic_send_nmi_others();
        klog_panic_mode();
        self->lock_rank = 0; /* whatever lock was held: printing comes first now */
        kprintf("\nRUGO: panic code=0x%lx %s\n", code, text);
        if (cpu_count > 1)
            kprintf("  on CPU %u of %u\n", self->id, cpu_count);
        backtrace_print(rip, rbp);
    }
    debug_exit(DEBUG_EXIT_FAILURE);
    if (reset_machine)
        reset_machine();
    panic_halt();
}

void panic(uint64_t code, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    kvsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    die(code, (uintptr_t)__builtin_return_address(0), *(uintptr_t *)__builtin_frame_address(0),
        text);
}

void panic_at(uint64_t code, uintptr_t rip, uintptr_t rbp, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    kvsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    die(code, rip + 1, rbp, text); /* a return address lies behind its call too */
}
