/*
 * Handing the CPU from one thread to another that sleeps, past the run queues: for who is about to sleep until that one
 * has worked for it. A hot path. Interrupts are off from thread_claim to thread_hand_over.
 */
#ifndef SCHED_HANDOVER_H
#define SCHED_HANDOVER_H

#include "sched/thread.h"

/*
 * Take t out of its sleep, whose result this is, in order to switch to it. Until then, or thread_unclaim, it does not
 * run. False: it does not sleep any more, has not left its CPU yet, or may not run on this one.
 *
 * Under its lock it becomes known that t is on this CPU: who sets work bits after that finds it on a CPU, and what was set
 * before is seen on its way to user mode.
 */
static inline bool thread_claim(struct thread *t, int result)
{
    uint32_t self = this_cpu()->id;
    spin_acquire(&t->lock);
    bool asleep = t->state == THREAD_BLOCKED && t->wait_result == STILL_ASLEEP;
    bool ours =
        asleep && !__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE) && (t->affinity >> self & 1);
    if (LIKELY(ours)) {
        t->wait_result = result;
        t->state = THREAD_RUNNING;
        t->cpu = self;
        t->on_cpu = true;
    }
    spin_release(&t->lock);
    return ours;
}

/* Let a claimed thread run as any that was woken. */
void thread_unclaim(struct thread *t);

/*
 * Sleep like wait_sleep_heeding, in no queue, and have next, which was claimed, run at once, unless something more
 * important is ready. lock is held (by spin_acquire), and let go of; it is not taken again. A deadline that is past
 * already ends the sleep after it has begun.
 */
int thread_hand_over(struct thread *next, struct spinlock *lock, uint64_t deadline, uint32_t heed);

#endif
