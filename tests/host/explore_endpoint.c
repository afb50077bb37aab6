/*
 * Endpoints, sessions and reply tokens under the explorer: each call ends once and with an error that the contract names,
 * each token is good for one answer, and nothing is left, whoever times out, is killed or goes away meanwhile.
 *
 * SOURCES: kernel/ipc/endpoint.c kernel/ipc/lend.c kernel/ipc/msg.c
 */
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "ipc/endpoint.h"
#include "ipc/futex.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/vm.h"
#include "sched/sched.h"

/* ---- what endpoint.c and msg.c stand on ---- */

static void (*thread_ends)(struct thread *t);

void process_set_thread_exit_hook(void (*hook)(struct thread *t))
{
    thread_ends = hook;
}

/* Priorities, as kernel/sched/thread.c has them. */
static void priority_changed(struct thread *t)
{
    if (t != current_thread())
        (void)thread_give_work(t, WORK_PRIORITY);
}
static void change_lenders(struct thread *t, uint32_t priority, uint32_t by)
{
    uint8_t before = t->lent;
    t->lenders[priority] += by;
    EXPLORE_EXPECT(t->lenders[priority] < EXPLORE_THREADS);
    for (t->lent = PRIORITY_MAX; t->lent && !t->lenders[t->lent];)
        t->lent--;
    if (t->lent != before)
        priority_changed(t);
}
bool thread_lend(struct thread *t, uint32_t priority)
{
    spin_lock(&t->lock);
    bool lends = priority > t->priority;
    if (lends)
        change_lenders(t, priority, 1);
    spin_unlock(&t->lock);
    return lends;
}
void thread_take_back(struct thread *t, uint32_t priority)
{
    spin_lock(&t->lock);
    change_lenders(t, priority, -1u);
    spin_unlock(&t->lock);
}
static void set_priority(struct thread *t, uint8_t priority)
{
    spin_lock(&t->lock);
    t->priority = priority;
    priority_changed(t);
    spin_unlock(&t->lock);
}
/* Nobody waits for a word. */
void futex_init(void)
{
}

struct page {
    struct shm shm;
    char bytes[PAGE_SIZE];
};
static void page_destroy(struct object *o)
{
    kfree(CONTAINER(o, struct page, shm.obj));
}
static const struct object_ops page_ops = { .destroy = page_destroy };

static paddr_t get_page(struct shm *s, uint64_t index)
{
    (void)index;
    return virt_to_phys(CONTAINER(s, struct page, shm)->bytes);
}
static const struct shm_ops shm_ops = { .get_page = get_page };

struct shm *shm_create(uint64_t size)
{
    struct page *p = kzalloc(sizeof *p);
    EXPLORE_EXPECT(size == PAGE_SIZE);
    object_init(&p->shm.obj, OBJ_SHM, &page_ops);
    p->shm.ops = &shm_ops;
    return &p->shm;
}
status_t vm_map(struct aspace *as, const struct vm_map_args *a, uintptr_t *at)
{
    (void)as, (void)a;
    *at = PAGE_SIZE;
    return OK;
}
status_t vm_unmap(struct aspace *as, uintptr_t addr, uint64_t len)
{
    (void)as, (void)addr, (void)len;
    return OK;
}
status_t vm_pin(struct aspace *as, uintptr_t va, uint32_t access, struct vm_pin *pin)
{
    (void)as, (void)access;
    explore_point(__func__, __LINE__);
    *pin = (struct vm_pin){ .at = (void *)va };
    return OK;
}
void vm_unpin(const struct vm_pin *pin)
{
    (void)pin;
}
status_t copy_from_user(void *dst, struct user_in src, size_t n)
{
    explore_point(__func__, __LINE__);
    memcpy(dst, (const void *)src.addr, n);
    return OK;
}
status_t copy_to_user(struct user_out dst, const void *src, size_t n)
{
    explore_point(__func__, __LINE__);
    memcpy((void *)dst.addr, src, n);
    return OK;
}
void endpoint_describe(struct object *o, struct object_facts *f)
{
    (void)o, (void)f;
}
void session_describe(struct object *o, struct object_facts *f)
{
    (void)o, (void)f;
}

/* ---- scenarios ---- */

#define BADGE 0xbadce5ull

static struct {
    handle_t ep, session;
    struct endpoint *endpoint; /* with a reference of ours */
    struct endpoint *second;   /* the same, in a chain */
    handle_t second_ep, second_session;
    uint64_t id;
    struct thing *thing;
    handle_t thing_handle;
    unsigned thing_last, thing_gone;
    unsigned called, calls_ok, received, closed_notices, cancels, answered, answered_twice;
    bool in_call[EXPLORE_THREADS];
    int call_result;
    char *theirs; /* a buffer of the caller's, gone when its call is over */
} the;

static struct handle_table *table(void)
{
    return &explore_process.handles;
}

/* Of the threads: who calls is more important than who serves. */
static const uint8_t priorities[EXPLORE_THREADS] = { 5, 2, 7, 1, 3, 3 };

static void setup(void)
{
    memset(&the, 0, sizeof the);
    the.endpoint = endpoint_create();
    the.ep = handle_add(table(), &the.endpoint->obj, RIGHT_ALL, 0, 0);
    struct session *s = session_create(the.endpoint, BADGE, false);
    the.session = handle_add(table(), &s->obj, RIGHT_ALL, 0, 0);
    the.id = session_open(s);
    object_put(&s->obj);
    the.thing = thing_new(OBJ_TIMER, &the.thing_last, &the.thing_gone);
    the.thing_handle = handle_add(table(), &the.thing->obj, RIGHT_ALL, 0, 0);
    for (uint8_t i = 0; i < EXPLORE_THREADS; i++)
        explore_thread(i)->priority = priorities[i];
}

static void check(void)
{
    (void)handle_close_in(table(), the.session);
    (void)handle_close_in(table(), the.ep);
    (void)handle_close_in(table(), the.thing_handle);
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        EXPLORE_EXPECT(explore_thread(i)->lent == 0);
    EXPLORE_EXPECT(prio_queue_empty(&the.endpoint->queue) && list_empty(&the.endpoint->received));
    EXPLORE_EXPECT(the.endpoint->obj.refs == 1 && ipc_message_count() == 0);
    object_put(&the.endpoint->obj);
    EXPLORE_EXPECT(the.thing->obj.refs == 1 && the.thing_last == 1);
    object_put(&the.thing->obj);
    EXPLORE_EXPECT(the.answered_twice == 0 && the.cancels <= 1);
}

static struct ipc_msg *begin(void)
{
    uintptr_t at;
    EXPLORE_EXPECT(msg_slot_make(&at) == OK);
    return current_thread()->msg->buf;
}
static void end(void)
{
    struct thread *t = current_thread();
    thread_ends(t);
    t->lent = 0; /* what is lent to it goes with it */
    memset(t->lenders, 0, sizeof t->lenders);
}

static void close_received(const struct ipc_msg *m)
{
    for (uint32_t i = 0; i < m->nhandles; i++)
        if (m->handles[i] > 0)
            EXPLORE_EXPECT(handle_close_in(table(), m->handles[i]) == OK);
}

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
    switch (the.call_result) {
    case OK:
        EXPLORE_EXPECT(m->len == 6 && !memcmp(m->data, "answer", 6));
        the.calls_ok++;
        close_received(m);
        break;
    case -ETIMEDOUT:
    case -EINTR:
    case -EPIPE:
    case -ECONNRESET:
    case -EBADF: break;
    default: explore_fail(__FILE__, __LINE__, "a result of ipc_call that it does not have");
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

static void kill_first(void)
{
    thread_notify(explore_thread(0), WORK_KILL);
}
static void upcall_first(void)
{
    thread_notify(explore_thread(0), WORK_UPCALL);
}
static void reset(void)
{
    endpoint_reset(the.endpoint);
}
static void revoke(void)
{
    status_t st = session_revoke(the.endpoint, the.id);
    EXPLORE_EXPECT(st == OK || st == -ENOENT);
}
static void close_session(void)
{
    EXPLORE_EXPECT(handle_close_in(table(), the.session) == OK);
}
static void close_endpoint(void)
{
    EXPLORE_EXPECT(handle_close_in(table(), the.ep) == OK);
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

static void raise_first(void)
{
    set_priority(explore_thread(0), 9);
}
static void lower_first(void)
{
    set_priority(explore_thread(0), 1);
}

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

/* The answer came, and the server knows that it did. */
static void check_answered(void)
{
    EXPLORE_EXPECT(the.calls_ok == 1 && the.answered == 1 && the.received == 1);
    check();
}
/* Withdrawn before the server had it, or answered. */
static void check_hasty(void)
{
    EXPLORE_EXPECT(the.call_result == OK ? the.answered == 1 && the.received == 1
                                         : the.received == 0);
    check();
}
/* Received calls are answered by the server, dead caller or not. */
static void check_killed(void)
{
    EXPLORE_EXPECT(the.call_result == OK ? the.answered == 1 : the.answered == 0);
    check();
}
/* The error tells whether the server had it. */
static void check_told(void)
{
    EXPLORE_EXPECT(the.call_result != -EPIPE || the.received == 0);
    EXPLORE_EXPECT(the.call_result != -EBADF || the.received == 0);
    EXPLORE_EXPECT(the.call_result != OK || the.answered == 1);
    check();
}
static void check_two(void)
{
    EXPLORE_EXPECT(the.calls_ok == the.answered && the.received == 2);
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
