/* The ChaCha20 block function (chacha20.h). */
#include "klib/chacha20.h"
#include "klib/string.h"

static uint32_t rotate(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

/* 2.1 */
#define QUARTER(a, b, c, d)                                                                      \
    (a += b, d = rotate(d ^ a, 16), c += d, b = rotate(b ^ c, 12), a += b, d = rotate(d ^ a, 8), \
     c += d, b = rotate(b ^ c, 7))

/* The words of the block are stored with the low byte first, as this CPU does. */
void chacha20_block(const uint32_t key[CHACHA20_KEY], uint32_t counter, const uint32_t nonce[3],
                    uint8_t out[CHACHA20_BLOCK])
{
    uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[16];
    memcpy(in + 4, key, CHACHA20_KEY * sizeof *key);
    in[12] = counter;
    memcpy(in + 13, nonce, 3 * sizeof *nonce);
    memcpy(x, in, sizeof x);
    for (unsigned i = 0; i < 10; i++) {
        QUARTER(x[0], x[4], x[8], x[12]);
        QUARTER(x[1], x[5], x[9], x[13]);
        QUARTER(x[2], x[6], x[10], x[14]);
        QUARTER(x[3], x[7], x[11], x[15]);
        QUARTER(x[0], x[5], x[10], x[15]);
        QUARTER(x[1], x[6], x[11], x[12]);
        QUARTER(x[2], x[7], x[8], x[13]);
        QUARTER(x[3], x[4], x[9], x[14]);
    }
    for (unsigned i = 0; i < 16; i++)
        x[i] += in[i];
    memcpy(out, x, CHACHA20_BLOCK);
}
