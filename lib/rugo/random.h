/* Random bytes: for keys, for seeds, for placing things where they can't be guessed. */
#ifndef RUGO_RANDOM_H
#define RUGO_RANDOM_H

#include <stddef.h>

/* Fills buf with random bytes from the kernel, good enough for keys. Never waits and never fails; a buffer that is
 * not the caller's ends the program. */
void random_bytes(void *buf, size_t n);

#endif
