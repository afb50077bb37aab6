/* SHA-256 (FIPS 180-4). Pure: no calls, compiled for the host as well. */
#ifndef RUGO_SHA256_H
#define RUGO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

/* A hash in the making; its fields are the implementation's. */
struct sha256 {
    uint32_t state[8];
    uint64_t length;   /* bytes so far */
    uint8_t block[64]; /* the last length % 64 of them */
};

/* Begin; add any number of pieces of any size, also empty ones; take the hash, after which h is used up. */
void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t size);
void sha256_end(struct sha256 *h, uint8_t hash[SHA256_SIZE]);

#endif
