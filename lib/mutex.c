/* A lock made of one word. There is no futex yet: who has to wait longer than a moment sleeps in
 * growing steps. */
#include <rugo/thread.h>

#include <rugo/syscall.h>

void mutex_lock(struct mutex *m)
{
    int64_t ns = 1000;

    for (int tries = 0; __atomic_exchange_n(&m->held, 1, __ATOMIC_ACQUIRE) != 0; tries++) {
        if (tries < 100) {
            (void)sys_yield();
            continue;
        }
        (void)sys_thread_sleep(ns);
        if (ns < 1000000)
            ns *= 2;
    }
}

void mutex_unlock(struct mutex *m)
{
    __atomic_store_n(&m->held, 0, __ATOMIC_RELEASE);
}
