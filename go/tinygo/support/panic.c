/*
 * The end of a Go program that found itself broken, or that a fault has ended. Who called whom is told as for every
 * program: the kernel follows the chain of frame pointers, svcman or the shell put names to it (lib/crash.c). Go code
 * keeps no frame pointers, so the chain is made here, of what unwind.c finds.
 */
#include "support.h"

#include "tcb.h"
#include "unwind.h"

#include <rugo/ipc.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX = 400, SIGNAL_STACK = 32 * 1024, HANDLER_NEEDS = 12 * 1024 };

/* As if pushed by functions with frame pointers; addresses rise as on a stack. */
static struct {
    uint64_t next, caller;
} chain[CRASH_FRAMES];

/* Where RBP must point, so that the chain begins with the return address u.rip, or behind it if that is a fault's. */
static uint64_t make_chain(struct unwind u, int exact)
{
    size_t n = 0;
    int more = !exact || unwind_step(&u, 1);

    for (; more && n < CRASH_FRAMES; more = unwind_step(&u, 0)) {
        chain[n].caller = u.rip;
        chain[n].next = (uintptr_t)&chain[n + 1];
        n++;
    }
    if (n > 0)
        chain[n - 1].next = 0;
    return n > 0 ? (uintptr_t)chain : 0;
}

void support_panic_line(const char *text, size_t n)
{
    char line[LINE_MAX];
    int len = snprintf(line, sizeof line, "%s: %.*s", program_name, (int)n, text);

    if (len > 0)
        (void)!write(STDERR_FILENO, line,
                     (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

_Noreturn void support_abort(void)
{
    uint64_t *frame = __builtin_frame_address(0);
    struct unwind u = { .rip = frame[1], .rsp = (uintptr_t)(frame + 2), .rbp = frame[0] };

    __asm__ volatile("mov %0, %%rbp\n\tud2" : : "r"(make_chain(u, 0)));
    __builtin_unreachable();
}

static const char *cause(int number, const siginfo_t *info)
{
    if (number == SIGFPE)
        return "arithmetic fault";
    if (number == SIGBUS)
        return "out of memory";
    return support_in_guard((uintptr_t)info->si_addr) ? "goroutine stack overflow"
                                                      : "invalid memory address";
}

/* Tell the cause, then let the fault happen again: it ends the process, with a chain to follow. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    struct upcall_context *c = context;
    struct unwind u = { .rip = c->rip, .rsp = c->rsp, .rbp = c->rbp };
    char text[LINE_MAX / 2];
    int n = snprintf(text, sizeof text, "panic: runtime error at 0x%lx: %s (0x%lx)\n", c->rip,
                     cause(number, info), (uint64_t)(uintptr_t)info->si_addr);

    support_panic_line(text, (size_t)n);
    c->rbp = make_chain(u, 1);
}

/*
 * When memory is out, no page can be had any more for what the handler needs: the message buffer, to say something with,
 * and the upper end of its stack, which the library has made.
 */
static void make_ready(void)
{
    volatile char *stack = tcb_self()->signal_stack;

    for (size_t i = SIGNAL_STACK - HANDLER_NEEDS; stack != NULL && i < SIGNAL_STACK; i += PAGE_SIZE)
        stack[i] = 0;
    (void)ipc_buffer_make();
}

void support_panic_begin(void)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE };
    struct sigaction a = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESETHAND };

    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        (void)sigaction(faults[i], &a, NULL);
    make_ready();
}
