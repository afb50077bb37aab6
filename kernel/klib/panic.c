/* Panic (panic.h). */
#include "klib/panic.h"
#include "klib/klog.h"
#include "klib/printf.h"
#include "x86/cpu.h"
#include "x86/debugexit.h"

static bool panicking;
static void (*reset_machine)(void);

void panic_set_reboot(void (*reset)(void))
{
    reset_machine = reset;
}

static NORETURN void die(uint64_t code, uintptr_t rip, uintptr_t rbp, const char *text)
{
    irq_disable();
    if (!__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST)) {
        klog_panic_mode();
        this_cpu()->lock_rank = 0; /* whatever lock was held: printing comes first now */
        kprintf("\nRUGO: panic code=0x%lx %s\n", code, text);
        backtrace_print(rip, rbp);
    }
    debug_exit(DEBUG_EXIT_FAILURE);
    if (reset_machine)
        reset_machine();
    for (;;)
        cpu_halt();
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
