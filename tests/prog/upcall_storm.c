/*
 * `test=upcall.storm rounds=N seed=S`: no wake-up is lost when an upcall meets a thread about to sleep; and children
 * in which threads send each other upcalls without pause, fault in handlers, come and go, are killed or end themselves
 * at any moment of it. Nothing is left of them.
 */
#include "tests/prog/upcall.h"

#include <rugo/thread.h>

#include "tests/prog/stress.h"

enum {
    THREADS = 5,
    WAKES = 400,
    STACK = 8192,
    WARM = 10,                  /* storms before the totals are taken */
};

/* ---- sleeping and waking ---- */

static uint32_t word; /* counts upcalls */
static uint64_t sleeper;
static bool storming;

static int sleep_on_word(void *arg)
{
    (void)arg;
    upcall_prepare();
    __atomic_store_n(&sleeper, (uint64_t)sys_thread_self(), __ATOMIC_RELEASE);
    for (uint32_t seen; (seen = __atomic_load_n(&word, __ATOMIC_ACQUIRE)) < WAKES;) {
        int st = sys_futex_wait((uintptr_t)&word, seen, TIMEOUT_NEVER, 0);

        EXPECT_TRUE(st == -EINTR || st == -EAGAIN);
    }
    return 0;
}

/* The handler changes the word: whether it comes before the call, in it or in the sleep, the call ends. */
static void no_lost_wakes(void)
{
    struct thread t;

    EXPECT(0, thread_start(&t, sleep_on_word, NULL, 0));
    while (__atomic_load_n(&sleeper, __ATOMIC_ACQUIRE) == 0)
        NEED(sys_yield());
    for (uint32_t i = 0; i < WAKES; i++) {
        EXPECT(0, sys_thread_upcall(sleeper, SIGUSR1));
        while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == i)
            NEED(sys_yield());
    }
    EXPECT(0, thread_join(&t, NULL));
}

/* ---- the storm ---- */

static uint64_t tids[THREADS];
static uint64_t ends_at; /* handled upcalls after which the child ends itself; 0: never */
static uint64_t storms;

void upcall_seen(uint32_t number, struct upcall_info *info, struct upcall_context *context,
                 uint64_t rsp, uint64_t rflags)
{
    uint64_t n;

    (void)info, (void)rsp, (void)rflags;
    if (!storming) {
        __atomic_fetch_add(&word, 1, __ATOMIC_ACQ_REL);
        return;
    }
    n = __atomic_add_fetch(&storms, 1, __ATOMIC_RELAXED);
    if (n == ends_at)
        sys_process_exit(42);
    if (number == SIGILL) {
        context->rip += 2;
    } else if (n % 5 == 0) {
        (void)sys_upcall_mask(UPCALL_UNBLOCK, UPCALL_BIT(SIGUSR2) | UPCALL_BIT(SIGILL), NULL);
        if (n % 3 == 0)
            __asm__ volatile("ud2");
        (void)sys_thread_upcall(tids[n % THREADS], SIGUSR2);
    }
}

static int short_life(void *arg)
{
    (void)arg;
    upcall_prepare();
    return 0;
}

static int storm(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    struct rng r = { .state = me * 2 + stress_now() + 1 };
    bool on = true;

    upcall_prepare();
    __atomic_store_n(&tids[me], (uint64_t)sys_thread_self(), __ATOMIC_RELEASE);
    while (on) {
        uint64_t to = __atomic_load_n(&tids[rng_below(&r, THREADS)], __ATOMIC_ACQUIRE);
        struct thread t;

        switch (rng_below(&r, 8)) {
        case 0: (void)sys_process_upcall(HANDLE_SELF, SIGUSR1); break;
        case 1: (void)sys_thread_sleep(20000); break;
        case 2: (void)sys_futex_wait((uintptr_t)&word, 0, 20000, 0); break;
        case 3: __asm__ volatile("ud2"); break;
        case 4:
            if (rng_below(&r, 8) == 0 && thread_start(&t, short_life, NULL, STACK) == 0)
                (void)thread_join(&t, NULL);
            break;
        case 5:
            (void)sys_upcall_mask((uint32_t)rng_below(&r, 3), rng_next(&r) & 0xa00, NULL);
            break;
        default: on = sys_thread_upcall(to, rng_below(&r, 2) ? SIGUSR1 : SIGUSR2) != -EINVAL; break;
        }
    }
    return 5;
}

static int child(const char *end)
{
    struct thread threads[THREADS];

    storming = true;
    ends_at = strtoull(end, NULL, 10);
    upcall_handle(SIGUSR1);
    upcall_handle(SIGUSR2);
    upcall_handle(SIGILL);
    for (uintptr_t i = 1; i < THREADS; i++)
        EXPECT(0, thread_start(&threads[i], storm, (void *)i, 0));
    return storm((void *)0);
}

/* ---- the parent ---- */

static void one_storm(struct rng *r)
{
    char end[24];
    char *argv[] = { "upcall_storm", end, NULL };
    bool by_itself = rng_below(r, 3) == 0;
    uint64_t until = stress_now() + 1 + rng_below(r, 12 * (uint64_t)MS);
    int status, expected = by_itself ? 42 << 8 : SIGKILL;
    handle_t proc;

    snprintf(end, sizeof(end), "%llu", by_itself ? 1ull + rng_below(r, 500) : 0ull);
    proc = test_spawn("test/upcall_storm", argv, NULL, 0);
    while (!by_itself && stress_now() < until) {
        (void)sys_process_upcall(proc, SIGUSR1 + (uint32_t)rng_below(r, 2) * 2);
        (void)sys_yield();
    }
    if (!by_itself)
        (void)sys_process_kill(proc, SIGKILL);
    status = test_wait(proc);
    /* Sent before it had said that it handles them, they have ended it. */
    EXPECT_TRUE(status == expected || (!by_itself && (status == SIGUSR1 || status == SIGUSR2)));
}

int main(int argc, char **argv)
{
    uint64_t rounds = stress_option("rounds", 25);
    struct rng r = { .state = stress_option("seed", 1) * 2 + 1 };
    struct machine_info before;

    if (argc > 1)
        return child(argv[1]);
    upcall_handle(SIGUSR1);
    no_lost_wakes();
    for (int i = 0; i < WARM; i++)
        one_storm(&r);
    stress_settled(&before);
    for (uint64_t i = 0; i < rounds; i++)
        one_storm(&r);
    stress_same(&before);
    printf("UPCALL: %llu storms\n", (unsigned long long)rounds);
    test_mark("UPCALL: storm ok");
    return 0;
}
