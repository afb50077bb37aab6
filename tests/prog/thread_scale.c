/*
 * `test=sched.scale`: what finding a thread by its number costs with few and with many threads in the process, in nanoseconds
 * of the monotonic clock; with --icount on one CPU that is instructions. The host compares.
 */
#include <rugo/look.h>
#include <rugo/thread.h>

#include "tests/prog/test.h"

enum { MOST = 1000, ROUNDS = 200 };

static struct thread threads[MOST];
static uint32_t stop;

static int64_t now(void)
{
    return sys_time_now(CLOCK_MONOTONIC);
}

static int wait_for_end(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
        (void)sys_futex_wait((uintptr_t)&stop, 0, TIMEOUT_NEVER, 0);
    return 0;
}

/* Each call finds another of the first n threads. */
static void measure(uint64_t n)
{
    int64_t find = 0, look = 0;
    struct thread_info info;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t id = threads[i * 7919 % n].id;
        int64_t t0 = now();

        EXPECT(0, sys_thread_upcall(id, 0));
        int64_t t1 = now();
        EXPECT(1, sys_process_threads(HANDLE_SELF, id - 1, &info, 1));
        look += now() - t1;
        find += t1 - t0;
        EXPECT(id, info.id);
    }
    printf("SCALE: threads n=%d find=%d look=%d nonce=%s\n", (int)n, (int)(find / ROUNDS),
           (int)(look / ROUNDS), test_nonce());
}

/* All of them are listed, by number. */
static void list_all(void)
{
    struct thread_info info[8];
    uint64_t last = 0;
    int64_t n, sum = 0;

    while ((n = NEED(sys_process_threads(HANDLE_SELF, last, info, 8))) > 0) {
        for (int64_t i = 0; i < n; i++) {
            EXPECT_TRUE(info[i].id > last);
            last = info[i].id;
        }
        sum += n;
    }
    EXPECT(MOST + 1, sum);
}

int main(void)
{
    int made = 0;

    for (int n = 10; n <= MOST; n *= 100) {
        for (; made < n; made++)
            NEED(thread_start(&threads[made], wait_for_end, NULL, 4096));
        measure((uint64_t)n);
    }
    list_all();
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    NEED(sys_futex_wake((uintptr_t)&stop, INT32_MAX, 0));
    for (int i = 0; i < MOST; i++)
        NEED(thread_join(&threads[i], NULL));
    while (sys_thread_upcall(threads[MOST - 1].id, 0) == 0) /* joined when it has left its stack */
        (void)sys_yield();
    EXPECT(-ESRCH, sys_thread_upcall(threads[0].id, 0));
    EXPECT(0, sys_thread_upcall((uint64_t)sys_thread_self(), 0));
    test_mark("SCALE: ok");
    return 0;
}
