/*
 * Futexes: sleeping on a 32-bit word of user memory.
 *
 * futex_wait compares and goes to sleep in one step as futex_wake sees it: a program that changes the word and then
 * calls futex_wake misses no sleeper. The kernel keeps nothing for a word that nobody sleeps on.
 *
 * A word is named by its address space and address, or, with FUTEX_SHARED and on a mapped memory object, by the object
 * and the offset in it, so that processes which map the object at different addresses meet. Sleepers hang in a table
 * of buckets by a hash of the name; each bucket has a lock of its own.
 */
#ifndef IPC_FUTEX_H
#define IPC_FUTEX_H

#include "klib/types.h"

/* Make the table of buckets. */
void futex_init(void);
/*
 * Sleep while the word at va is val, for timeout ns (negative: for ever). OK: woken. -EAGAIN: the word was not val.
 * -ETIMEDOUT, -EINTR. -EINVAL: not 4-aligned; -EFAULT: not readable.
 */
int64_t futex_wait(uintptr_t va, uint32_t val, int64_t timeout, bool shared) MUST_CHECK;
/* Wake up to n sleepers, the most important first, of equals those who slept first; how many, or -EINVAL, -EFAULT (no user address). */
int64_t futex_wake(uintptr_t va, uint32_t n, bool shared);

#endif
