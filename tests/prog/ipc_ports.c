/*
 * `test=ipc.ports`: what abi/syscall.def promises of ports beyond what ipc.rules sees: refusals, wakes, posts, several
 * threads at one port, ports shared with a process that dies.
 */
#include <rugo/thread.h>

#include "tests/prog/stress.h"

static handle_t new_port(void)
{
    return NEED_HANDLE(sys_port_create());
}

/* ---- refusals ---------------------------------------------------------------------------------------- */

/* What can't be waited for is EPERM whatever the rights; what can but lacks the right is EACCES. */
static void refused_handles(void)
{
    handle_t port = new_port(), other = new_port();
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0));
    handle_t timer = NEED_HANDLE(sys_timer_create()), ep = NEED_HANDLE(sys_endpoint_create(0));
    handle_t weak = NEED_HANDLE(sys_handle_dup(timer, RIGHT_WRITE, 0, 0));
    handle_t look = NEED_HANDLE(sys_handle_dup(port, RIGHT_READ, 0, 0));
    uint64_t id;
    handle_t silent = NEED_HANDLE(sys_session_create(ep, 1, SESSION_SILENT, &id));

    EXPECT(-EPERM, sys_port_add(port, port, EV_READABLE, 0));
    EXPECT(-EPERM, sys_port_add(port, other, EV_READABLE, 0));
    EXPECT(-EPERM, sys_port_add(port, shm, EV_READABLE, 0));
    EXPECT(-EPERM, sys_port_add(port, silent, EV_READABLE, 0));
    EXPECT(-EPERM, sys_port_add(port, start_handle(START_LOG), EV_READABLE, 0));
    EXPECT(-EACCES, sys_port_add(port, weak, EV_TIMER, 0));
    EXPECT(-EACCES, sys_port_add(look, timer, EV_TIMER, 0));
    EXPECT(-EBADF, sys_port_add(port, 777, EV_TIMER, 0));
    EXPECT(-ENODEV, sys_port_add(timer, timer, EV_TIMER, 0));
    EXPECT(-EINVAL, sys_port_add(port, timer, 0, 0));
    EXPECT(-EINVAL, sys_port_add(port, timer, 0x80000000, 0));
    EXPECT(0, sys_port_add(port, timer, EV_TIMER, 1));
    EXPECT(-EEXIST, sys_port_add(port, timer, EV_TIMER, 2));
    EXPECT(-ENOENT, sys_port_del(port, weak)); /* another handle to the same object */
    EXPECT(-EACCES, sys_port_del(look, timer));
    EXPECT(0, sys_port_add(other, timer, EV_TIMER, 3)); /* two ports may wait for one object */
    EXPECT(0, sys_port_del(port, timer));
    EXPECT(-ENOENT, sys_port_del(port, timer));
    EXPECT(0, sys_port_add(port, timer, EV_TIMER, 4));
    const handle_t all[] = { timer, weak, shm, silent, ep, look, other, port };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        EXPECT(0, sys_handle_close(all[i]));
}

static void refused_calls(void)
{
    handle_t port = new_port(), look = NEED_HANDLE(sys_handle_dup(port, RIGHT_READ, 0, 0));
    handle_t feed = NEED_HANDLE(sys_handle_dup(port, RIGHT_WRITE, 0, 0));
    handle_t timer = NEED_HANDLE(sys_timer_create());
    struct port_event event;

    EXPECT(-EBADF, sys_port_wake(777));
    EXPECT(-ENODEV, sys_port_wake(timer));
    EXPECT(-EACCES, sys_port_wake(look));
    EXPECT(-EBADF, sys_port_post(777, 0, EV_USER0));
    EXPECT(-ENODEV, sys_port_post(timer, 0, EV_USER0));
    EXPECT(-EACCES, sys_port_post(look, 0, EV_USER0));
    EXPECT(-EINVAL, sys_port_post(port, 0, 0));
    EXPECT(-EINVAL, sys_port_post(port, 0, EV_READABLE));
    EXPECT(-EINVAL, sys_port_post(port, 0, EV_USER0 | EV_HUP));
    EXPECT(-EACCES, sys_port_wait(feed, &event, 1, 0));
    EXPECT(-EINVAL, sys_port_wait(port, &event, 0, 0));
    /* A bad address loses no event. */
    EXPECT(0, sys_port_post(feed, 9, EV_USER1));
    EXPECT(-EFAULT, sys_port_wait(port, (struct port_event *)8, 1, 0));
    EXPECT(-EFAULT, sys_port_wait(port, (struct port_event *)(uintptr_t)test_mark, 1, 0));
    EXPECT(1, sys_port_wait(look, &event, 1, 0));
    EXPECT(9, event.token);
    EXPECT(EV_USER1, event.events);
    EXPECT(0, sys_handle_close(timer));
    EXPECT(0, sys_handle_close(feed));
    EXPECT(0, sys_handle_close(look));
    EXPECT(0, sys_handle_close(port));
}

/* ---- wakes --------------------------------------------------------------------------------------------- */

static int wait_long(void *arg)
{
    struct port_event event;

    return (int)sys_port_wait(*(handle_t *)arg, &event, 1, 20000 * MS);
}

static void wakes(void)
{
    handle_t port = new_port();
    struct port_event event;
    struct thread a, b;
    int result[2];

    /* Kept for the next wait that would sleep, once; polls and waits that find something leave it. */
    EXPECT(0, sys_port_wake(port));
    EXPECT(0, sys_port_wake(port));
    EXPECT(0, sys_port_wait(port, &event, 1, 0));
    EXPECT(0, sys_port_post(port, 5, EV_USER0));
    EXPECT(1, sys_port_wait(port, &event, 1, TIMEOUT_NEVER));
    EXPECT(0, sys_port_wait(port, &event, 1, TIMEOUT_NEVER));
    EXPECT(-ETIMEDOUT, sys_port_wait(port, &event, 1, MS));
    /* One wake, one waiter. */
    NEED(thread_start(&a, wait_long, &port, 0));
    NEED(thread_start(&b, wait_long, &port, 0));
    NEED(sys_thread_sleep(5 * MS));
    EXPECT(0, sys_port_wake(port));
    NEED(sys_thread_sleep(5 * MS));
    EXPECT(0, sys_port_post(port, 6, EV_USER0));
    NEED(thread_join(&a, &result[0]));
    NEED(thread_join(&b, &result[1]));
    EXPECT(1, result[0] + result[1]);
    EXPECT(0, sys_handle_close(port));
}

/* The last handle's end reaches those who wait. */
static void closed_port(void)
{
    handle_t port = new_port(), timer = NEED_HANDLE(sys_timer_create());
    struct thread t;
    int result;

    EXPECT(0, sys_port_add(port, timer, EV_TIMER, 1));
    NEED(thread_start(&t, wait_long, &port, 0));
    NEED(sys_thread_sleep(5 * MS));
    EXPECT(0, sys_handle_close(port));
    NEED(thread_join(&t, &result));
    EXPECT(-EBADF, result);
    EXPECT(0, sys_handle_close(timer));
}

/* ---- posts --------------------------------------------------------------------------------------------- */

static void posts(void)
{
    enum { MOST = 1024 };
    handle_t port = new_port();
    struct port_event events[40];

    EXPECT(0, sys_port_post(port, UINT64_MAX, EV_USER0));
    EXPECT(0, sys_port_post(port, UINT64_MAX, EV_USER1)); /* adds to the one that waits */
    EXPECT(0, sys_port_post(port, 0, EV_USER0));
    EXPECT(2, sys_port_wait(port, events, 40, 0));
    EXPECT(UINT64_MAX, events[0].token);
    EXPECT(EV_USER0 | EV_USER1, events[0].events);
    EXPECT(0, events[1].token);
    for (uint64_t i = 0; i < MOST; i++)
        EXPECT(0, sys_port_post(port, i * 0x100000001, EV_USER0));
    EXPECT(-EAGAIN, sys_port_post(port, 7, EV_USER0));
    EXPECT(0, sys_port_post(port, 0, EV_USER1));
    for (uint64_t i = 0, n; i < MOST; i += n) {
        n = (uint64_t)NEED(sys_port_wait(port, events, 40, 0));
        EXPECT(32, n);
        for (uint64_t k = 0; k < n; k++)
            EXPECT((i + k) * 0x100000001, events[k].token);
    }
    EXPECT(0, sys_port_wait(port, events, 40, 0));
    EXPECT(0, sys_port_post(port, 7, EV_USER0)); /* goes with the port */
    EXPECT(0, sys_handle_close(port));
}

/* ---- many at one port ------------------------------------------------------------------------------------ */

enum { TOKENS = 20000, POSTERS = 2, POLLERS = 2 };
static struct {
    handle_t port;
    uint8_t seen[TOKENS];
    uint32_t total;
} crowd;

static int post_tokens(void *arg)
{
    for (uint64_t token = (uint64_t)(uintptr_t)arg; token < TOKENS; token += POSTERS) {
        int st;

        while ((st = sys_port_post(crowd.port, token, EV_USER0)) == -EAGAIN)
            (void)sys_yield();
        EXPECT(0, st);
    }
    return 0;
}

static uint32_t total(void)
{
    return __atomic_load_n(&crowd.total, __ATOMIC_SEQ_CST);
}

static void note(const struct port_event *events, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        EXPECT_TRUE(events[i].token < TOKENS);
        EXPECT(1, __atomic_add_fetch(&crowd.seen[events[i].token], 1, __ATOMIC_SEQ_CST));
        __atomic_add_fetch(&crowd.total, 1, __ATOMIC_SEQ_CST);
    }
}

static int poll_tokens(void *arg)
{
    struct port_event events[3];

    (void)arg;
    while (total() < TOKENS) {
        int64_t n = NEED(sys_port_wait(crowd.port, events, 3, 0));

        note(events, n);
        if (n == 0)
            (void)sys_yield();
    }
    return 0;
}

/* One sleeps in the port, others poll it, others feed it: each event is reported once. */
static void sleeper_and_pollers(void)
{
    struct thread t[POSTERS + POLLERS];
    struct port_event event;

    crowd.port = new_port();
    for (uintptr_t i = 0; i < POSTERS + POLLERS; i++)
        NEED(thread_start(&t[i], i < POSTERS ? post_tokens : poll_tokens, (void *)i, 0));
    while (total() < TOKENS) {
        int64_t n = sys_port_wait(crowd.port, &event, 1, 2 * MS);

        if (n != -ETIMEDOUT)
            note(&event, NEED(n));
    }
    for (size_t i = 0; i < POSTERS + POLLERS; i++)
        NEED(thread_join(&t[i], NULL));
    EXPECT(0, sys_port_wait(crowd.port, &event, 1, 0));
    EXPECT(0, sys_handle_close(crowd.port));
}

/* Handles that close while they are being registered and taken back by others. */
static struct {
    handle_t port;
    volatile handle_t h;
    volatile uint32_t stop;
} churn;

static int add_and_del(void *arg)
{
    (void)arg;
    while (!churn.stop) {
        int st = sys_port_add(churn.port, churn.h, EV_TIMER, 1);

        EXPECT_TRUE(st == 0 || st == -EEXIST || st == -EBADF || st == -ENODEV || st == -EPERM);
        st = sys_port_del(churn.port, churn.h);
        EXPECT_TRUE(st == 0 || st == -ENOENT);
    }
    return 0;
}

static void closing_meanwhile(void)
{
    struct thread t[2];
    struct port_event event;

    churn.port = new_port();
    churn.h = NEED_HANDLE(sys_timer_create());
    for (int i = 0; i < 2; i++)
        NEED(thread_start(&t[i], add_and_del, NULL, 0));
    for (int i = 0; i < 300; i++) {
        EXPECT(0, sys_timer_set(churn.h, 0, 0));
        (void)sys_port_wait(churn.port, &event, 1, i % 2 ? 20000 : 0);
        EXPECT(0, sys_handle_close(churn.h));
        churn.h = NEED_HANDLE(sys_timer_create());
    }
    churn.stop = 1;
    for (int i = 0; i < 2; i++)
        NEED(thread_join(&t[i], NULL));
    EXPECT(0, sys_handle_close(churn.h));
    EXPECT(0, sys_handle_close(churn.port));
}

/* ---- a port shared with a process that dies ---------------------------------------------------------------- */

/* The parent's port as descriptor 3: registers a timer of its own there, says so, and waits for ever. */
static int wait_in_child(void)
{
    handle_t timer = NEED_HANDLE(sys_timer_create());
    struct port_event event;

    EXPECT(0, sys_port_add(start_handle(START_BLK), timer, EV_TIMER, 77));
    EXPECT(0, sys_timer_set(timer, 0, 0));
    EXPECT(0, sys_port_post(start_handle(START_BLK), 1, EV_USER0));
    for (;;)
        (void)sys_port_wait(start_handle(START_SERIAL), &event, 1, TIMEOUT_NEVER);
}

/* Registrations of a process end with it; its threads stop waiting, and others get the events. */
static void dead_waiter(void)
{
    for (int i = 0; i < 5; i++) {
        handle_t port = new_port(), other = new_port();
        char *argv[] = { "ipc_ports", "child", NULL };
        struct spawn_handle more[] = { { START_BLK, port, RIGHT_SAME },
                                       { START_SERIAL, other, RIGHT_SAME } };
        handle_t peer = test_spawn("test/ipc_ports", argv, more, 2);
        struct port_event event = { .token = 0 };

        while (event.token != 1)
            EXPECT(1, sys_port_wait(port, &event, 1, 20000 * MS));
        EXPECT(0, sys_process_kill(peer, 9));
        EXPECT(9, test_wait(peer));
        EXPECT(0, sys_port_wait(port, &event, 1, 0)); /* also if the timer fired after the post */
        EXPECT(0, sys_port_post(other, 8, EV_USER0));
        EXPECT(1, sys_port_wait(other, &event, 1, 0));
        EXPECT(8, event.token);
        EXPECT(0, sys_handle_close(port));
        EXPECT(0, sys_handle_close(other));
    }
}

static int everything(void)
{
    refused_handles();
    refused_calls();
    wakes();
    closed_port();
    posts();
    sleeper_and_pollers();
    closing_meanwhile();
    dead_waiter();
    return 0;
}

static void in_a_child(void)
{
    char *argv[] = { "ipc_ports", "all", NULL };

    EXPECT(0, test_wait(test_spawn("test/ipc_ports", argv, NULL, 0)));
}

/*
 * When the process that did it all has ended, nothing may be left of it. How many threads live at once is chance, and the
 * kernel keeps what they needed for the next ones: so it must come out even in one of a few rounds. A leak never would.
 */
int main(int argc, char **argv)
{
    struct machine_info before;

    if (argc > 1)
        return strcmp(argv[1], "all") == 0 ? everything() : wait_in_child();
    in_a_child();
    stress_settled(&before);
    in_a_child();
    stress_same(&before);
    test_mark("PORTS: ok");
    return 0;
}
