/*
 * Signals: upcalls (docs/upcalls.md) as C programs know them. Numbers are in <rugo/abi.h>.
 *
 * A handler runs on a stack of its own of 32 KiB, in a thread that has called signal(), sigaction() or was started
 * by thread_start after somebody did. It may do IPC (write, for instance): the thread's message buffer and errno are
 * put back after it. Calls that were interrupted before anything happened are made again; with handlers set
 * without SA_RESTART, reads of a terminal end with EINTR.
 */
#ifndef LIB_SIGNAL_H
#define LIB_SIGNAL_H

#include <rugo/abi.h>

typedef uint64_t sigset_t; /* bit n-1: number n */
typedef int sig_atomic_t;
typedef void (*sighandler_t)(int);

typedef struct {
    int si_signo, si_errno, si_code, si_pad;
    void *si_addr;
    uint64_t si_reserved[13];
} siginfo_t;

struct sigaction {
    union {
        sighandler_t sa_handler;
        void (*sa_sigaction)(int, siginfo_t *, void *); /* the last: struct upcall_context */
    };
    unsigned long sa_flags;
    sigset_t sa_mask; /* masked too while the handler runs */
};

#define SIG_DFL ((sighandler_t)0)
#define SIG_IGN ((sighandler_t)1)
#define SIG_ERR ((sighandler_t) - 1)

#define SA_SIGINFO   0x4ul        /* the handler looks at its second and third argument */
#define SA_ONSTACK   0x08000000ul /* always so */
#define SA_RESTART   0x10000000ul
#define SA_NODEFER   0x40000000ul /* the number itself is not masked while its handler runs */
#define SA_RESETHAND 0x80000000ul /* SIG_DFL once the handler runs */

#define SIG_BLOCK   UPCALL_BLOCK
#define SIG_UNBLOCK UPCALL_UNBLOCK
#define SIG_SETMASK UPCALL_SETMASK

#define SI_USER   UPCALL_BY_PROCESS
#define SI_TKILL  UPCALL_BY_THREAD
#define SI_KERNEL UPCALL_BY_KERNEL

int sigaction(int number, const struct sigaction *action, struct sigaction *old);
/* With SA_RESTART. */
sighandler_t signal(int number, sighandler_t handler);
int sigprocmask(int how, const sigset_t *set, sigset_t *old);
/* To the calling thread. */
int raise(int number);

static inline int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}
static inline int sigfillset(sigset_t *set)
{
    *set = ~(sigset_t)0;
    return 0;
}
static inline int sigaddset(sigset_t *set, int number)
{
    *set |= UINT64_C(1) << (number - 1);
    return 0;
}
static inline int sigdelset(sigset_t *set, int number)
{
    *set &= ~(UINT64_C(1) << (number - 1));
    return 0;
}
static inline int sigismember(const sigset_t *set, int number)
{
    return (int)(*set >> (number - 1) & 1);
}

#endif
