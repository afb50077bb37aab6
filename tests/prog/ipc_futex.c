/*
 * `test=ipc.futex`: sleeping on a word. What abi/syscall.def promises of futex_wait and futex_wake, one function for
 * each promise; sharers and victims are this program again, with a role as its argument.
 */
#include <rugo/look.h>
#include <rugo/thread.h>

#include "tests/prog/test.h"

enum { MANY = 200, ROUNDS = 3000, COUNTERS = 4 };

static int wait_on(const volatile uint32_t *w, uint32_t val, int64_t timeout, uint32_t flags)
{
    return sys_futex_wait((uintptr_t)w, val, timeout, flags);
}

static int64_t wake(const volatile uint32_t *w, uint32_t n, uint32_t flags)
{
    return sys_futex_wake((uintptr_t)w, n, flags);
}

/* ---- refusals ---------------------------------------------------------------------------------------- */

static void refusals(void)
{
    static volatile uint32_t word = 7;
    uintptr_t at = (uintptr_t)&word;
    uintptr_t page = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, PAGE_SIZE, VM_READ | VM_WRITE, 0));

    EXPECT(-EAGAIN, sys_futex_wait(at, 8, TIMEOUT_NEVER, 0));
    EXPECT(-EAGAIN, sys_futex_wait(at, 8, 0, FUTEX_SHARED));
    EXPECT(-ETIMEDOUT, sys_futex_wait(at, 7, 0, 0));
    for (uintptr_t off = 1; off < 4; off++) {
        EXPECT(-EINVAL, sys_futex_wait(at + off, 7, 0, 0));
        EXPECT(-EINVAL, sys_futex_wake(at + off, 1, 0));
    }
    EXPECT(-EINVAL, sys_futex_wait(at, 7, 0, 2));
    EXPECT(-EINVAL, sys_futex_wake(at, 1, 0x80000000));
    EXPECT(-EFAULT, sys_futex_wait(0, 0, 0, 0));
    EXPECT(-EFAULT, sys_futex_wait(8, 0, 0, FUTEX_SHARED));
    EXPECT(-EFAULT, sys_futex_wait(USER_MAX, 0, 0, 0));
    EXPECT(-EFAULT, sys_futex_wait(UINT64_C(0xffffffff80000000), 0, 0, 0));
    EXPECT(-EFAULT, sys_futex_wait(UINT64_C(0x800000000000), 0, 0, 0));
    EXPECT(-EFAULT, sys_futex_wake(0, 1, 0));
    EXPECT(-EFAULT, sys_futex_wake(UINT64_C(0xffff800000000000), 1, FUTEX_SHARED));
    EXPECT(0, sys_futex_wake(at, 1, 0));
    EXPECT(0, sys_futex_wake(at, 0, 0));
    EXPECT(0, sys_futex_wake(at, INT32_MAX, FUTEX_SHARED));
    /* A page nobody has touched is brought in and is 0; one that is not readable, or gone, is refused. */
    EXPECT(-EAGAIN, sys_futex_wait(page + 8, 1, 0, 0));
    EXPECT(-ETIMEDOUT, sys_futex_wait(page + 4092, 0, 0, 0));
    EXPECT(0, sys_vm_protect(HANDLE_SELF, page, PAGE_SIZE, 0));
    EXPECT(-EFAULT, sys_futex_wait(page, 0, 0, 0));
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, page, PAGE_SIZE));
    EXPECT(-EFAULT, sys_futex_wait(page, 0, 0, 0));
    EXPECT(0, sys_futex_wake(page, 1, 0));
}

/* ---- time -------------------------------------------------------------------------------------------- */

static void time_outs(void)
{
    static volatile uint32_t word;
    int64_t t0 = sys_time_now(CLOCK_MONOTONIC);

    EXPECT(-ETIMEDOUT, wait_on(&word, 0, 5 * MS, 0));
    EXPECT_TRUE(sys_time_now(CLOCK_MONOTONIC) - t0 >= 5 * MS);
}

/* ---- waking ------------------------------------------------------------------------------------------ */

static struct {
    volatile uint32_t word, other;
    volatile uint32_t asleep; /* about to sleep, or asleep */
    volatile uint32_t woken;
} crowd;

static int sleep_once(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&crowd.asleep, 1, __ATOMIC_SEQ_CST);
    int st = wait_on(&crowd.word, 0, 20000 * MS, 0);

    __atomic_add_fetch(&crowd.woken, 1, __ATOMIC_SEQ_CST);
    return st;
}

/* Wakes until n sleepers in all were found. */
static void wake_in_all(volatile uint32_t *w, uint32_t n, uint32_t flags)
{
    while (n > 0) {
        int64_t got = NEED(wake(w, n, flags));

        EXPECT_TRUE(got <= n);
        n -= (uint32_t)got;
        if (n > 0)
            (void)sys_thread_sleep(MS);
    }
}

/* One at a time, a few, all the rest; a neighbouring word wakes nobody. */
static void counted_wakes(void)
{
    static struct thread t[MANY];
    int result;

    for (int i = 0; i < MANY; i++)
        NEED(thread_start(&t[i], sleep_once, NULL, 4096));
    while (crowd.asleep < MANY)
        (void)sys_yield();
    EXPECT(0, wake(&crowd.other, INT32_MAX, 0));
    wake_in_all(&crowd.word, 1, 0);
    wake_in_all(&crowd.word, 7, 0);
    while (crowd.woken < 8)
        (void)sys_yield();
    (void)sys_thread_sleep(2 * MS);
    EXPECT(8, crowd.woken);
    wake_in_all(&crowd.word, MANY - 8, 0);
    for (int i = 0; i < MANY; i++) {
        NEED(thread_join(&t[i], &result));
        EXPECT(0, result);
    }
    EXPECT(MANY, crowd.woken);
    EXPECT(0, wake(&crowd.word, INT32_MAX, 0));
}

/*
 * Words that share a place in the kernel's table with the sleepers' own: of so many some do. Waking them wakes nobody,
 * and each sleeper is found by its own word only.
 */
enum { SLEEPERS = 24, WORDS = 4096 };

static volatile uint32_t words[WORDS];
static uint32_t awake;

static int sleep_on(void *word)
{
    int st = wait_on(word, 0, 20000 * MS, 0);

    __atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
    return st;
}

static void many_words(void)
{
    static struct thread t[SLEEPERS];
    int result;

    for (int i = 0; i < SLEEPERS; i++)
        NEED(thread_start(&t[i], sleep_on, (void *)(uintptr_t)&words[i], 4096));
    (void)sys_thread_sleep(5 * MS);
    for (int i = SLEEPERS; i < WORDS; i++)
        EXPECT(0, wake(&words[i], i % 2 ? 1 : INT32_MAX, 0));
    EXPECT(0, __atomic_load_n(&awake, __ATOMIC_SEQ_CST));
    for (int i = 0; i < SLEEPERS; i++) {
        wake_in_all(&words[i], 1, 0);
        NEED(thread_join(&t[i], &result));
        EXPECT(0, result);
        EXPECT(i + 1, awake);
    }
}

/* ---- a page that comes and goes ------------------------------------------------------------------------- */

static uint32_t still;

static int take_away(void *page)
{
    while (!__atomic_load_n(&still, __ATOMIC_ACQUIRE))
        EXPECT(0, sys_vm_decommit(HANDLE_SELF, (uintptr_t)page, PAGE_SIZE));
    return 0;
}

/* It is 0 whenever one looks, and never missing. */
static void vanishing_page(void)
{
    uintptr_t page = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, PAGE_SIZE, VM_READ | VM_WRITE, 0));
    struct thread t;

    NEED(thread_start(&t, take_away, (void *)page, 0));
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT(-EAGAIN, sys_futex_wait(page, 1, TIMEOUT_NEVER, i % 2 ? FUTEX_SHARED : 0));
        EXPECT(-ETIMEDOUT, sys_futex_wait(page, 0, 0, 0));
    }
    __atomic_store_n(&still, 1, __ATOMIC_RELEASE);
    NEED(thread_join(&t, NULL));
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, page, PAGE_SIZE));
}

/* ---- who is woken first ---------------------------------------------------------------------------------- */

static struct {
    volatile uint32_t word, woken;
    volatile uint32_t order[3];
} ranked;

struct sleeper {
    struct thread thread;
    uint32_t priority, number;
};

static int sleep_ranked(void *arg)
{
    struct sleeper *s = arg;

    NEED(sys_thread_set_priority(HANDLE_SELF, s->priority));
    EXPECT(0, wait_on(&ranked.word, 0, TIMEOUT_NEVER, 0));
    ranked.order[ranked.woken] = s->number;
    __atomic_add_fetch(&ranked.woken, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void wait_asleep(const struct thread *t)
{
    struct thread_info info = { 0 };

    do {
        (void)sys_thread_sleep(MS);
        EXPECT(1, sys_process_threads(HANDLE_SELF, t->id - 1, &info, 1));
    } while (info.state != RUN_BLOCKED);
}

/* The most important sleeper is woken first, of equals the one that came first. */
static void important_first(void)
{
    struct sleeper s[3] = { { .priority = 2, .number = 0 },
                            { .priority = 4, .number = 1 },
                            { .priority = 4, .number = 2 } };

    for (int i = 0; i < 3; i++) {
        NEED(thread_start(&s[i].thread, sleep_ranked, &s[i], 0));
        wait_asleep(&s[i].thread);
    }
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT(1, wake(&ranked.word, 1, 0));
        while (ranked.woken <= i)
            (void)sys_thread_sleep(MS);
    }
    for (int i = 0; i < 3; i++)
        NEED(thread_join(&s[i].thread, NULL));
    EXPECT(1, ranked.order[0]);
    EXPECT(2, ranked.order[1]);
    EXPECT(0, ranked.order[2]);
}

/* ---- no wake is lost ----------------------------------------------------------------------------------- */

/* A lock of three states, as programs build it; counters that only it protects. */
static volatile uint32_t lock;
static uint64_t counters[COUNTERS];

static void lock_take(void)
{
    uint32_t c = 0;

    if (__atomic_compare_exchange_n(&lock, &c, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    while (__atomic_exchange_n(&lock, 2, __ATOMIC_SEQ_CST) != 0) {
        int st = wait_on(&lock, 2, 20000 * MS, 0);

        EXPECT_TRUE(st == 0 || st == -EAGAIN);
    }
}

static void lock_give(void)
{
    if (__atomic_exchange_n(&lock, 0, __ATOMIC_SEQ_CST) == 2)
        NEED(wake(&lock, 1, 0));
}

static int contend(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        lock_take();
        for (int k = 0; k < COUNTERS; k++)
            counters[k]++;
        if (i % 16 == 0)
            (void)sys_yield(); /* others meet the lock taken, also on one processor */
        lock_give();
    }
    return 0;
}

static void contention(void)
{
    struct thread t[4];

    for (int i = 0; i < 4; i++)
        NEED(thread_start(&t[i], contend, NULL, 0));
    for (int i = 0; i < 4; i++)
        NEED(thread_join(&t[i], NULL));
    for (int k = 0; k < COUNTERS; k++)
        EXPECT(4 * ROUNDS, counters[k]);
}

/* ---- the word a thread clears at its end ------------------------------------------------------------------ */

static volatile uint32_t alive[2] = { 0x01020304, 0x05060708 };

static int end_with_word(void *arg)
{
    (void)arg;
    sys_thread_exit((uintptr_t)&alive[0]);
    return 0;
}

static void exit_word(void)
{
    struct thread t;
    int st;

    NEED(thread_start(&t, end_with_word, NULL, 0));
    for (uint32_t seen; (seen = alive[0]) != 0;) {
        EXPECT(0x01020304, seen); /* it goes in one piece */
        st = wait_on(&alive[0], 0x01020304, 20000 * MS, 0);
        EXPECT_TRUE(st == 0 || st == -EAGAIN);
    }
    EXPECT(0x05060708, alive[1]);
    (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)t.stack, t.stack_size);
    while (sys_thread_upcall(t.id, 0) == 0)
        NEED(sys_thread_sleep(MS));
    EXPECT(-ESRCH, sys_thread_upcall(t.id, 0));
}

/* ---- between processes ------------------------------------------------------------------------------------- */

/* What the two processes share, at an offset in the object that is no multiple of the page. */
struct shared {
    volatile uint32_t ready, ball[2];
};
enum { SHARED_AT = PAGE_SIZE + 64 };

static handle_t spawn_sharer(const char *role, handle_t shm)
{
    char *argv[] = { "test/ipc_futex", (char *)(uintptr_t)role, NULL };
    struct spawn_handle more = { START_BLK, shm,
                                 RIGHT_SAME }; /* a kind that nobody else uses here */

    return test_spawn("test/ipc_futex", argv, &more, 1);
}

static struct shared *map_shared(handle_t shm)
{
    return (struct shared *)NEED(
               sys_shm_map(HANDLE_SELF, shm, PAGE_SIZE, PAGE_SIZE, 0, VM_READ | VM_WRITE)) +
           (SHARED_AT - PAGE_SIZE) / sizeof(struct shared);
}

static void ball_catch(struct shared *s, int me)
{
    while (__atomic_load_n(&s->ball[me], __ATOMIC_SEQ_CST) == 0) {
        int st = wait_on(&s->ball[me], 0, 20000 * MS, FUTEX_SHARED);

        EXPECT_TRUE(st == 0 || st == -EAGAIN);
    }
    __atomic_store_n(&s->ball[me], 0, __ATOMIC_SEQ_CST);
}

static void ball_toss(struct shared *s, int to)
{
    __atomic_store_n(&s->ball[to], 1, __ATOMIC_SEQ_CST);
    NEED(wake(&s->ball[to], 1, FUTEX_SHARED));
}

static int play(void)
{
    struct shared *s = map_shared(start_handle(START_BLK));

    for (int i = 0; i < 500; i++) {
        ball_catch(s, 1);
        ball_toss(s, 0);
    }
    return 0;
}

static void between_processes(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(3 * PAGE_SIZE, 0));
    /* Elsewhere than in the other process, and a page of it twice. */
    NEED(sys_vm_map(HANDLE_SELF, 0, 5 * PAGE_SIZE, VM_READ, 0));
    struct shared *s = map_shared(shm), *twin = map_shared(shm);
    handle_t peer = spawn_sharer("play", shm);

    for (int i = 0; i < 500; i++) {
        ball_toss(i % 2 ? s : twin, 1);
        ball_catch(i % 2 ? twin : s, 0);
    }
    EXPECT(0, test_wait(peer));
    EXPECT(0, sys_handle_close(shm));
}

/* ---- sleepers that are killed -------------------------------------------------------------------------------- */

static int sleep_shared(void *arg)
{
    struct shared *s = arg;

    __atomic_add_fetch(&s->ready, 1, __ATOMIC_SEQ_CST);
    while (wait_on(&s->ball[0], 0, TIMEOUT_NEVER, FUTEX_SHARED) == 0)
        ;
    return 1;
}

static int victim(void)
{
    static struct thread t[7];
    struct shared *s = map_shared(start_handle(START_BLK));

    for (int i = 0; i < 7; i++)
        NEED(thread_start(&t[i], sleep_shared, s, 0));
    return sleep_shared(s);
}

/* Dead sleepers are not found by a wake, and leave nothing. */
static void killed_sleepers(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(3 * PAGE_SIZE, 0));
    struct shared *s = map_shared(shm);

    for (uint32_t i = 0; i < 10; i++) {
        handle_t peer = spawn_sharer("victim", shm);

        while (__atomic_load_n(&s->ready, __ATOMIC_SEQ_CST) < 8 * (i + 1))
            (void)sys_thread_sleep(MS);
        if (i % 2)
            EXPECT_TRUE(NEED(wake(&s->ball[0], 3, FUTEX_SHARED)) <= 3);
        EXPECT(0, sys_process_kill(peer, 9));
        EXPECT(9, test_wait(peer));
        EXPECT(0, NEED(wake(&s->ball[0], INT32_MAX, FUTEX_SHARED)));
    }
    EXPECT(0, sys_handle_close(shm));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "play") == 0)
        return play();
    if (argc > 1)
        return victim();
    refusals();
    time_outs();
    counted_wakes();
    many_words();
    vanishing_page();
    important_first();
    contention();
    exit_word();
    between_processes();
    killed_sleepers();
    test_mark("FUTEX: ok");
    return 0;
}
