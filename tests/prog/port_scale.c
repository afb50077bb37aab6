/*
 * `test=ipc.scale`: what ports and timers cost with few and with many of them, in nanoseconds of the monotonic clock;
 * with --icount on one CPU that is instructions. The host compares.
 */
#include "tests/prog/test.h"

enum { MOST = 10000, ROUNDS = 200 };

static struct {
    handle_t h;
    uint64_t id;
} session[MOST + 1];

static handle_t ep, port;

static int64_t now(void)
{
    return sys_time_now(CLOCK_MONOTONIC);
}

static void grow_sessions(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        session[i].h = NEED_HANDLE(sys_session_create(ep, i, 0, &session[i].id));
        EXPECT(0, sys_port_add(port, session[i].h, EV_READABLE, i << 40 | i));
    }
}

/* Mean cost of each call with n registrations. The one that is ready is another each time. */
static void measure_port(uint64_t n)
{
    int64_t signal = 0, wait = 0, poll = 0, add = 0, del = 0;
    struct port_event event;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t which = i * 7919 % n;
        int64_t t0 = now();

        EXPECT(0, sys_session_signal(ep, session[which].id, 0, EV_READABLE));
        int64_t t1 = now();
        EXPECT(1, sys_port_wait(port, &event, 1, TIMEOUT_NEVER));
        int64_t t2 = now();
        EXPECT(0, sys_port_wait(port, &event, 1, 0));
        int64_t t3 = now();
        EXPECT(0, sys_port_add(port, session[MOST].h, EV_READABLE, 0));
        int64_t t4 = now();
        EXPECT(0, sys_port_del(port, session[MOST].h));
        int64_t t5 = now();
        EXPECT(which << 40 | which, event.token);
        EXPECT(EV_READABLE, event.events);
        signal += t1 - t0, wait += t2 - t1, poll += t3 - t2, add += t4 - t3, del += t5 - t4;
    }
    printf("SCALE: port n=%d signal=%d wait=%d poll=%d add=%d del=%d nonce=%s\n", (int)n,
           (int)(signal / ROUNDS), (int)(wait / ROUNDS), (int)(poll / ROUNDS), (int)(add / ROUNDS),
           (int)(del / ROUNDS), test_nonce());
}

static void ports(void)
{
    ep = NEED_HANDLE(sys_endpoint_create(0));
    port = NEED_HANDLE(sys_port_create());
    session[MOST].h = NEED_HANDLE(sys_session_create(ep, MOST, 0, &session[MOST].id));
    grow_sessions(0, 10);
    measure_port(10);
    grow_sessions(10, MOST);
    measure_port(MOST);
    /* All at once, each reported once. */
    for (uint64_t i = 0; i < MOST; i++)
        EXPECT(0, sys_session_signal(ep, session[i].id, 0, EV_READABLE));
    for (uint64_t i = 0, n; i < MOST; i += n) {
        struct port_event events[32];

        n = (uint64_t)NEED(sys_port_wait(port, events, 32, 0));
        EXPECT_TRUE(n > 0);
        for (uint64_t k = 0; k < n; k++)
            EXPECT((i + k) << 40 | (i + k), events[k].token);
    }
    for (uint64_t i = 0; i < MOST / 2; i++)
        EXPECT(0, sys_port_del(port, session[i].h));
    for (uint64_t i = 0; i < MOST + 1; i++)
        EXPECT(0, sys_handle_close(session[i].h));
    EXPECT(0, sys_handle_close(port));
    EXPECT(0, sys_handle_close(ep));
}

static handle_t timers[MOST];

static void grow_timers(uint64_t from, uint64_t to, int64_t base)
{
    for (uint64_t i = from; i < to; i++) {
        timers[i] = NEED_HANDLE(sys_timer_create());
        EXPECT(0, sys_timer_set(timers[i], base + (int64_t)(i * 7919 % MOST) * 1000, 0));
    }
}

/* Arming and disarming one of n armed timers, none of which is due. */
static void measure_timers(uint64_t n, int64_t base)
{
    int64_t arm = 0, cancel = 0;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t which = i * 31 % n;
        int64_t t0 = now();

        EXPECT(0, sys_timer_set(timers[which], -1, 0));
        int64_t t1 = now();
        EXPECT(0, sys_timer_set(timers[which], base + (int64_t)(i * 7919 % MOST) * 1000, 0));
        int64_t t2 = now();
        cancel += t1 - t0, arm += t2 - t1;
    }
    printf("SCALE: timers n=%d arm=%d cancel=%d nonce=%s\n", (int)n, (int)(arm / ROUNDS),
           (int)(cancel / ROUNDS), test_nonce());
}

/* All timers due at the same moment fire, each once, and threads go on running meanwhile. */
static void all_fire(void)
{
    handle_t p = NEED_HANDLE(sys_port_create());
    int64_t at = now() + 200 * MS;
    uint32_t fired = 0;

    for (uint64_t i = 0; i < MOST; i++) {
        EXPECT(0, sys_timer_set(timers[i], at, 0));
        EXPECT(0, sys_port_add(p, timers[i], EV_TIMER, i));
    }
    while (fired < MOST) {
        struct port_event events[32];
        int64_t n = NEED(sys_port_wait(p, events, 32, 20000 * MS));

        EXPECT_TRUE(now() >= at);
        for (int64_t k = 0; k < n; k++)
            EXPECT(EV_TIMER, events[k].events);
        fired += (uint32_t)n;
    }
    EXPECT(MOST, fired);
    EXPECT(0, sys_port_wait(p, (struct port_event[1]){ { 0 } }, 1, 0));
    EXPECT(0, sys_handle_close(p));
}

int main(void)
{
    int64_t base;

    ports();
    base = now() + 3600000 * MS;
    grow_timers(0, 10, base);
    measure_timers(10, base);
    grow_timers(10, MOST, base);
    measure_timers(MOST, base);
    all_fire();
    for (uint64_t i = 0; i < MOST; i++)
        EXPECT(0, sys_handle_close(timers[i]));
    test_mark("SCALE: ok");
    return 0;
}
