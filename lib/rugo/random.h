/* Random bytes for placing things where they can't be guessed, and for seeds. */
#ifndef RUGO_RANDOM_H
#define RUGO_RANDOM_H

#include <stddef.h>

/*
 * Fills buf. Drawn from AT_RANDOM, the time-stamp counter and RDRAND where the CPU has it. Without
 * RDRAND and without AT_RANDOM it is only as good as the clock: not for keys yet.
 */
void random_bytes(void *buf, size_t n);

#endif
