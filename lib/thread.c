/*
 * Threads of this process. One mapping holds, from below: a page without access, the stack,
 * thread-local storage and the thread's block.
 */
#include <rugo/thread.h>

#include "tcb.h"

#include <rugo/cdefs.h>
#include <rugo/syscall.h>

enum { STACKS_KEPT = 16 };

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

/* ---- stacks of the usual size, kept for the next thread ---- */

static void *kept[STACKS_KEPT];

static void *take_kept(void)
{
    for (size_t i = 0; i < STACKS_KEPT; i++) {
        void *stack = __atomic_load_n(&kept[i], __ATOMIC_RELAXED);

        if (stack != NULL && __atomic_compare_exchange_n(&kept[i], &stack, NULL, 0,
                                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return stack;
    }
    return NULL;
}

static int keep(void *stack)
{
    for (size_t i = 0; i < STACKS_KEPT; i++) {
        void *none = NULL;

        if (__atomic_load_n(&kept[i], __ATOMIC_RELAXED) == NULL &&
            __atomic_compare_exchange_n(&kept[i], &none, stack, 0, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return 1;
    }
    return 0;
}

/* Bytes of the mapping for a stack of stack_size bytes. */
static size_t mapping_size(size_t stack_size)
{
    size_t want = stack_size + __tls_size();

    return PAGE_SIZE + ((want + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1));
}

/* Address or negative errno. */
static int64_t stack_get(size_t size)
{
    void *old = size == mapping_size(THREAD_STACK) ? take_kept() : NULL;
    int64_t at;

    if (old != NULL)
        return (int64_t)(uintptr_t)old;
    at = sys_vm_map(HANDLE_SELF, 0, size, VM_READ | VM_WRITE, 0);
    if (at >= 0)
        make_guard((uintptr_t)at);
    return at;
}

static void stack_put(void *stack, size_t size)
{
    if (size != mapping_size(THREAD_STACK) || !keep(stack))
        (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)stack, size);
}

/* ---- threads ---- */

int thread_start(struct thread *t, int (*fn)(void *), void *arg, size_t stack_size)
{
    size_t size = mapping_size(stack_size > 0 ? stack_size : THREAD_STACK);
    int64_t at = stack_get(size), id;
    struct tcb *tcb;

    if (at < 0)
        return (int)at;
    *t = (struct thread){ 0, (void *)at, size, fn, arg, 0, 1 };
    tcb = __tcb_make((char *)at + size);
    tcb->thread = t;
    uintptr_t stack = ((uintptr_t)at + size - __tls_size()) & ~(uintptr_t)63;
    id = sys_thread_create((uintptr_t)__thread_entry, stack, (uintptr_t)t, (uintptr_t)tcb, 0,
                           THREAD_INHERIT);
    if (id < 0) {
        stack_put(t->stack, size);
        return (int)id;
    }
    t->id = (uint64_t)id;
    return 0;
}

int thread_join(struct thread *t, int *result)
{
    while (__atomic_load_n(&t->alive, __ATOMIC_ACQUIRE) != 0)
        (void)sys_futex_wait((uintptr_t)&t->alive, 1, TIMEOUT_NEVER, 0);
    stack_put(t->stack, t->stack_size);
    if (result != NULL)
        *result = t->result;
    return 0;
}
