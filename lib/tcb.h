/* A thread's own block, where FS points. */
#ifndef LIB_TCB_H
#define LIB_TCB_H

#include <stddef.h>
#include <stdint.h>
#include <rugo/abi.h>

struct thread;

struct tcb {
    struct tcb *self; /* at FS:0: the x86-64 ABI's thread pointer */
    struct ipc_msg *buffer; /* message buffer, NULL until first used */
    struct thread *thread;  /* NULL in the first thread */
    int err;                /* errno */
    int interrupted;        /* a handler set without SA_RESTART has run (signal.c) */
    void *signal_stack;     /* for handlers, NULL: none yet */
    uint64_t canary; /* at FS:40, where gcc's stack protector looks */
};
_Static_assert(offsetof(struct tcb, canary) == 40, "fixed by gcc for this system");

static inline struct tcb *tcb_self(void)
{
    struct tcb *t;

    __asm__("mov %%fs:0, %0" : "=r"(t));
    return t;
}

/* Thread-local storage of the program (PT_TLS): size of the block below the tcb, and how to fill
 * it. */
size_t __tls_size(void);
/* Makes a thread's block at the top of [base, end): tls image, tcb. The tcb. */
struct tcb *__tcb_make(char *end);

#endif
