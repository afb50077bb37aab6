/*
 * Random numbers, good enough for keys once the generator is seeded, which it is before its first use.
 *
 * Each CPU has a generator of its own: ChaCha20 with fast key erasure (a refill makes a new key first and forgets the
 * old one; what is handed out is wiped), so that nothing handed out earlier can be found from what is in memory now.
 * Their keys come from one pool, into which what nobody can foresee is mixed: RDRAND, the jitter of reading a slow
 * device and of interrupts, the clocks, and what a virtio-rng device sends. New input makes all generators take
 * a new key. Never waits, never fails; may be called from anywhere, with any lock held.
 */
#ifndef X86_RANDOM_H
#define X86_RANDOM_H

#include "klib/types.h"

/*
 * Seed the pool. After cpu_features_init. seed: NULL, or the only input there shall ever be (a test's): the numbers
 * are the same in each run then.
 */
void random_init(const char *seed);
/* Fill n bytes. Long requests take long: with interrupts on, better in pieces. */
void random_fill(void *buf, size_t n);
uint64_t random_u64(void);
/* Mix in n bytes that others can't know. */
void random_add(const void *data, size_t n);
/* An interrupt came: when, is a little unforeseeable. For irq.c, interrupts off. */
void random_stir(void);

#endif
