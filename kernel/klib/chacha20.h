/* The ChaCha20 block function (RFC 8439, 2.3). Pure: compiled for the host as well. */
#ifndef KLIB_CHACHA20_H
#define KLIB_CHACHA20_H

#include "klib/types.h"

#define CHACHA20_KEY   8u  /* words */
#define CHACHA20_BLOCK 64u /* bytes */

/* Write the block of key, counter and nonce. */
void chacha20_block(const uint32_t key[CHACHA20_KEY], uint32_t counter, const uint32_t nonce[3],
                    uint8_t out[CHACHA20_BLOCK]);

#endif
