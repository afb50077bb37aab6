/* What the files of this room share and nobody else needs. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "sched/thread.h"

/* Interrupt handler of VEC_TIMER. */
void timer_interrupt(void *arg);
/* Let the running thread be preempted at end (clock_ns); UINT64_MAX: nobody else is ready. */
void timer_slice(uint64_t end);
/* Make the calling CPU choose again soon: before user mode, or at the end of this interrupt. */
void thread_want_resched(void);
/* Choose and run another thread; the caller has set its own state. Interrupts are off. */
void schedule(void);
/* Put a thread whose state is THREAD_READY into the run queue; next: before all others. */
void ready_enqueue(struct thread *t, bool next);

#endif
