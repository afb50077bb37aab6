/*
 * Threads of this process. One mapping holds, from below: a page without access, the stack,
 * thread-local storage and the thread's block.
 */
#include <rugo/thread.h>

#include "tcb.h"

#include <rugo/cdefs.h>
#include <rugo/syscall.h>

_Noreturn void __thread_main(struct thread *t);
void __hidden __thread_entry(void);
/* Only linked in where signals are used (signal.c). */
int __weak __signal_thread_begin(void);
void __weak __signal_thread_end(void);

_Noreturn void __thread_main(struct thread *t)
{
    if (__signal_thread_begin != NULL)
        (void)__signal_thread_begin(); /* without a stack it hears of nothing */
    t->result = t->fn(t->arg);
    if (__signal_thread_end != NULL)
        __signal_thread_end();
    sys_thread_exit((uintptr_t)&t->alive);
}

/* Without VM_READ nothing can be touched; where that is not to be had, the page is unmapped. */
static void make_guard(uintptr_t page)
{
    if (sys_vm_protect(HANDLE_SELF, page, PAGE_SIZE, 0) != 0)
        (void)sys_vm_unmap(HANDLE_SELF, page, PAGE_SIZE);
}

int thread_start(struct thread *t, int (*fn)(void *), void *arg, size_t stack_size)
{
    size_t want = (stack_size > 0 ? stack_size : THREAD_STACK) + __tls_size();
    size_t size = PAGE_SIZE + ((want + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1));
    int64_t at = sys_vm_map(HANDLE_SELF, 0, size, VM_READ | VM_WRITE, 0);
    struct tcb *tcb;

    if (at < 0)
        return (int)at;
    make_guard((uintptr_t)at);
    *t = (struct thread){ HANDLE_NONE, (void *)at, size, fn, arg, 0, 1 };
    tcb = __tcb_make((char *)at + size);
    tcb->thread = t;
    uintptr_t stack = ((uintptr_t)at + size - __tls_size()) & ~(uintptr_t)63;
    handle_t h = sys_thread_spawn(HANDLE_SELF, (uintptr_t)__thread_entry, stack, (uintptr_t)t,
                                  (uintptr_t)tcb, 0);
    if (h < 0) {
        (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, size);
        return h;
    }
    t->handle = h;
    return 0;
}

int thread_join(struct thread *t, int *result)
{
    while (__atomic_load_n(&t->alive, __ATOMIC_ACQUIRE) != 0)
        (void)sys_futex_wait((uintptr_t)&t->alive, 1, TIMEOUT_NEVER, 0);
    (void)sys_handle_close(t->handle);
    (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)t->stack, t->stack_size);
    if (result != NULL)
        *result = t->result;
    return 0;
}
