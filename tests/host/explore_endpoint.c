/*
 * Endpoints, sessions and reply tokens under the explorer: each call ends once and with an error that the contract names,
 * each token is good for one answer, and nothing is left, whoever times out, is killed or goes away meanwhile.
 *
 * SOURCES: kernel/ipc/endpoint.c kernel/ipc/lend.c kernel/ipc/msg.c
 */
#include "explore_ipc.h"

/* As the system call does it: the session counts a handle meanwhile. */
static status_t call_on(handle_t session, uint64_t deadline)
{
    struct grant g;
    status_t st = handle_get_grant(session, OBJ_SESSION, RIGHT_SEND, &g);
    if (st != OK)
        return st;
    st = endpoint_call(CONTAINER(g.obj, struct session, obj),
                       deadline == WAIT_FOREVER ? -1 : (int64_t)deadline - 1);
    grant_drop(&g);
    return st;
}

static status_t call(uint64_t deadline)
{
    return call_on(the.session, deadline);
}

static void client(uint64_t deadline, bool handle)
{
    struct ipc_msg *m = begin();
    char *mine = aligned_alloc(64, 64); /* within a page: each schedule takes the same steps */
    memset(mine, 'a', 64);
    m->len = 3;
    memcpy(m->data, "ask", 3);
    m->in_addr = m->out_addr = (uintptr_t)mine;
    m->in_len = m->out_len = 64;
    m->nhandles = handle;
    m->move = handle;
    m->handles[0] = the.thing_handle;
    the.called++;
    the.in_call[explore_cpu()] = true;
    the.call_result = call(deadline);
    the.in_call[explore_cpu()] = false;
    free(mine); /* nobody may copy from or to it any more */
    expect_result(the.call_result);
    if (the.call_result == OK) {
        EXPLORE_EXPECT(m->len == 6 && !memcmp(m->data, "answer", 6));
        the.calls_ok++;
        close_received(m);
    }
    end();
}
static void client_patient(void)
{
    client(WAIT_FOREVER, false);
}
static void client_hasty(void)
{
    client(AT_ANY_TIME, false);
}
static void client_with_handle(void)
{
    client(AT_ANY_TIME, true);
}

static void answer(struct ipc_msg *m, uint64_t token)
{
    m->len = 6;
    m->nhandles = m->move = 0;
    memcpy(m->data, "answer", 6);
    the.answered += endpoint_reply(the.endpoint, token) == OK;
    the.answered_twice += endpoint_reply(the.endpoint, token) == OK;
}

/* Receives until nothing comes any more. late: answers only when it is asked to, or at the end. */
static void serve(bool late, bool copies)
{
    struct ipc_msg *m = begin();
    uint64_t kept = 0;
    char copy[64];
    for (;;) {
        status_t st = endpoint_receive(the.endpoint, true, (int64_t)AT_LAST - 1);
        EXPLORE_EXPECT(st == OK || st == -ETIMEDOUT || st == -EPIPE || st == -EINTR);
        if (st == -ETIMEDOUT && kept) {
            answer(m, kept);
            kept = 0;
            continue;
        }
        if (st != OK)
            break;
        uint32_t type = m->type;
        uint64_t token = m->token;
        EXPLORE_EXPECT(m->badge == BADGE);
        EXPLORE_EXPECT(!the.closed_notices); /* the last event of a session */
        the.closed_notices += type == IPC_CLOSED;
        the.cancels += type == IPC_CANCEL;
        EXPLORE_EXPECT(type != IPC_CALL || (m->len == 3 && !memcmp(m->data, "ask", 3)));
        close_received(m);
        if (type == IPC_CALL) {
            the.received++;
            if (copies)
                (void)endpoint_bulk(the.endpoint, token, 0, (uintptr_t)copy, sizeof copy, false);
            if (late)
                kept = token;
            else
                answer(m, token);
        } else if (type == IPC_CANCEL) {
            EXPLORE_EXPECT(!late || token == kept);
            answer(m, token);
            kept = 0;
        }
    }
    end();
}
static void server(void)
{
    serve(false, false);
}
static void server_late(void)
{
    serve(true, false);
}
static void server_copying(void)
{
    serve(false, true);
}

static void send_with_handle(void)
{
    struct ipc_msg *m = begin();
    struct grant g;
    m->len = 0;
    m->nhandles = m->move = 1;
    m->handles[0] = the.thing_handle;
    if (handle_get_grant(the.session, OBJ_SESSION, RIGHT_SEND, &g) == OK) {
        status_t st = endpoint_send(CONTAINER(g.obj, struct session, obj), true);
        EXPLORE_EXPECT(st == OK || st == -EPIPE || st == -EBADF); /* the call may have moved it */
        grant_drop(&g);
    }
    end();
}

/* ---- priorities ---- */

/* When nothing else can happen: who waits in the queue stands where its thread's priority has it. */
static void serve_in_order(void)
{
    uint8_t last = PRIORITY_MAX;
    (void)thread_sleep(AT_LAST - 1);
    PRIO_FOR (n, &the.endpoint->queue) {
        struct ipc_item *item = LIST_ENTRY(n, struct ipc_item, node);
        struct msg_slot *s = CONTAINER(item, struct msg_slot, item);
        EXPLORE_EXPECT(n->priority == thread_priority(s->thread) && n->priority <= last);
        last = n->priority;
    }
    server();
}

/* A server that needs another one, `the.second`, for each answer. */
static void server_in_between(void)
{
    struct ipc_msg *m = begin();
    while (endpoint_receive(the.endpoint, true, (int64_t)AT_LAST - 1) == OK) {
        uint64_t token = m->token;
        bool is_call = m->type == IPC_CALL;
        m->len = 0;
        m->in_len = m->out_len = 0;
        EXPLORE_EXPECT(call_on(the.second_session, WAIT_FOREVER) == OK);
        if (is_call)
            answer(m, token);
    }
    end();
}

static uint32_t most_important_caller(void)
{
    uint32_t priority = 0;
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        if (the.in_call[i] && priorities[i] > priority)
            priority = priorities[i];
    return priority;
}

/* The second one: as important as the client, who waits for it by way of the first. It answers once that is so. */
static void server_behind(void)
{
    struct ipc_msg *m = begin();
    while (endpoint_receive(the.second, true, (int64_t)AT_LAST - 1) == OK) {
        (void)thread_sleep(AT_LAST - 1);
        EXPLORE_EXPECT(thread_priority(current_thread()) == most_important_caller());
        m->len = m->nhandles = m->move = 0;
        EXPLORE_EXPECT(endpoint_reply(the.second, m->token) == OK);
    }
    end();
}

static void setup_chain(void)
{
    setup();
    the.second = endpoint_create();
    the.second_ep = handle_add(table(), &the.second->obj, RIGHT_ALL, 0, 0);
    struct session *s = session_create(the.second, BADGE, false);
    the.second_session = handle_add(table(), &s->obj, RIGHT_ALL, 0, 0);
    (void)session_open(s);
    object_put(&s->obj);
}

static void check_chain(void)
{
    EXPLORE_EXPECT(the.calls_ok == 2 && the.answered == 2);
    (void)handle_close_in(table(), the.second_session);
    (void)handle_close_in(table(), the.second_ep);
    object_put(&the.second->obj);
    check();
}

static const struct explore_scenario scenarios[] = {
    { "endpoint: a call", setup, { client_patient, server }, check_answered },
    { "endpoint: it may time out", setup, { client_hasty, server }, check_hasty },
    { "endpoint: answered late", setup, { client_hasty, server_late }, check_hasty },
    { "endpoint: two servers",
      setup,
      { client_patient, server, client_patient, server },
      check_two },
    { "endpoint: the caller is killed",
      setup,
      { client_patient, server_late, kill_first },
      check_killed },
    { "endpoint: killed after its time-out",
      setup,
      { client_hasty, server_late, kill_first },
      check },
    { "endpoint: killed while it is copied from",
      setup,
      { client_patient, server_copying, kill_first },
      check_killed },
    { "endpoint: an upcall", setup, { client_patient, server_late, upcall_first }, check_hasty },
    { "endpoint: reset", setup, { client_patient, server_late, reset }, check },
    { "endpoint: revoked", setup, { client_patient, server_late, revoke }, check },
    { "endpoint: closed",
      setup,
      { client_patient, server_late, close_endpoint, kill_first },
      check },
    { "endpoint: closed, and nobody is killed",
      setup,
      { client_patient, server_late, close_endpoint },
      check },
    { "endpoint: the session closes", setup, { client_hasty, server, close_session }, check_told },
    { "endpoint: moved handles",
      setup,
      { client_with_handle, server, send_with_handle, close_session },
      check },
    { "endpoint: a priority rises",
      setup,
      { client_patient, serve_in_order, client_patient, raise_first },
      check_two },
    { "endpoint: a priority falls",
      setup,
      { client_patient, serve_in_order, client_patient, lower_first },
      check_two },
    { "endpoint: lent on down a chain",
      setup_chain,
      { client_patient, server_in_between, client_patient, server_behind },
      check_chain },
    { "endpoint: everything ends",
      setup,
      { client_hasty, server_copying, close_session, revoke, close_endpoint },
      check },
};

int main(int argc, char **argv)
{
    ipc_init();
    return explore_main(argc, argv, scenarios, ARRAY_SIZE(scenarios));
}
