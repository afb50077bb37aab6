/*
 * Ports under the explorer: events arrive once, waiters are not forgotten, and registrations end with their handle, with
 * port_del or with the port, whichever comes first or at once.
 *
 * SOURCES: kernel/ipc/port.c
 */
#include <string.h>

#include "explore.h"
#include "ipc/port.h"

static struct {
    struct thing *thing;
    struct port *port;
    handle_t thing_handle, port_handle;
    unsigned last, gone, events, waits_ended;
} the;

#define TOKEN 0x1122334455667788ull

static struct handle_table *table(void)
{
    return &explore_process.handles;
}

/* A port and an object, each kept by its handle and by us. */
static void setup(void)
{
    memset(&the, 0, sizeof the);
    the.thing = thing_new(OBJ_TIMER, &the.last, &the.gone);
    the.thing_handle = handle_add(table(), &the.thing->obj, RIGHT_WAIT, 0, 0);
    the.port = port_create();
    the.port_handle = handle_add(table(), &the.port->obj, RIGHT_READ | RIGHT_WRITE, 0, 0);
    EXPLORE_EXPECT(the.thing_handle > 0 && the.port_handle > 0);
}
static void setup_registered(void)
{
    setup();
    EXPLORE_EXPECT(port_add(the.port, the.thing_handle, EV_TIMER, TOKEN) == OK);
}

static void check(void)
{
    (void)handle_close_in(table(), the.thing_handle);
    (void)handle_close_in(table(), the.port_handle);
    EXPLORE_EXPECT(the.last == 1);
    EXPLORE_EXPECT(the.thing->obj.refs == 1 && list_empty(&the.thing->obj.watches));
    EXPLORE_EXPECT(the.port->obj.refs == 1 && list_empty(&the.port->ready));
    object_put(&the.port->obj);
    object_put(&the.thing->obj);
    EXPLORE_EXPECT(the.gone == 1);
}

static void wait_until(uint64_t deadline)
{
    struct port_event e = { 0 };
    int n = port_wait(the.port, &e, 1, deadline);
    EXPLORE_EXPECT(n == 1 || n == 0 || n == -ETIMEDOUT || n == -EINTR || n == -EBADF);
    EXPLORE_EXPECT(n != 1 || (e.token == TOKEN && e.events == EV_TIMER));
    /* Nothing else could happen, and yet there was something to report. */
    EXPLORE_EXPECT(n != -ETIMEDOUT || deadline != AT_LAST || list_empty(&the.port->ready));
    the.events += n == 1;
    the.waits_ended++;
}
static void wait_long(void)
{
    wait_until(AT_LAST);
}
static void wait_a_while(void)
{
    wait_until(AT_ANY_TIME);
}

static void signal(void)
{
    object_signal(&the.thing->obj, 0, EV_TIMER);
}
static void kill_first(void)
{
    thread_notify(explore_thread(0), WORK_KILL);
}
static void add(void)
{
    status_t st = port_add(the.port, the.thing_handle, EV_TIMER, TOKEN);
    EXPLORE_EXPECT(st == OK || st == -EBADF || st == -EEXIST);
}
static void del(void)
{
    status_t st = port_del(the.port, the.thing_handle);
    EXPLORE_EXPECT(st == OK || st == -ENOENT);
}
static void close_thing(void)
{
    EXPLORE_EXPECT(handle_close_in(table(), the.thing_handle) == OK);
}
static void close_port(void)
{
    EXPLORE_EXPECT(handle_close_in(table(), the.port_handle) == OK);
}
static void post(void)
{
    EXPLORE_EXPECT(port_post(the.port, TOKEN, EV_TIMER) == OK);
}
static void wake(void)
{
    port_wake(the.port);
}

/* One event, one who waits for it until all is over: it must have got it, unless another one has. */
static void check_event(void)
{
    EXPLORE_EXPECT(the.events + !list_empty(&the.port->ready) == 1);
    check();
}
/* The wake-up ended a wait that would have lasted. */
static void check_woken(void)
{
    EXPLORE_EXPECT(the.waits_ended == 1 && the.events == 0);
    check();
}
static void check_posts(void)
{
    EXPLORE_EXPECT(the.events >= 1 && the.events <= 2);
    check();
}

/* Nobody may be left asleep at a port that is closed. */
static void wait_for_ever(void)
{
    wait_until(WAIT_FOREVER);
}

static const struct explore_scenario scenarios[] = {
    { "port: an event", setup_registered, { wait_a_while, wait_long, signal }, check_event },
    { "port: who waits is killed",
      setup_registered,
      { wait_long, wait_long, signal, kill_first },
      check_event },
    { "port: registered late", setup, { wait_long, add, signal }, check },
    { "port: every end at once",
      setup_registered,
      { del, close_thing, close_port, signal },
      check },
    { "port: added while it ends", setup, { add, add, close_port, close_thing }, check },
    { "port: closed", setup_registered, { wait_for_ever, close_port, signal }, check },
    { "port: woken", setup, { wait_for_ever, wake }, check_woken },
    { "port: posts", setup, { wait_long, wait_long, post, post }, check_posts },
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, ARRAY_SIZE(scenarios));
}
