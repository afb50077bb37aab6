/*
 * The fast way of a call and its answer under the explorer, together with the general way that it leaves for and comes from:
 * what explore_endpoint.c asks of calls holds, and a CPU is handed only to a thread whose registers are saved.
 *
 * SOURCES: kernel/syscall/fastcall.c kernel/ipc/endpoint.c kernel/ipc/lend.c kernel/ipc/msg.c
 */
#include "explore_ipc.h"
#include "syscall/fastcall.h"
#include <syscall_table.h>

enum { PRIORITY = 5 }; /* of all: the fast way is for a server that need not be lent one */

static uint64_t handed_over; /* in all schedules: the fast way was gone */

/* ---- the general way, as sys_ipc.c has it ---- */

int64_t ipc_call_general(handle_t h, int64_t timeout)
{
    struct grant g;
    status_t st = handle_get_grant(h, OBJ_SESSION, RIGHT_SEND, &g);
    if (st != OK)
        return st;
    st = endpoint_call(CONTAINER(g.obj, struct session, obj), timeout);
    grant_drop(&g);
    return st;
}

int64_t ipc_reply_recv_general(handle_t h, uint64_t token, uint32_t flags, int64_t timeout)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_ENDPOINT, RIGHT_RECV, &o);
    if (st != OK)
        return st;
    struct endpoint *ep = CONTAINER(o, struct endpoint, obj);
    EXPLORE_EXPECT(flags == 0);
    st = token ? endpoint_reply(ep, token) : OK;
    if (st == OK || st == -ESRCH)
        st = endpoint_receive(ep, true, timeout);
    object_put(o);
    return st;
}

/* ---- clients ---- */

static void fast_client(int64_t timeout, bool handle)
{
    struct ipc_msg *m = begin();
    bool revoked = the.revoked;
    m->len = 3;
    memcpy(m->data, "ask", 3);
    m->nhandles = handle; /* a copy: what moves is not for the fast way */
    m->move = 0;
    m->handles[0] = the.thing_handle;
    the.in_call[explore_cpu()] = true;
    int64_t st = sys_ipc_call(the.session, timeout);
    the.in_call[explore_cpu()] = false;
    irq_enable(); /* which the way back to the program does */
    expect_result(st);
    EXPLORE_EXPECT(!revoked || st == -EPIPE);
    the.call_result = (int)st;
    if (st == OK) {
        EXPLORE_EXPECT(m->len == 6 && !memcmp(m->data, "answer", 6));
        EXPLORE_EXPECT(m->nhandles == 0);
        the.calls_ok++;
    }
    end();
}
static void client(void)
{
    fast_client(-1, false);
}
static void client_hasty(void)
{
    fast_client(AT_ANY_TIME - 1, false);
}
static void client_with_handle(void)
{
    fast_client(-1, true);
}
static void client_twice(void)
{
    client();
    client();
}

/* ---- servers ---- */

/* What came; the token to be answered, 0: none. The answer is in the buffer then. */
static uint64_t take_message(struct ipc_msg *m)
{
    bool answer = m->type == IPC_CALL || m->type == IPC_CANCEL;
    EXPLORE_EXPECT(m->badge == BADGE && !the.closed_notices);
    the.closed_notices += m->type == IPC_CLOSED;
    the.cancels += m->type == IPC_CANCEL;
    if (m->type == IPC_CALL) {
        EXPLORE_EXPECT(m->len == 3 && !memcmp(m->data, "ask", 3));
        the.received++;
    }
    close_received(m);
    m->len = 6;
    m->nhandles = m->move = 0;
    memcpy(m->data, "answer", 6);
    return answer ? m->token : 0;
}

/*
 * A server at work until nothing else can happen. It is as important as who waits for it, a killed client is gone, and nobody
 * takes the server out of a sleep that is not for messages.
 */
static void work_slowly(void)
{
    EXPLORE_EXPECT(thread_sleep(AT_LAST - 1) == OK);
    for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
        const struct thread *t = explore_thread(i);
        EXPLORE_EXPECT(!the.in_call[i] || !thread_killed(t));
        EXPLORE_EXPECT(!the.in_call[i] || thread_priority(current_thread()) >= thread_priority(t));
    }
}

/* mixed: every other answer goes the general way. */
static void serve(bool mixed, bool slow)
{
    struct ipc_msg *m = begin();
    uint64_t token = 0;
    for (unsigned i = 0;; i++) {
        if (mixed && token && i % 2) {
            (void)!endpoint_reply(the.endpoint, token);
            token = 0;
        }
        int64_t st = sys_ipc_reply_recv(the.ep, token, 0, AT_LAST - 1);
        irq_enable();
        if (st != OK) {
            EXPLORE_EXPECT(st == -ETIMEDOUT || st == -EPIPE || st == -EINTR || st == -EBADF);
            EXPLORE_EXPECT(st != -ETIMEDOUT || current_thread()->lent == 0);
            break;
        }
        token = take_message(m);
        if (slow)
            work_slowly();
    }
    end();
}
static void server(void)
{
    serve(false, false);
}
static void server_mixed(void)
{
    serve(true, false);
}
static void server_slow(void)
{
    serve(false, true);
}

/* ---- who disturbs ---- */

static void revoke_and_tell(void)
{
    revoke();
    the.revoked = true;
}

/* As its process's end does. */
static void kill_server(void)
{
    thread_notify(explore_thread(1), WORK_KILL);
    close_endpoint();
}

/* ---- scenarios ---- */

static void setup_equal(void)
{
    setup();
    for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
        explore_thread(i)->priority = PRIORITY;
        set_level(explore_thread(i));
    }
}

static void check_any(void)
{
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        handed_over += cpus[i].stats.switches;
    check();
}
static void check_all(unsigned calls)
{
    EXPLORE_EXPECT(the.calls_ok == calls && the.received == calls && the.cancels == 0);
    check_any();
}
static void check_one(void)
{
    check_all(1);
}
static void check_three(void)
{
    check_all(3);
}
/* The error tells whether the server had it. */
static void check_told_one(void)
{
    EXPLORE_EXPECT(the.received ==
                   (the.call_result == OK || the.call_result == -ECONNRESET ? 1 : 0));
    check_any();
}

static const struct explore_scenario scenarios[] = {
    { "fastcall: a call", setup_equal, { client, server }, check_one },
    { "fastcall: a handle goes along", setup_equal, { client_with_handle, server }, check_one },
    { "fastcall: three calls", setup_equal, { client_twice, server, client }, check_three },
    { "fastcall: two servers", setup_equal, { client_twice, server, client, server }, check_three },
    { "fastcall: answers in both ways",
      setup_equal,
      { client_twice, server_mixed, client },
      check_three },
    { "fastcall: it may time out", setup_equal, { client_hasty, server }, check_told_one },
    { "fastcall: the caller is killed", setup_equal, { client, server, kill_first }, check_any },
    { "fastcall: an upcall", setup_equal, { client, server, upcall_first }, check_any },
    { "fastcall: the server is killed",
      setup_equal,
      { client, server, kill_server },
      check_told_one },
    { "fastcall: reset", setup_equal, { client, server, reset }, check_any },
    { "fastcall: revoked", setup_equal, { client_twice, server, revoke_and_tell }, check_any },
    { "fastcall: the session closes",
      setup_equal,
      { client_hasty, server, close_session },
      check_told_one },
    { "fastcall: a priority rises",
      setup_equal,
      { client_twice, server, client, raise_first },
      check_three },
    { "fastcall: killed while it is served",
      setup_equal,
      { client, server_slow, kill_first },
      check_any },
    { "fastcall: a rise is lent",
      setup_equal,
      { client_twice, server_slow, client, raise_first },
      check_any },
    { "fastcall: everything ends",
      setup_equal,
      { client_hasty, server, client_with_handle, close_session, kill_server },
      check_any },
};

int main(int argc, char **argv)
{
    ipc_init();
    int st = explore_main(argc, argv, scenarios, ARRAY_SIZE(scenarios));
    EXPLORE_EXPECT(handed_over > 0);
    return st;
}
