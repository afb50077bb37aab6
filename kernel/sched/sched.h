/* What the files of this room share and nobody else needs. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "sched/thread.h"

/* ---- timers of a CPU (timer.c); interrupts are off for these ---- */

void timers_init(void);
/* Interrupt handler of VEC_TIMER. */
void timer_interrupt(void *arg);
/* Set the calling CPU's hardware to the time next, if that is earlier than what it is set to. now: clock_ns. */
void timer_program(struct cpu *self, uint64_t next, uint64_t now);
/* Let the thread that it runs be preempted at end; UINT64_MAX: nobody else is ready. */
static inline void timer_slice(struct cpu *self, uint64_t end, uint64_t now)
{
    self->slice_end = end;
    if (end < self->timer_programmed)
        timer_program(self, end, now);
}

/* ---- run queues and switching (schedule.c) ---- */

void ready_init(void);
/* Put a thread whose state is THREAD_READY into a run queue, and see that its CPU looks; next: before its equals. */
void ready_enqueue(struct thread *t, bool next);
/* t's priority or affinity has changed. Its lock is held. */
void ready_changed(struct thread *t);
/* Interrupt handler of VEC_RESCHED. */
void resched_interrupt(void *arg);
/* Make the calling CPU choose again soon: before user mode, or at the end of this interrupt. */
void thread_want_resched(void);
/* Choose and run another thread; the caller has set its own state. Interrupts are off. */
void schedule(void);

/* ---- sleeping (wait.c) ---- */

/* See that the timer of t, which is becoming a sleeper, fires at t->wait_deadline or before. t is locked. */
void sleep_timed(struct thread *t);
/* Handler of thread.wait_timer. */
void sleep_timeout(struct timer *timer);
/* Set work bits of t, whose lock is held; true: that has ended its sleep. */
bool thread_give_work(struct thread *t, uint32_t bits);
/* Become a sleeper, unless work of the kinds `heed` came first. Interrupts are off. */
static inline bool go_to_sleep(struct thread *t, uint64_t deadline, uint32_t heed)
{
    spin_acquire(&t->lock);
    bool sleep = !(__atomic_load_n(&t->work, __ATOMIC_ACQUIRE) & heed);
    if (LIKELY(sleep)) {
        t->wait_heed = heed;
        t->wait_result = STILL_ASLEEP;
        t->wait_deadline = deadline;
        t->state = THREAD_BLOCKED;
        if (deadline != WAIT_FOREVER)
            sleep_timed(t);
    }
    spin_release(&t->lock);
    return sleep;
}

/* ---- threads (thread.c) ---- */

/* Fill in a thread whose memory is zero: a kernel thread, with no stack yet. */
void thread_init(struct thread *t, const char *name);

#endif
