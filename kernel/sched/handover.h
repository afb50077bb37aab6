/*
 * The sleeps of the hot paths: in no wait queue, and with the CPU handed from one thread to another that sleeps, past the
 * run queues, for who is about to sleep until that one has worked for it. Interrupts are off from thread_claim to thread_hand_over.
 */
#ifndef SCHED_HANDOVER_H
#define SCHED_HANDOVER_H

#include "sched/run.h"

/*
 * Sleep in no queue: who is to wake the thread has noted it, under the lock, which was taken by spin_acquire and is let
 * go of. Interrupts are on then. Results as of wait_sleep; a deadline that is past ends the sleep after it has begun.
 */
static inline __attribute__((always_inline)) int wait_sleep_alone(struct spinlock *lock,
                                                                  uint64_t deadline)
{
    struct thread *t = current_thread();
    bool sleeps = go_to_sleep(t, deadline, WORK_KILL | WORK_UPCALL);
    spin_release(lock);
    if (LIKELY(sleeps))
        schedule(); /* with interrupts off: no preemption between becoming a sleeper and the switch */
    irq_enable();
    return LIKELY(sleeps) ? t->wait_result : -EINTR;
}

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
    bool ours = t->state == THREAD_BLOCKED && !t->on_cpu && (t->affinity >> self & 1);
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
 * Whether nothing that waits here is above level; then that is what runs here from now on. Who queues something higher
 * after the look compares it with what runs, and has the CPU choose again.
 */
static inline bool run_at(struct runqueue *rq, int level)
{
    if (UNLIKELY(rq->running != level)) {
        spin_acquire(&rq->lock);
        rq->running = level;
        spin_release(&rq->lock);
    }
    return LIKELY(!(__atomic_load_n(&rq->levels, __ATOMIC_RELAXED) >> level >> 1));
}

/* Switch between two threads of programs: as switch_to, with nothing to ask. */
static inline __attribute__((always_inline)) void hand_over_to(struct cpu *cpu, struct thread *prev,
                                                               struct thread *next)
{
    uint64_t now = clock_ns();
    charge_time(prev, now);
    next->started = now;
    CPU_COUNT(switches);
    cpu->switched_from = prev;
    cpu->current = next;
    cpu->frame_floor = next->frame_floor;
    if (LIKELY(cpu->aspace != next->aspace))
        aspace_swap(cpu, next->aspace);
    gdt_set_kernel_stack(cpu, next->kstack);
    fpu_swap(prev->fpu, next->fpu);
    wrmsr(MSR_FS_BASE, next->fs_base);
    context_switch(&prev->context, next->context);
    schedule_arrived();
}

/*
 * Sleep like wait_sleep_heeding, in no queue, and have next, which was claimed, run at once, unless something more
 * important is ready. lock is held (by spin_acquire), and let go of; it is not taken again. A deadline that is past
 * already ends the sleep after it has begun.
 */
static inline __attribute__((always_inline)) int thread_hand_over(struct thread *next,
                                                                  struct spinlock *lock,
                                                                  uint64_t deadline, uint32_t heed)
{
    struct cpu *cpu = this_cpu();
    struct thread *prev = cpu->current;
    bool sleeps = go_to_sleep(prev, deadline, heed);
    spin_release(lock);
    if (LIKELY(sleeps && run_at(cpu->runqueue, next->level))) {
        hand_over_to(cpu, prev, next);
        return current_thread()->wait_result;
    }
    thread_unclaim(next);
    if (!sleeps)
        return -EINTR;
    schedule();
    return prev->wait_result;
}

#endif
