/*
 * Pipes: bytes from one end to the other, at most PIPE_SIZE of them waiting.
 *
 * The two ends are objects of their own, each with its handles and its flags (an open file in POSIX's words: what
 * duplicates share). One thread at a time works at an end; it has the end's *turn*. It copies between user memory and
 * the pipe's pages without the lock, from or to a range that is its own meanwhile, and only then moves the position:
 * a bad address takes no byte out and puts none in.
 *
 *     pages are kept for   [read ............ written ...... reserved)
 *                           the reader's turn  the writer's turn
 *
 * Pages come when bytes do and go when they are read; an empty pipe has none. The read end's job pays for them.
 * Readiness: the read end is EV_READABLE while there are bytes, and from when the write end is gone (with EV_HUP); the
 * write end is EV_WRITABLE while PIPE_BUF bytes fit, and from when the read end is gone (with EV_HUP).
 *
 * References: the write end holds one on the read end, which therefore goes last and frees the pipe.
 */
#ifndef IPC_PIPE_H
#define IPC_PIPE_H

#include "mm/usercopy.h"
#include "sched/thread.h"

#define PIPE_PAGES (PIPE_SIZE / PAGE_SIZE)

enum pipe_side { PIPE_READER, PIPE_WRITER };

struct pipe;

struct pipe_end {
    struct object obj;
    struct pipe *pipe;         /* [I] */
    enum pipe_side side;       /* [I] */
    uint32_t flags;            /* [p] pipe_flags */
    bool closed;               /* [p] its last handle is gone, and nobody is at work at it */
    bool busy;                 /* [p] somebody has the turn */
    struct wait_queue waiters; /* [p] for their turn, for bytes or for room */
};

/* Two ends with a reference each, the caller's. -ENOMEM. */
status_t pipe_create(uint32_t flags, struct pipe_end *ends[2]) MUST_CHECK;
/*
 * Read up to n bytes from a read end: at least one, or 0 at the end of all. -EAGAIN with PIPE_NONBLOCK, -EINTR before
 * a byte was read, -EFAULT. Like pipe_write in a call that counts as a handle of the end.
 */
int64_t pipe_read(struct pipe_end *e, struct user_out buf, size_t n);
/* Write n bytes, up to PIPE_BUF of them in one piece. What was written before an error counts. -EPIPE, -ENOMEM, as above. */
int64_t pipe_write(struct pipe_end *e, struct user_in buf, size_t n);
/* Clear, then set flags of an end; what they were. */
uint32_t pipe_set_flags(struct pipe_end *e, uint32_t clear, uint32_t set);

#endif
