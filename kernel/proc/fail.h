/*
 * Failures on demand: the n-th allocation of kernel memory by a thread or a process fails (debug_fail_nth).
 *
 * What counts is each time that memory is asked for in a system call, page faults that the call's copying takes among
 * them; not what a program's own page faults need. There is one plan in the system.
 */
#ifndef PROC_FAIL_H
#define PROC_FAIL_H

#include "proc/process.h"

/*
 * From now on the nth allocation of p's threads (FAIL_THREAD: of the calling one; FAIL_CHILD: of those of the next
 * process that p makes) fails; 0 ends the plan. Returns what became of the plan before: FAIL_FIRED when its failure took
 * place, and how many allocations were counted. -EOPNOTSUPP: not in this kernel.
 */
int64_t fail_plan(const struct process *p, uint32_t nth, uint32_t flags);

#ifdef DEBUG
void fail_init(void);
/* p has been made. */
void fail_child(const struct process *p);
#else
static inline void fail_init(void)
{
}
static inline void fail_child(const struct process *p)
{
    (void)p;
}
#endif

#endif
