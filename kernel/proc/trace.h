/*
 * Traces: records of the system calls of a process, for who may manage and inspect it.
 *
 * A trace is a ring of records of fixed size, made in full at its beginning: recording allocates nothing and never
 * waits; what finds no room is counted as lost. While a process is traced its threads' direct_calls is 0, so that each
 * call takes the slow way of entry/syscall.S, where it is recorded; otherwise tracing costs nothing.
 *
 * References: a trace holds its process. The process points at the trace without one: the last handle's end takes the
 * pointer out, and whoever takes it up does so with the process locked.
 */
#ifndef PROC_TRACE_H
#define PROC_TRACE_H

#include "proc/process.h"

#define TRACE_PER_PAGE (PAGE_SIZE / sizeof(struct trace_record))
#define TRACE_PAGES    (TRACE_RECORDS_MAX / TRACE_PER_PAGE)

struct trace {
    struct object obj;
    struct spinlock lock;       /* r */
    struct process *process;    /* [I] holds a reference */
    struct account *account;    /* [I] pays for the ring; its owner is held */
    uint32_t npages, capacity;  /* [I] */
    struct trace_record *pages[TRACE_PAGES]; /* [I] the ring; the records are [r] */
    uint32_t first, count;      /* [r] oldest record, number of records */
    uint64_t lost;              /* [r] */
    bool ended;                 /* [r] the process has ended */
    struct wait_queue readers;  /* [r] */
};

/*
 * Begin to trace p, with room for that many records, at the cost of a. NULL with *st: -ENOMEM, -EBUSY (traced already),
 * -ESRCH (it is ending).
 */
struct trace *trace_create(struct process *p, uint32_t records, struct account *a, status_t *st);
/* The trace of p, with a reference, or NULL. */
struct trace *trace_of(struct process *p);
/* Add a record, or count it as lost. */
void trace_add(struct trace *t, const struct trace_record *r);
/*
 * Take up to n records, waiting for the first until deadline (0: don't wait); how many, -ETIMEDOUT, -EINTR or -EPIPE.
 * *lost: as many were lost so far.
 */
int trace_take(struct trace *t, struct trace_record *out, uint32_t n, uint64_t deadline,
               uint64_t *lost) MUST_CHECK;
/* p has ended: there will be no more records. */
void trace_process_ended(struct process *p);

#endif
