/* A lock made of one word: 0 free, 1 held, 2 held and somebody may sleep on it. */
#include <rugo/thread.h>

#include <rugo/syscall.h>

enum { FREE = 0, HELD = 1, AWAITED = 2 };

void mutex_lock(struct mutex *m)
{
    uint32_t seen = FREE;

    if (__atomic_compare_exchange_n(&m->state, &seen, HELD, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&m->state, AWAITED, __ATOMIC_ACQUIRE) != FREE)
        (void)sys_futex_wait((uintptr_t)&m->state, AWAITED, TIMEOUT_NEVER, 0);
}

void mutex_unlock(struct mutex *m)
{
    if (__atomic_exchange_n(&m->state, FREE, __ATOMIC_RELEASE) == AWAITED)
        (void)sys_futex_wake((uintptr_t)&m->state, 1, 0);
}
