/*
 * `test=user.clock`: the clock page. It tells the same time as the kernel, to every thread on every processor, and cannot
 * be written. `mode=tsc` or `mode=syscall` on the command line says which way the test expects.
 */
#include <rugo/clock.h>
#include <rugo/thread.h>
#include <time.h>

#include "tests/prog/test.h"

enum { ROUNDS = 20000, THREADS = 4 };

static const struct clock_page *page;

/* Both ways in turns: time never steps back. */
static int alternate(void *arg)
{
    int64_t last = 1;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t a = clock_read(CLOCK_MONOTONIC), b = sys_time_now(CLOCK_MONOTONIC);

        EXPECT_TRUE(a >= last && b >= a);
        last = b;
    }
    return 0;
}

/* One number for all threads, which only rises. */
static int64_t greatest;

static int shared_time(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t seen = __atomic_load_n(&greatest, __ATOMIC_SEQ_CST);
        int64_t now = i % 2 ? clock_read(CLOCK_MONOTONIC) : sys_time_now(CLOCK_MONOTONIC);

        EXPECT_TRUE(now >= seen);
        while (seen < now && !__atomic_compare_exchange_n(&greatest, &seen, now, 0,
                                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
    }
    return 0;
}

static void run_threads(int (*fn)(void *))
{
    struct thread t[THREADS];

    for (int i = 0; i < THREADS; i++)
        NEED(thread_start(&t[i], fn, NULL, 0));
    for (int i = 0; i < THREADS; i++)
        NEED(thread_join(&t[i], NULL));
}

static void wall_clock(void)
{
    struct timespec ts;
    int64_t before = sys_time_now(CLOCK_REALTIME), now = clock_read(CLOCK_REALTIME);
    int64_t after = sys_time_now(CLOCK_REALTIME);

    EXPECT_TRUE(before <= now && now <= after);
    EXPECT_TRUE(now > INT64_C(1700000000) * 1000000000);
    EXPECT(0, clock_gettime(CLOCK_REALTIME, &ts));
    EXPECT_TRUE(ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec >= after);
    EXPECT(0, clock_gettime(CLOCK_MONOTONIC, &ts));
    EXPECT_TRUE(ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec > 0);
    EXPECT(-1, clock_gettime(77, &ts));
    EXPECT(EINVAL, errno);
    EXPECT(-EINVAL, clock_read(2));
    EXPECT(-EINVAL, clock_read(UINT32_MAX));
}

static void mapping(void)
{
    handle_t timer = NEED_HANDLE(sys_timer_create());
    int64_t at = NEED(sys_clock_map(HANDLE_SELF, 0));
    int64_t next = NEED(sys_clock_map(HANDLE_SELF, (uintptr_t)at + 16 * PAGE_SIZE));
    const struct clock_page *other = (const struct clock_page *)at;

    EXPECT(at + 16 * PAGE_SIZE, next);
    EXPECT(page->tsc_base, other->tsc_base);
    EXPECT(page->mult, other->mult);
    EXPECT(-EACCES, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE, VM_READ | VM_WRITE));
    EXPECT(-EACCES, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE, VM_READ | VM_EXEC));
    for (size_t i = sizeof(*page); i < PAGE_SIZE; i++)
        EXPECT(0, ((const char *)at)[i]); /* nothing else of the kernel's */
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE));
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, (uintptr_t)next, PAGE_SIZE));
    EXPECT(-EBADF, sys_clock_map(777, 0));
    EXPECT(-ENODEV, sys_clock_map(timer, 0));
    EXPECT(0, sys_handle_close(timer));
}

/* A child that writes to its page dies, and the page stays as it is. */
static void read_only(void)
{
    char *argv[] = { "user_clock", "write", NULL };
    struct clock_page before = *page;

    EXPECT(11, test_wait(test_spawn("test/user_clock", argv, NULL, 0)) & 127);
    EXPECT(0, memcmp(&before, page, sizeof(before)));
}

static void cost(void)
{
    int64_t t0 = clock_read(CLOCK_MONOTONIC);

    for (int i = 0; i < 1000; i++)
        (void)clock_read(CLOCK_MONOTONIC);
    int64_t t1 = clock_read(CLOCK_MONOTONIC);
    for (int i = 0; i < 1000; i++)
        (void)sys_time_now(CLOCK_MONOTONIC);
    int64_t t2 = clock_read(CLOCK_MONOTONIC);
    printf("CLOCK: cost page=%d syscall=%d nonce=%s\n", (int)((t1 - t0) / 1000),
           (int)((t2 - t1) / 1000), test_nonce());
}

int main(int argc, char **argv)
{
    const char *mode = getenv("mode");

    (void)argv;
    page = (const struct clock_page *)getauxval(AT_RUGO_CLOCK);
    EXPECT_TRUE(page != NULL);
    if (argc > 1) {
        ((volatile struct clock_page *)(uintptr_t)page)->mult = 1;
        return 0;
    }
    EXPECT(0, page->seq % 2);
    EXPECT_TRUE(mode == NULL ||
                page->mode == (strcmp(mode, "tsc") == 0 ? CLOCK_MODE_TSC : CLOCK_MODE_SYSCALL));
    EXPECT_TRUE(clock_read(CLOCK_MONOTONIC) > 0);
    (void)alternate(NULL);
    run_threads(alternate);
    run_threads(shared_time);
    wall_clock();
    mapping();
    read_only();
    cost();
    test_mark("CLOCK: ok");
    return 0;
}
