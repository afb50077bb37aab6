/*
 * `test=upcall.fuzz seed=N count=M`: frames of random content are given to upcall_return, M in all, by children that
 * go on as long as they can: a frame that is refused costs nothing, one that is taken sends the child anywhere. What
 * they fault on brings them back, unless they have masked that. The kernel has to survive, and so has the parent.
 */
#include "tests/prog/upcall.h"

#include "tests/prog/stress.h"

enum { START_COUNTS = 200, PATIENCE = 20, FRAMES_MAX = 5000 };

struct counts {
    uint64_t tried, refused, taken, faults;
};

/* ---- the child ---- */

static struct counts *counts;           /* shared with the parent */
static struct rng rng;
static struct upcall_context good, bad;
static uint8_t good_fpu[1024] __attribute__((aligned(64))),
    bad_fpu[1024] __attribute__((aligned(64)));
static volatile int captured;
static size_t fpu_size;

/* A fault: go on where all was well. A sent one: remember that place. */
void upcall_seen(uint32_t number, struct upcall_info *info, struct upcall_context *context,
                 uint64_t rsp, uint64_t rflags)
{
    (void)info, (void)rsp, (void)rflags;
    if (number == SIGUSR1) {
        good = *context;
        memcpy(good_fpu, (const void *)(uintptr_t)context->fpu, fpu_size);
        good.fpu = (uintptr_t)good_fpu;
        captured = 1;
        return;
    }
    if (!captured)
        exit(3);
    counts->faults++;
    *context = good;
}

static uint64_t odd_value(void)
{
    static const uint64_t values[] = { 0,
                                       1,
                                       PAGE_SIZE,
                                       USER_MAX - 1,
                                       USER_MAX,
                                       UINT64_C(0x7fffffffffff),
                                       UINT64_C(0x800000000000),
                                       UINT64_C(0xffff7fffffffffff),
                                       UINT64_C(0xffff800000000000),
                                       UINT64_C(0xffffffff80000000),
                                       UINT64_MAX };

    switch (rng_below(&rng, 4)) {
    case 0: return values[rng_below(&rng, sizeof(values) / sizeof(values[0]))];
    case 1: return UINT64_C(1) << rng_below(&rng, 64);
    case 2: return rng_next(&rng) & 0x7fffffffffff;
    default: return rng_next(&rng);
    }
}

/* A few words of the context or bytes of the FPU state become something else. */
static void spoil(void)
{
    uint64_t *words = (uint64_t *)&bad;
    unsigned n = 1 + (unsigned)rng_below(&rng, 4);

    bad = good;
    memcpy(bad_fpu, good_fpu, sizeof(bad_fpu));
    bad.fpu = (uintptr_t)bad_fpu;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = (unsigned)rng_below(&rng, sizeof(bad) / 8);

        switch (rng_below(&rng, 5)) {
        case 0: words[at] = odd_value(); break;
        case 1: words[at] ^= UINT64_C(1) << rng_below(&rng, 64); break;
        case 2: bad.rflags ^= UINT64_C(1) << rng_below(&rng, 24); break;
        case 3: bad_fpu[rng_below(&rng, fpu_size)] ^= (uint8_t)(1 << rng_below(&rng, 8)); break;
        default: bad_fpu[rng_below(&rng, 576)] = (uint8_t)rng_next(&rng); break;
        }
    }
    if (rng_below(&rng, 50) == 0) /* nothing but noise */
        for (unsigned i = 0; i < sizeof(bad) / 8; i++)
            words[i] = rng_next(&rng);
}

static int child(const char *seed)
{
    static const uint32_t faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    static uint64_t tried;
    size_t size;

    rng.state = strtoull(seed, NULL, 10) * 2 + 1;
    NEED(shm_attach(start_handle(START_COUNTS), VM_READ | VM_WRITE, (void **)&counts, &size));
    fpu_size = getauxval(AT_MINSIGSTKSZ) - 440 - 160 - 64;
    upcall_prepare();
    upcall_handle(SIGUSR1);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        upcall_handle(faults[i]);
    /* Frames that are taken, and faults, come back to this call. */
    (void)sys_thread_upcall((uint64_t)sys_thread_self(), SIGUSR1);
    __asm__ volatile("pushfq; andq $~0x40500, (%%rsp); popfq; fninit" ::: "memory", "cc");
    while (tried < FRAMES_MAX) {
        spoil();
        counts->tried++;
        counts->taken++;
        tried++;
        if (sys_upcall_return((uintptr_t)&bad) < 0) {
            counts->taken--;
            counts->refused++;
        }
    }
    return 0;
}

/* ---- the parent ---- */

int main(int argc, char **argv)
{
    char seed[24];
    char *args[] = { "upcall_fuzz", seed, NULL };
    struct counts *all;
    size_t size = PAGE_SIZE;
    uint64_t total;
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0));
    struct spawn_handle more = { START_COUNTS, shm, RIGHT_SAME };
    unsigned children = 0, hung = 0;

    if (argc > 1)
        return child(argv[1]);
    total = stress_option("count", 100000);
    NEED(shm_attach(shm, VM_READ | VM_WRITE, (void **)&all, &size));
    for (uint64_t n = stress_option("seed", 1); all->tried < total; n++, children++) {
        handle_t proc;
        int status, st;

        snprintf(seed, sizeof(seed), "%llu", (unsigned long long)n);
        proc = test_spawn("test/upcall_fuzz", args, &more, 1);
        st = process_wait(proc, &status, PATIENCE * MS);
        if (st == -ETIMEDOUT) { /* it runs somewhere in circles */
            hung++;
            EXPECT(0, sys_process_kill(proc, SIGKILL));
            EXPECT(0, process_wait(proc, &status, 30000 * MS));
        }
        NEED(sys_handle_close(proc));
    }
    printf(
        "UPCALL: %llu frames, %llu refused, %llu taken, %llu faults, %u children, %u in circles\n",
        (unsigned long long)all->tried, (unsigned long long)all->refused,
        (unsigned long long)all->taken, (unsigned long long)all->faults, children, hung);
    EXPECT_TRUE(all->refused > total / 10 && all->faults > 100);
    test_mark("UPCALL: fuzz ok");
    return 0;
}
