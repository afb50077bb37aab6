/* Random bytes: a mixing function over everything here that others cannot know. */
#include <rugo/random.h>

#include <rugo/start.h>
#include <stdint.h>
#include <string.h>

enum { AT_RANDOM_ = 25 };

/* One step of SplitMix64: every bit of the state reaches every bit of the result. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static uint64_t rdrand(void)
{
    uint32_t a = 1, b, c = 0, d;
    uint64_t value = 0;

    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (c & 1u << 30)
        __asm__ volatile("rdrand %0" : "=r"(value) : : "cc");
    return value;
}

void random_bytes(void *buf, size_t n)
{
    static uint64_t state;
    unsigned char *p = buf;
    uint64_t seed[2] = { 0, 0 }, word;
    const void *given = (const void *)getauxval(AT_RANDOM_);

    if (given != NULL)
        memcpy(seed, given, sizeof seed);
    while (n > 0) {
        size_t part = n < sizeof word ? n : sizeof word;
        state ^= seed[0] ^ rdrand() ^ __builtin_ia32_rdtsc();
        word = mix(&state) ^ seed[1];
        memcpy(p, &word, part);
        p += part;
        n -= part;
    }
}
