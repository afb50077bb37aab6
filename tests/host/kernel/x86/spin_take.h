/* Stands for kernel/x86/spin_take.h: under the explorer another thread may run before a lock is taken. */
#ifndef X86_SPIN_TAKE_H
#define X86_SPIN_TAKE_H

#include <stdint.h>

struct spinlock;
void spin_contend(struct spinlock *l);

static inline void spin_take(struct spinlock *l)
{
    if (__atomic_exchange_n((uint32_t *)l, 1, __ATOMIC_ACQUIRE))
        spin_contend(l);
}

#endif
