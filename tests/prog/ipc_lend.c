/*
 * `test=ipc.lend`: a server is as important as who waits for it. Three threads on one processor: a server of low
 * priority, one of middle priority that never stops computing, and a client (the main thread) above both.
 */
#include <rugo/look.h>

#include "tests/prog/ipc_call.h"

enum { LOW = 1, MIDDLE = 3, ASK = 1, WORK = 2, NOTED = 100, STEPS = 2000000 };

static handle_t ep;
static uint64_t server_id, hog_turns, steps;
static uint32_t stop, held; /* held: the server goes no further than its first step */
static uint64_t noted[8];   /* numbers from NOTED on, in the order in which they were received */
static unsigned nnoted;

static uint64_t look(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void become(uint32_t priority)
{
    NEED(sys_thread_set_affinity(HANDLE_SELF, 1));
    NEED(sys_thread_set_priority(HANDLE_SELF, priority));
}

/* What counts for the server now. */
static uint32_t server_priority(void)
{
    struct thread_info t = { 0 };

    EXPECT(1, sys_process_threads(HANDLE_SELF, server_id - 1, &t, 1));
    EXPECT(server_id, t.id);
    return t.priority;
}

/* Answers with the priority it has then; WORK takes a while. Ends with the endpoint. */
static int server(void *arg)
{
    uint64_t token = 0, answer;

    (void)arg;
    (void)ipc_buffer();
    server_id = (uint64_t)sys_thread_self();
    become(LOW);
    while (sys_ipc_reply_recv(ep, token, 0, TIMEOUT_NEVER) == 0) {
        if (ipc_buffer()->len > 0 && number_in(ipc_buffer()) >= NOTED)
            noted[nnoted++] = number_in(ipc_buffer());
        if (ipc_buffer()->type != IPC_CALL) {
            token = 0;
            continue;
        }
        token = ipc_buffer()->token;
        if (number_in(ipc_buffer()) == WORK)
            while (look(&steps) < STEPS)
                if (look(&steps) == 0 || !__atomic_load_n(&held, __ATOMIC_RELAXED))
                    __atomic_fetch_add(&steps, 1, __ATOMIC_RELAXED);
        answer = server_priority();
        (void)message(answer);
    }
    return 0;
}

static int hog(void *arg)
{
    (void)arg;
    become(MIDDLE);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        __atomic_fetch_add(&hog_turns, 1, __ATOMIC_RELAXED);
    return 0;
}

static void start_hog(struct thread *t)
{
    stop = 0;
    hog_turns = 0;
    NEED(thread_start(t, hog, NULL, 0));
    while (look(&hog_turns) == 0)
        NEED(sys_thread_sleep(1 * MS));
}

static void stop_hog(struct thread *t)
{
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    NEED(thread_join(t, NULL));
}

/* The client's own call: what the server answers. */
static uint64_t ask(handle_t session, uint64_t number)
{
    (void)message(number);
    EXPECT(0, sys_ipc_call(session, 20000 * MS));
    return number_in(ipc_buffer());
}

/* A server that waits runs for its client at once, and is what it was when it has answered. */
static void lends_to_waiting(handle_t session)
{
    struct thread h;

    EXPECT(PRIORITY_DEFAULT, ask(session, ASK));
    start_hog(&h);
    for (int i = 0; i < 10; i++) {
        EXPECT(PRIORITY_DEFAULT, ask(session, ASK));
        EXPECT(LOW, server_priority());
    }
    stop_hog(&h);
}

static int low_client(void *arg)
{
    become(LOW);
    return do_call(arg);
}

/* A busy one finishes what it is at, also for a client of low priority, because a better one waits. */
static void lends_to_busy(handle_t session)
{
    struct caller low = { .session = session, .number = WORK, .timeout = TIMEOUT_NEVER };
    struct thread h;
    uint64_t before;

    steps = 0;
    held = 1;
    NEED(thread_start(&low.thread, low_client, &low, 0));
    while (look(&steps) == 0)
        NEED(sys_thread_sleep(1 * MS));
    start_hog(&h);
    __atomic_store_n(&held, 0, __ATOMIC_RELAXED);
    before = look(&steps);
    NEED(sys_thread_sleep(30 * MS));
    EXPECT(before, look(&steps)); /* it starves */
    EXPECT_TRUE(before < STEPS);
    EXPECT(PRIORITY_DEFAULT, ask(session, ASK));
    EXPECT(STEPS, look(&steps));
    EXPECT(LOW, server_priority());
    stop_hog(&h);
    EXPECT(0, end_call(&low));
}

/* A call that is withdrawn, or whose session ends, takes back what it lent. A new session. */
static handle_t takes_back(handle_t session, uint64_t id)
{
    struct caller low = { .session = session, .number = WORK, .timeout = TIMEOUT_NEVER };
    struct caller high = { .timeout = TIMEOUT_NEVER };

    steps = 0;
    held = 1;
    NEED(thread_start(&low.thread, low_client, &low, 0));
    while (look(&steps) == 0)
        NEED(sys_thread_sleep(1 * MS));
    struct thread h;
    start_hog(&h);
    (void)message(ASK);
    EXPECT(-ETIMEDOUT, sys_ipc_call(session, 1)); /* runs for a moment at most */
    EXPECT(LOW, server_priority());
    begin_call(&high, session, ASK);
    EXPECT(0, sys_session_revoke(ep, id));
    EXPECT(-EPIPE, end_call(&high));
    EXPECT(LOW, server_priority());
    __atomic_store_n(&held, 0, __ATOMIC_RELAXED);
    stop_hog(&h);
    EXPECT(0, end_call(&low)); /* received before */
    EXPECT(0, sys_handle_close(session));
    return new_session(ep, 1, 0, &id);
}

/* ---- who is received first ---- */

/* A client with a priority: sends so many one-way messages, then calls with another priority. */
struct client {
    struct caller caller;
    uint32_t priority, sends, calls_at;
    const uint32_t *gate; /* it calls when that is set; NULL: at once */
};

static int run_client(void *arg)
{
    struct client *c = arg;

    become(c->priority);
    for (uint32_t i = 0; i < c->sends; i++) {
        (void)message(c->caller.number + i);
        NEED(sys_ipc_send(c->caller.session, 0));
    }
    become(c->calls_at ? c->calls_at : c->priority);
    while (c->gate && !__atomic_load_n(c->gate, __ATOMIC_RELAXED))
        NEED(sys_thread_sleep(1 * MS));
    c->caller.number += c->sends;
    return do_call(&c->caller);
}

static struct thread_info info_of(uint64_t id)
{
    struct thread_info t = { 0 };

    EXPECT(1, sys_process_threads(HANDLE_SELF, id - 1, &t, 1));
    EXPECT(id, t.id);
    return t;
}

/* Until the thread waits for something, which here is an answer. */
static void wait_blocked(const struct thread *t)
{
    while (info_of(t->id).state != RUN_BLOCKED)
        NEED(sys_thread_sleep(1 * MS));
}

static void start_client(struct client *c, handle_t session, uint64_t number)
{
    c->caller.session = session;
    c->caller.number = number;
    c->caller.timeout = TIMEOUT_NEVER;
    NEED(thread_start(&c->caller.thread, run_client, c, 0));
    wait_blocked(&c->caller.thread);
}

/* The server works for a client of low priority, and goes on when it is let. */
static void hold_server(struct client *low, handle_t session)
{
    steps = 0;
    held = 1;
    nnoted = 0;
    low->priority = LOW;
    low->caller.session = session;
    low->caller.number = WORK;
    low->caller.timeout = TIMEOUT_NEVER;
    NEED(thread_start(&low->caller.thread, run_client, low, 0));
    while (look(&steps) == 0)
        NEED(sys_thread_sleep(1 * MS));
}

static void release_server(struct client *low)
{
    __atomic_store_n(&held, 0, __ATOMIC_RELAXED);
    EXPECT(0, end_call(&low->caller));
}

/* Of those that wait the most important is received first, of equals the one that came first. */
static void most_important_first(handle_t session)
{
    struct client low = { 0 }, first = { .priority = 2 }, second = { .priority = 2 };
    struct client late = { .priority = 4 };

    hold_server(&low, session);
    start_client(&first, session, NOTED);
    start_client(&second, session, NOTED + 1);
    start_client(&late, session, NOTED + 2);
    release_server(&low);
    EXPECT(0, end_call(&first.caller));
    EXPECT(0, end_call(&second.caller));
    EXPECT(0, end_call(&late.caller));
    EXPECT(3, nnoted);
    EXPECT(NOTED + 2, noted[0]);
    EXPECT(NOTED, noted[1]);
    EXPECT(NOTED + 1, noted[2]);
}

/* A call does not overtake what its thread has sent before; both pass who is less important. */
static void sends_stay_before(handle_t session)
{
    struct client low = { 0 }, other = { .priority = 3 };
    uint32_t gate = 0;
    struct client sender = { .priority = 2, .sends = 2, .calls_at = 4, .gate = &gate };

    hold_server(&low, session);
    start_client(&sender, session, NOTED + 1);
    while (info_of(sender.caller.thread.id).priority != 4)
        NEED(sys_thread_sleep(1 * MS));
    start_client(&other, session, NOTED);
    __atomic_store_n(&gate, 1, __ATOMIC_RELAXED);
    while (server_priority() != 4)
        NEED(sys_thread_sleep(1 * MS));
    release_server(&low);
    EXPECT(0, end_call(&other.caller));
    EXPECT(0, end_call(&sender.caller));
    EXPECT(4, nnoted);
    for (unsigned i = 0; i < 3; i++)
        EXPECT(NOTED + 1 + i, noted[i]);
    EXPECT(NOTED, noted[3]);
}

static handle_t ep_between; /* of a server that is a client of the other one */

static int between(void *arg)
{
    struct client *c = arg;

    (void)ipc_buffer();
    (void)receive(ep_between, IPC_SEND, 2);
    (void)run_client(c);
    uint64_t token = receive(ep_between, IPC_CALL, 2)->token;
    reply(ep_between, token, c->caller.number);
    return 0;
}

/* What is lent to a thread that waits in the queue of a server moves it forward there, and is lent on, and taken back. */
static void lends_on(handle_t session)
{
    struct client low = { 0 }, other = { .priority = 3 }, middle = { .priority = 2 };
    struct client high = { .priority = 5 };
    uint64_t id;

    ep_between = NEED_HANDLE(sys_endpoint_create(0));
    handle_t to_between = new_session(ep_between, 2, 0, &id);
    hold_server(&low, session);
    EXPECT(LOW, server_priority());
    middle.caller.session = session;
    middle.caller.number = NOTED + 1;
    middle.caller.timeout = TIMEOUT_NEVER;
    NEED(thread_start(&middle.caller.thread, between, &middle, 0));
    wait_blocked(&middle.caller.thread);
    (void)message(0);
    NEED(sys_ipc_send(to_between, 0));
    while (server_priority() != 2)
        NEED(sys_thread_sleep(1 * MS));
    start_client(&other, session, NOTED);
    EXPECT(3, server_priority());
    start_client(&high, to_between, ASK);
    while (server_priority() != 5)
        NEED(sys_thread_sleep(1 * MS));
    EXPECT(5, info_of(middle.caller.thread.id).priority);
    release_server(&low);
    EXPECT(0, end_call(&high.caller));
    EXPECT(0, end_call(&middle.caller));
    EXPECT(0, end_call(&other.caller));
    EXPECT(2, nnoted);
    EXPECT(NOTED + 1, noted[0]);
    EXPECT(NOTED, noted[1]);
    EXPECT(5, high.caller.number); /* what the server at the end had when it answered */
    EXPECT(LOW, server_priority());
    EXPECT(0, sys_handle_close(to_between));
    EXPECT(0, sys_handle_close(ep_between));
}

/* ---- a server with two threads ---- */

static handle_t pair_ep;
static uint64_t pair_id[2], pair_token;
static uint32_t pair_step; /* the next thing that one of the two does */

static void await_step(uint32_t n)
{
    while (__atomic_load_n(&pair_step, __ATOMIC_ACQUIRE) < n)
        NEED(sys_thread_sleep(1 * MS));
}

static void do_step(uint32_t n)
{
    __atomic_store_n(&pair_step, n, __ATOMIC_RELEASE);
}

/* The one that is busy: it receives a call, and ends without having answered it. */
static int first_of_two(void *arg)
{
    (void)arg;
    (void)ipc_buffer();
    pair_id[0] = (uint64_t)sys_thread_self();
    become(LOW);
    pair_token = receive(pair_ep, IPC_CALL, 1)->token;
    do_step(1);
    await_step(4);
    return 0;
}

/* The one that takes the next. */
static int second_of_two(void *arg)
{
    uint64_t token;

    (void)arg;
    (void)ipc_buffer();
    pair_id[1] = (uint64_t)sys_thread_self();
    become(LOW);
    await_step(2);
    token = receive(pair_ep, IPC_CALL, 1)->token;
    do_step(3);
    await_step(5);
    reply(pair_ep, token, 0);
    reply(pair_ep, pair_token, 0); /* for the other, who is gone */
    return 0;
}

static uint32_t priority_of(uint64_t thread)
{
    struct thread_info t = { 0 };

    if (sys_process_threads(HANDLE_SELF, thread - 1, &t, 1) != 1 || t.id != thread)
        return UINT32_MAX; /* gone */
    return t.priority;
}

/*
 * A call is lent to the thread that received last, as long as nobody has it, and then to the one that takes it. One that
 * ends takes nothing of what it was lent along.
 */
static void lends_to_taker(void)
{
    struct caller c[2] = { { .timeout = TIMEOUT_NEVER }, { .timeout = TIMEOUT_NEVER } };
    struct thread t[2];
    uint64_t id;

    pair_ep = NEED_HANDLE(sys_endpoint_create(0));
    handle_t session = new_session(pair_ep, 1, 0, &id);
    NEED(thread_start(&t[0], first_of_two, NULL, 0));
    NEED(thread_start(&t[1], second_of_two, NULL, 0));
    while (__atomic_load_n(&pair_id[1], __ATOMIC_ACQUIRE) == 0 || priority_of(pair_id[1]) != LOW)
        NEED(sys_thread_sleep(1 * MS));
    begin_call(&c[0], session, 1);
    await_step(1);
    EXPECT(PRIORITY_DEFAULT, priority_of(pair_id[0]));
    begin_call(&c[1], session, 2);
    NEED(sys_thread_sleep(5 * MS));
    EXPECT(PRIORITY_DEFAULT, priority_of(pair_id[0]));
    EXPECT(LOW, priority_of(pair_id[1]));
    do_step(2);
    await_step(3);
    EXPECT(PRIORITY_DEFAULT, priority_of(pair_id[0])); /* by the first call */
    EXPECT(PRIORITY_DEFAULT, priority_of(pair_id[1]));
    do_step(4);
    NEED(thread_join(&t[0], NULL));
    while (priority_of(pair_id[0]) !=
           UINT32_MAX) /* joined when it has left its stack, gone a little later */
        NEED(sys_yield());
    do_step(5);
    NEED(thread_join(&t[1], NULL));
    for (int i = 0; i < 2; i++)
        EXPECT(0, end_call(&c[i]));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(pair_ep));
}

int main(void)
{
    struct thread t;
    uint64_t id;

    ep = NEED_HANDLE(sys_endpoint_create(0));
    handle_t session = new_session(ep, 1, 0, &id);
    NEED(sys_thread_set_affinity(HANDLE_SELF, 1));
    (void)ipc_buffer();
    NEED(thread_start(&t, server, NULL, 0));
    lends_to_waiting(session);
    lends_to_busy(session);
    session = takes_back(session, id);
    lends_to_taker();
    most_important_first(session);
    sends_stay_before(session);
    lends_on(session);
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
    NEED(thread_join(&t, NULL));
    test_mark("IPC: lending ok");
    return 0;
}
