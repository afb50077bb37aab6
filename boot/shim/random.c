/*
 * Random numbers for where the kernel goes: good enough to make an address hard to guess where
 * the CPU has RDRAND. `seed=` on the command line makes them repeatable.
 */
#include "cpu.h"
#include "shim.h"

static uint64_t state;

static bool rdrand(uint64_t *value)
{
    bool ok = false;

    if ((cpuid(1).ecx & (1u << 30)) == 0)
        return false;
    for (int i = 0; i < 10 && !ok; i++)
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(ok) : : "cc");
    return ok;
}

/* Decimal or 0x hexadecimal, up to the first byte that is no digit. */
static uint64_t number(const char *text)
{
    uint64_t value = 0, base = 10;

    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    for (;; text++) {
        uint64_t digit = base;
        if (*text >= '0' && *text <= '9')
            digit = (uint64_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            digit = (uint64_t)(*text - 'a') + 10;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

void random_seed(const struct boot_source *source)
{
    const char *seed = cmdline_find(source, "seed=");
    uint64_t hardware = 0;

    if (seed != NULL) {
        state = number(seed);
        return;
    }
    state = rdtsc();
    if (rdrand(&hardware))
        state ^= hardware;
}

/* SplitMix64: one multiplication chain a number, any seed will do. */
static uint64_t random_next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t random_below(uint64_t limit)
{
    return random_next() % limit;
}
