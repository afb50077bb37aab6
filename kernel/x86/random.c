/* Random numbers (random.h). The construction: D. J. Bernstein, "Fast-key-erasure random-number generators". */
#include "x86/random.h"
#include "klib/chacha20.h"
#include "klib/printf.h"
#include "klib/spinlock.h"
#include "klib/string.h"
#include "x86/cpu.h"

#define KEY_BYTES    (CHACHA20_KEY * sizeof(uint32_t))
#define REFILL       4u /* blocks made at a time, the new key included */
#define STIRS        256u /* interrupts whose times are mixed in together */
#define JITTER_READS 512u /* of a slow device, at the start */
#define RDRAND_TRIES 10u /* Intel's advice */

static struct {
    struct spinlock lock;
    uint32_t key[CHACHA20_KEY]; /* [lock] */
    uint64_t generation; /* [a] rises with each input; 0: not seeded */
    bool fixed; /* [I] after random_init: nothing is mixed in any more */
} pool = { .lock = SPINLOCK_INIT(RANK_RANDOM) };

/* Each CPU's own, used with interrupts off. */
static struct generator {
    uint32_t key[CHACHA20_KEY];
    uint64_t generation; /* of the pool when the key was taken from it */
    uint32_t left; /* bytes at the end of out */
    uint32_t stirs;
    uint64_t jitter;
    uint8_t out[REFILL * CHACHA20_BLOCK];
} ALIGNED(64) generators[MAX_CPUS];

static const uint32_t no_nonce[3];

/* A wipe that the compiler keeps. */
static void forget(void *p, size_t n)
{
    memset(p, 0, n);
    __asm__ volatile("" ::"r"(p) : "memory");
}

/* ---- the pool ---- */

/* Each 32 bytes are added to the key, and ChaCha20 makes a new key of it. */
static void absorb(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint8_t block[CHACHA20_BLOCK], part[KEY_BYTES];
    spin_lock(&pool.lock);
    for (size_t done = 0; done < n; done += KEY_BYTES) {
        size_t length = min_u64(n - done, KEY_BYTES);
        memset(part, 0, sizeof part);
        memcpy(part, p + done, length);
        for (unsigned i = 0; i < CHACHA20_KEY; i++)
            pool.key[i] ^= ((uint32_t *)(void *)part)[i];
        chacha20_block(pool.key, (uint32_t)length, no_nonce, block);
        memcpy(pool.key, block, KEY_BYTES);
    }
    __atomic_fetch_add(&pool.generation, 1, __ATOMIC_RELEASE);
    spin_unlock(&pool.lock);
    forget(block, sizeof block);
    forget(part, sizeof part);
}

void random_add(const void *data, size_t n)
{
    if (!pool.fixed)
        absorb(data, n);
}

/* One half of a block is the pool's new key, the other half goes into g's. */
static void take_key(struct generator *g)
{
    uint8_t block[CHACHA20_BLOCK];
    const uint32_t nonce[3] = { 1, this_cpu()->id, 0 };
    spin_lock(&pool.lock);
    g->generation = pool.generation;
    chacha20_block(pool.key, 0, nonce, block);
    memcpy(pool.key, block, KEY_BYTES);
    spin_unlock(&pool.lock);
    for (unsigned i = 0; i < CHACHA20_KEY; i++)
        g->key[i] ^= ((uint32_t *)(void *)(block + KEY_BYTES))[i];
    forget(block, sizeof block);
}

/* ---- generators; interrupts are off ---- */

void random_stir(void)
{
    struct generator *g = &generators[this_cpu()->id];
    g->jitter = (g->jitter << 11 | g->jitter >> 53) ^ rdtsc();
    g->stirs++;
}

static void refill(struct generator *g)
{
    if (g->stirs >= STIRS) {
        const uint64_t input[2] = { g->jitter, g->stirs };
        g->stirs = 0;
        random_add(input, sizeof input);
    }
    if (g->generation != __atomic_load_n(&pool.generation, __ATOMIC_ACQUIRE))
        take_key(g);
    for (uint32_t i = 0; i < REFILL; i++)
        chacha20_block(g->key, i, no_nonce, g->out + i * CHACHA20_BLOCK);
    memcpy(g->key, g->out, KEY_BYTES);
    forget(g->out, KEY_BYTES);
    g->left = sizeof g->out - KEY_BYTES;
}

/* Up to n bytes; how many. */
static size_t take(uint8_t *to, size_t n)
{
    uint64_t flags = irq_save();
    struct generator *g = &generators[this_cpu()->id];
    if (!g->left || g->generation != __atomic_load_n(&pool.generation, __ATOMIC_ACQUIRE))
        refill(g);
    n = min_u64(n, g->left);
    uint8_t *from = g->out + sizeof g->out - g->left;
    memcpy(to, from, n);
    forget(from, n);
    g->left -= (uint32_t)n;
    irq_restore(flags);
    return n;
}

void random_fill(void *buf, size_t n)
{
    uint8_t *to = buf;
    ASSERT(pool.generation);
    while (n) {
        size_t got = take(to, n);
        to += got;
        n -= got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;
    random_fill(&v, sizeof v);
    return v;
}

/* ---- seeding ---- */

static bool rdrand(uint64_t *v)
{
    for (unsigned i = 0; i < RDRAND_TRIES; i++) {
        bool ok;
        __asm__ volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok));
        if (ok)
            return true;
    }
    return false;
}

static void add_rdrand(void)
{
    uint64_t words[8];
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        if (!rdrand(&words[i]))
            return;
    absorb(words, sizeof words);
    forget(words, sizeof words);
}

/* How long a read of a slow port takes differs by little that nobody knows; a machine emulated by counting has none. */
static void add_jitter(void)
{
    uint64_t words[8] = { 0 };
    for (unsigned i = 0; i < JITTER_READS; i++) {
        uint64_t *w = &words[i % ARRAY_SIZE(words)];
        *w = (*w << 7 | *w >> 57) ^ rdtsc() ^ (uint64_t)inb(0x61) << 56;
    }
    absorb(words, sizeof words);
}

void random_init(const char *seed)
{
    if (seed) {
        absorb(seed, strlen(seed) + 1);
        pool.fixed = true;
        kprintf_at(LOG_WARNING, "RANDOM: seed= is given: random numbers can be foreseen\n");
        return;
    }
    if (cpu_features.rdrand)
        add_rdrand();
    add_jitter();
}
