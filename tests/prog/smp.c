/*
 * `test=sched.smp`: threads on all processors: each runs where it may, all run at the same time, and who is more
 * important or has slept runs first. The number of processors is said, for the test to compare.
 */
#include <rugo/look.h>
#include <rugo/thread.h>

#include "tests/prog/test.h"

enum { CPUS_MAX = 8 };

static uint32_t ncpus;

static uint32_t processors(void)
{
    struct machine_info info;

    NEED(sys_machine_info(start_handle(START_MACHINE), &info));
    return info.cpus;
}

/* What the kernel tells of the calling thread. */
static struct thread_info myself(void)
{
    struct thread_info t = { 0 };

    EXPECT(1, sys_process_threads(HANDLE_SELF, (uint64_t)sys_thread_self() - 1, &t, 1));
    EXPECT(sys_thread_self(), t.id);
    return t;
}

/* ---- errors ---- */

static void refusals(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0));

    EXPECT(-EINVAL, sys_thread_set_affinity(HANDLE_SELF, 0));
    EXPECT(-EINVAL, sys_thread_set_affinity(HANDLE_SELF, UINT64_C(1) << ncpus));
    EXPECT(-EINVAL, sys_thread_set_affinity(HANDLE_SELF, UINT64_C(1) << 40));
    EXPECT(-EBADF, sys_thread_set_affinity(-7, 1));
    EXPECT(-ENODEV, sys_thread_set_affinity(shm, 1));
    EXPECT(-EINVAL, sys_thread_set_priority(HANDLE_SELF, PRIORITY_MAX + 1));
    EXPECT(-EPERM, sys_thread_set_priority(HANDLE_SELF, PRIORITY_DEFAULT + 1));
    EXPECT(-EBADF, sys_thread_set_priority(-7, 1));
    EXPECT(-ENODEV, sys_thread_set_priority(shm, 1));
    EXPECT(-EINVAL, sys_process_set_priority(HANDLE_SELF, PRIORITY_MAX + 1));
    EXPECT(-EPERM, sys_process_set_priority(HANDLE_SELF, PRIORITY_DEFAULT + 1));
    EXPECT(-ENODEV, sys_process_set_priority(shm, 1));
    EXPECT(0, sys_handle_close(shm));
}

/* ---- affinity ---- */

/* The thread goes where it is told, at once, and stays through sleeping and yielding. */
static void goes_everywhere(void)
{
    for (int round = 0; round < 20; round++)
        for (uint32_t cpu = 0; cpu < ncpus; cpu++) {
            EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_C(1) << cpu));
            EXPECT(cpu, myself().cpu);
            EXPECT(0, sys_yield());
            EXPECT(cpu, myself().cpu);
            EXPECT(0, sys_thread_sleep(MS / 20));
            EXPECT(cpu, myself().cpu);
        }
    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_MAX));
}

/* ---- all at once ---- */

static uint32_t arrived;
static uint32_t seen_on[CPUS_MAX];

/* Comes together with all others while none of them lets go of its processor: they run at the same time. */
static int meet(void *arg)
{
    uint32_t cpu = (uint32_t)(uintptr_t)arg;

    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_C(1) << cpu));
    EXPECT(0, sys_thread_set_priority(HANDLE_SELF, PRIORITY_DEFAULT));
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < ncpus)
        __builtin_ia32_pause();
    seen_on[cpu] = myself().cpu;
    return 0;
}

static void all_at_once(void)
{
    for (int round = 0; round < 50; round++) {
        struct thread t[CPUS_MAX];
        int result;

        arrived = 0;
        for (uint32_t i = 0; i < ncpus; i++)
            EXPECT(0, thread_start(&t[i], meet, (void *)(uintptr_t)i, 0));
        for (uint32_t i = 0; i < ncpus; i++)
            EXPECT(0, thread_join(&t[i], &result));
        for (uint32_t i = 0; i < ncpus; i++)
            EXPECT(i, seen_on[i]);
    }
}

/* ---- priorities ---- */

static uint64_t hog_turns;
static uint32_t stop;

static int hog(void *arg)
{
    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, 1));
    EXPECT(0, sys_thread_set_priority(HANDLE_SELF, (uint32_t)(uintptr_t)arg));
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        __atomic_fetch_add(&hog_turns, 1, __ATOMIC_RELAXED);
    return 0;
}

/* On one processor: a hog of lower priority gets nothing while we compute, and one of equal priority its turns. */
static void more_important_first(void)
{
    struct thread t;
    int result;

    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, 1));
    for (uint32_t p = PRIORITY_DEFAULT - 1; p <= PRIORITY_DEFAULT; p++) {
        stop = 0;
        hog_turns = 0;
        EXPECT(0, thread_start(&t, hog, (void *)(uintptr_t)p, 0));
        uint64_t before;
        do
            EXPECT(0, sys_thread_sleep(10 * MS)); /* it runs meanwhile, and we are fresh after it */
        while ((before = __atomic_load_n(&hog_turns, __ATOMIC_RELAXED)) == 0);
        int64_t end = sys_time_now(CLOCK_MONOTONIC) + 100 * MS;
        while (sys_time_now(CLOCK_MONOTONIC) < end)
            ;
        uint64_t gained = __atomic_load_n(&hog_turns, __ATOMIC_RELAXED) - before;
        EXPECT(p == PRIORITY_DEFAULT, gained > 0);
        stop = 1;
        EXPECT(0, thread_join(&t, &result));
    }
    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_MAX));
}

/* ---- many that sleep and wake, and one that computes ---- */

enum { SLEEPERS = 12 };

/* Computes a third of a millisecond and sleeps a tenth, over and over: always fresh. */
static int sleeper(void *arg)
{
    (void)arg;
    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, 1));
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        int64_t end = sys_time_now(CLOCK_MONOTONIC) + MS / 3;
        while (sys_time_now(CLOCK_MONOTONIC) < end)
            ;
        EXPECT(0, sys_thread_sleep(MS / 10));
    }
    return 0;
}

/* On one processor they would take all of it; who computes beside them at the same priority gets on all the same. */
static void sleepers_leave_some(void)
{
    struct thread t[SLEEPERS];
    int result;

    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, 1));
    stop = 0;
    for (int i = 0; i < SLEEPERS; i++)
        EXPECT(0, thread_start(&t[i], sleeper, NULL, 0));
    uint64_t from = myself().cpu_ns;
    while (myself().cpu_ns < from + 20 * MS) /* more than being fresh is good for */
        ;
    stop = 1;
    for (int i = 0; i < SLEEPERS; i++)
        EXPECT(0, thread_join(&t[i], &result));
    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_MAX));
}

/* ---- what is handed down ---- */

enum { LOW = 3 };

/* Priority and the one processor it may run on, as an exit status. */
static int what_i_have(void *arg)
{
    struct thread_info t = myself();

    (void)arg;
    EXPECT(1, __builtin_popcount(t.affinity));
    return __builtin_ctz(t.affinity) << 4 | (int)t.priority;
}

/* A child was given LOW, for good, and one processor, which it may change. */
static int child(void)
{
    int had = what_i_have(NULL);
    struct thread t;
    int result;

    EXPECT(0, thread_start(&t, what_i_have, NULL, 0));
    EXPECT(0, thread_join(&t, &result));
    EXPECT(had, result);
    EXPECT(-EPERM, sys_thread_set_priority(HANDLE_SELF, LOW + 1));
    EXPECT(-EPERM, sys_process_set_priority(HANDLE_SELF, LOW + 1));
    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_MAX));
    EXPECT((1 << ncpus) - 1, myself().affinity);
    return had;
}

/* Threads and processes begin with what the thread has that makes them, and those from before keep theirs. */
static void handed_down(void)
{
    char cpus[] = { (char)('0' + ncpus), '\0' }, *argv[] = { "smp", "child", cpus, NULL };
    int want = (int)(ncpus - 1) << 4 | LOW, result;
    handle_t before = test_spawn("test/smp", (char *[]){ "smp", "wait", NULL }, NULL, 0);
    struct thread_info first;
    struct thread t;

    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_C(1) << (ncpus - 1)));
    EXPECT(0, sys_thread_set_priority(HANDLE_SELF, LOW));
    EXPECT(0, thread_start(&t, what_i_have, NULL, 0));
    EXPECT(0, thread_join(&t, &result));
    EXPECT(want, result);
    EXPECT(want << 8, test_wait(test_spawn("test/smp", argv, NULL, 0)));
    EXPECT(1, sys_process_threads(before, 0, &first, 1));
    EXPECT(PRIORITY_DEFAULT, first.priority);
    EXPECT((1 << ncpus) - 1, first.affinity);
    EXPECT(0, sys_process_kill(before, 0));
    EXPECT(0, test_wait(before));
    EXPECT(0, sys_thread_set_priority(HANDLE_SELF, PRIORITY_DEFAULT)); /* its process's still */
    EXPECT(0, thread_start(&t, what_i_have, NULL, 0));
    EXPECT(0, thread_join(&t, &result));
    EXPECT((want & ~15) | PRIORITY_DEFAULT, result);
    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_MAX));
}

/* Time, as seen by threads that hand it around all processors, never steps back. */
static uint64_t latest;

static int read_time(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        uint64_t before = __atomic_load_n(&latest, __ATOMIC_SEQ_CST);
        uint64_t now = (uint64_t)sys_time_now(CLOCK_MONOTONIC);
        EXPECT_TRUE(now >= before);
        while (before < now && !__atomic_compare_exchange_n(&latest, &before, now, false,
                                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
    }
    return 0;
}

static void time_goes_forward(void)
{
    struct thread t[CPUS_MAX];
    int result;

    for (uint32_t i = 0; i < ncpus; i++)
        EXPECT(0, thread_start(&t[i], read_time, NULL, 0));
    for (uint32_t i = 0; i < ncpus; i++)
        EXPECT(0, thread_join(&t[i], &result));
}

/* ---- a timer that threads on all processors set ---- */

static handle_t shared_timer;

/* Armed, armed anew and disarmed, so that it fires meanwhile too; with a period now and then. */
static int set_timer(void *number)
{
    uint64_t state = (uint64_t)(uintptr_t)number + 1;

    EXPECT(0, sys_thread_set_affinity(HANDLE_SELF, UINT64_C(1) << ((uintptr_t)number % ncpus)));
    for (int i = 0; i < 60000; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        int64_t delay = (int64_t)(state >> 50); /* up to 16 us */
        int64_t now = NEED(sys_time_now(CLOCK_MONOTONIC));

        EXPECT(0, sys_timer_set(shared_timer, (state >> 40 & 7) == 0 ? -1 : now + delay,
                                (state >> 30 & 3) == 0 ? 60000 : 0));
    }
    return 0;
}

/* However they meet, the timer stays a timer. */
static void one_timer_for_all(void)
{
    struct thread t[2 * CPUS_MAX];
    struct port_event event;
    handle_t port = NEED_HANDLE(sys_port_create());

    shared_timer = NEED_HANDLE(sys_timer_create());
    for (uintptr_t i = 0; i < 2 * ncpus; i++)
        EXPECT(0, thread_start(&t[i], set_timer, (void *)i, 0));
    for (uint32_t i = 0; i < 2 * ncpus; i++)
        EXPECT(0, thread_join(&t[i], NULL));
    EXPECT(0, sys_timer_set(shared_timer, 1, 0));
    EXPECT(0, sys_port_add(port, shared_timer, EV_TIMER, 9));
    EXPECT(1, sys_port_wait(port, &event, 1, TIMEOUT_NEVER));
    EXPECT(9, event.token);
    EXPECT(0, sys_handle_close(shared_timer));
    EXPECT(0, sys_handle_close(port));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "wait") == 0)
        return sys_thread_sleep(INT64_MAX);
    ncpus = argc > 2 ? (uint32_t)atoi(argv[2]) : processors();
    if (argc > 2)
        return child();
    EXPECT_TRUE(ncpus >= 1 && ncpus <= CPUS_MAX);
    refusals();
    goes_everywhere();
    all_at_once();
    more_important_first();
    sleepers_leave_some();
    handed_down();
    time_goes_forward();
    one_timer_for_all();
    printf("SMP: ok cpus=%u nonce=%s secret=%s\n", ncpus, test_nonce(), test_secret);
    fflush(stdout);
    return 0;
}
