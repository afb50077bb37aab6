/*
 * Fibers: fsd's requests run beside each other on one kernel thread. A fiber runs until it waits;
 * then the main loop goes on. So nothing here needs locks, and between two waits a fiber sees
 * nothing change under it.
 */
#ifndef FSD_FIBER_H
#define FSD_FIBER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    FIBER_MAX = 32,                 /* requests in progress at most */
    FIBER_STACK = 64 * 1024,        /* bytes, with a guard page below */
};

/*
 * Begin fn(arg) in a fiber of its own; it first runs at the next fiber_run(). False: all FIBER_MAX
 * are busy, or there is no memory for another stack.
 */
bool fiber_start(void (*fn)(void *arg), void *arg);

/* Whether fiber_start() would find a place. */
bool fiber_available(void);

/* Run fibers until each waits or has ended. Only from the main loop. */
void fiber_run(void);

/* Fibers begun and not ended, the calling one included. */
unsigned fiber_count(void);

/* Let the main loop look for new requests before the calling fiber goes on. */
void fiber_yield(void);

/* Whether the next fiber_run() would run a fiber at once. */
bool fiber_runnable(void);

/* Whether a fiber has yielded and waits for the next fiber_run(). */
bool fiber_yielded(void);

/* Suspend the calling fiber until fiber_wake(chan). Callers look again at what they wait for. */
void fiber_wait(const void *chan);

/* The same, and as long as *outside is not 0 that will come from outside of all fibers: from the disk. */
void fiber_wait_outside(const void *chan, const unsigned *outside);

/* Let all fibers that wait for chan go on, oldest first. From anywhere. */
void fiber_wake(const void *chan);

/*
 * Readers and writers. Readers pass a waiting writer, so that a reader which waits for the disk does
 * not (through a writer behind it) delay readers that have what they need in memory. A reader that
 * never waits costs the writer nothing; of those that do, no more than FIBER_PASS pass one writer.
 */
enum { FIBER_PASS = 16 };

struct fiber_rwlock {
    unsigned readers; /* holding it */
    unsigned waiting; /* writers that wait */
    unsigned passed; /* slow readers done since the first of them began to wait */
    bool writer; /* held by a writer */
};

/*
 * Whether a fiber waits for what will never come. To be asked now and then by the main loop: time is counted in looks.
 *
 * A fiber that has not run for FIBER_QUIET looks is all right as long as the disk has a request of its, or somebody who is
 * all right can still wake it: who holds the lock that it wants, or else any fiber that had begun before it went to
 * sleep. (What it waits for was somebody's then; it would have run if that had been given away.) So neither a slow disk
 * nor a long queue counts, and it does not matter what younger ones do.
 */
enum { FIBER_QUIET = 4 };
bool fiber_stuck(void);

void fiber_read_lock(struct fiber_rwlock *lock);
void fiber_read_unlock(struct fiber_rwlock *lock);
void fiber_write_lock(struct fiber_rwlock *lock);
void fiber_write_unlock(struct fiber_rwlock *lock);

#endif
