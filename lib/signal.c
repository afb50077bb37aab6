/* Signals (<signal.h>). */
#include "error.h"
#include "tcb.h"

#include <rugo/cdefs.h>
#include <rugo/syscall.h>
#include <signal.h>
#include <string.h>

#define SIGNAL_STACK ((size_t)32 * 1024)

static struct sigaction actions[UPCALL_MAX]; /* of number n at n-1 */
static int used;                             /* somebody has set a handler */

void __hidden __signal_entry(void);
void __signal_handle(uint32_t number, struct upcall_info *info, struct upcall_context *context);
int __signal_thread_begin(void);
void __signal_thread_end(void);

_Static_assert(sizeof(siginfo_t) == sizeof(struct upcall_info), "the kernel fills it");

/* ---- stacks ---- */

/* Give the calling thread a stack for handlers, once there are any. 0 or negative errno. */
int __signal_thread_begin(void)
{
    struct tcb *t = tcb_self();
    int64_t at;

    if (!used || t->signal_stack != NULL)
        return 0;
    at = sys_vm_map(HANDLE_SELF, 0, SIGNAL_STACK, VM_READ | VM_WRITE, 0);
    if (at < 0)
        return (int)at;
    t->signal_stack = (void *)at;
    return sys_upcall_stack((uintptr_t)at, SIGNAL_STACK);
}

void __signal_thread_end(void)
{
    struct tcb *t = tcb_self();

    if (t->signal_stack == NULL)
        return;
    (void)sys_upcall_mask(UPCALL_SETMASK, ~UINT64_C(0), NULL);
    (void)sys_upcall_stack(0, 0);
    (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)t->signal_stack, SIGNAL_STACK);
    t->signal_stack = NULL;
}

/* ---- handling ---- */

static void run(const struct sigaction *a, uint32_t number, struct upcall_info *info,
                struct upcall_context *context)
{
    uint64_t own = a->sa_flags & SA_NODEFER ? 0 : UINT64_C(1) << (number - 1);

    (void)sys_upcall_mask(UPCALL_SETMASK, context->mask | a->sa_mask | own, NULL);
    a->sa_sigaction((int)number, (siginfo_t *)info, context);
    (void)sys_upcall_mask(UPCALL_SETMASK, ~UINT64_C(0), NULL);
}

/* All is masked here. What was interrupted may be putting a message together, or waits to send it again. */
void __signal_handle(uint32_t number, struct upcall_info *info, struct upcall_context *context)
{
    struct tcb *t = tcb_self();
    struct ipc_msg *buffer = t->buffer;
    struct sigaction a = actions[number - 1];
    struct ipc_msg kept;
    int err = t->err;

    if (a.sa_flags & SA_RESETHAND)
        (void)signal((int)number, SIG_DFL);
    if (a.sa_handler == SIG_DFL || a.sa_handler == SIG_IGN)
        return; /* changed by another thread just now */
    if (buffer != NULL)
        memcpy(&kept, buffer, sizeof kept);
    run(&a, number, info, context);
    if (buffer != NULL)
        memcpy(buffer, &kept, sizeof kept);
    t->err = err;
    t->interrupted |= (a.sa_flags & SA_RESTART) == 0;
}

/* ---- setting ---- */

/* Whoever is sent here meanwhile finds an action: it is stored before the kernel knows, and taken back after. */
static int set_action(int number, const struct sigaction *a)
{
    int st, handled = a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN;

    if (handled) {
        used = 1;
        st = __signal_thread_begin();
        if (st == 0)
            st = sys_upcall_set((uintptr_t)__signal_entry);
        if (st != 0)
            return st;
        actions[number - 1] = *a;
    }
    st = (int)sys_upcall_action((uint32_t)number, handled                    ? UPCALL_HANDLE
                                                  : a->sa_handler == SIG_IGN ? UPCALL_IGNORE
                                                                             : UPCALL_DEFAULT);
    if (st >= 0)
        actions[number - 1] = *a;
    return st < 0 ? st : 0;
}

int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction before;
    int st = 0;

    if (number < 1 || number > UPCALL_MAX || number == SIGKILL || number == SIGSTOP)
        return (int)to_errno(-EINVAL);
    before = actions[number - 1];
    if (action != NULL)
        st = set_action(number, action);
    if (st == 0 && old != NULL)
        *old = before;
    return (int)to_errno(st);
}

sighandler_t signal(int number, sighandler_t handler)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;

    return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    uint32_t kind = set != NULL ? (uint32_t)how : UPCALL_BLOCK;

    return (int)to_errno(sys_upcall_mask(kind, set != NULL ? *set : 0, old));
}

int raise(int number)
{
    return (int)to_errno(sys_thread_upcall((uint64_t)sys_thread_self(), (uint32_t)number));
}
