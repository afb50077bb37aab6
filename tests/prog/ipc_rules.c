/*
 * `test=ipc.rules`: what abi/syscall.def promises about endpoints, sessions, messages and ports, one
 * function for each promise. Servers and clients are threads of this process, or children where one
 * of them has to die.
 */
#include "tests/prog/ipc_call.h"

/* ---- sending -------------------------------------------------------------------------------------- */

/* Each session has its own credit, and the last handle's end is the last event of the badge. */
static void credit_and_closed(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id1, id2;
    handle_t one = new_session(ep, 1, 0, &id1), two = new_session(ep, 2, 0, &id2), copy;

    EXPECT_TRUE(id1 != id2);
    for (uint64_t i = 0; i < IPC_SEND_CREDIT; i++) {
        (void)message(i);
        EXPECT(0, sys_ipc_send(one, IPC_NONBLOCK));
    }
    (void)message(99);
    EXPECT(-EAGAIN, sys_ipc_send(one, IPC_NONBLOCK));
    (void)message(100);
    EXPECT(0, sys_ipc_send(two, IPC_NONBLOCK));
    EXPECT(0, number_in(receive(ep, IPC_SEND, 1)));
    EXPECT(id1, ipc_buffer()->session);
    (void)message(IPC_SEND_CREDIT);
    EXPECT(0, sys_ipc_send(one, IPC_NONBLOCK));
    copy = NEED_HANDLE(sys_handle_dup(one, RIGHT_SEND, 0, 0));
    EXPECT(0, sys_handle_close(one));
    EXPECT(0, sys_handle_close(two));
    for (uint64_t i = 1; i < IPC_SEND_CREDIT; i++)
        EXPECT(i, number_in(receive(ep, IPC_SEND, 1)));
    EXPECT(100, number_in(receive(ep, IPC_SEND, 2)));
    EXPECT(IPC_SEND_CREDIT, number_in(receive(ep, IPC_SEND, 1)));
    EXPECT(id2, receive(ep, IPC_CLOSED, 2)->session);
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0)); /* `copy` keeps session 1 */
    EXPECT(0, sys_handle_close(copy));
    (void)receive(ep, IPC_CLOSED, 1);
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(0, sys_handle_close(ep));
}

/* Who may wait for credit does, until there is some, the session ends, or the endpoint does. */
struct sender {
    struct thread thread;
    handle_t session;
    int result;
};

static int send_one_more(void *arg)
{
    struct sender *s = arg;

    (void)message(100);
    s->result = sys_ipc_send(s->session, 0);
    return 0;
}

static int end_send(struct sender *s)
{
    NEED(thread_join(&s->thread, NULL));
    return s->result;
}

static void blocked_senders(void)
{
    enum { RECEIVED, REVOKED, CLOSED, ENDINGS };
    uint64_t id;

    for (int ending = RECEIVED; ending < ENDINGS; ending++) {
        handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
        struct sender s[2] = { { .session = new_session(ep, 1, 0, &id) } };

        s[1].session = s[0].session;
        for (uint64_t i = 0; i < IPC_SEND_CREDIT; i++) {
            (void)message(i);
            EXPECT(0, sys_ipc_send(s[0].session, IPC_NONBLOCK));
        }
        for (int i = 0; i < 2; i++)
            NEED(thread_start(&s[i].thread, send_one_more, &s[i], 0));
        NEED(sys_thread_sleep(5 * MS)); /* as a rule they sleep by then; it holds if they don't */
        if (ending == REVOKED)
            EXPECT(0, sys_session_revoke(ep, id));
        if (ending == CLOSED)
            EXPECT(0, sys_handle_close(ep));
        for (uint64_t i = 0; ending == RECEIVED && i < IPC_SEND_CREDIT + 2; i++)
            EXPECT(i < IPC_SEND_CREDIT ? i : 100, number_in(receive(ep, IPC_SEND, 1)));
        for (int i = 0; i < 2; i++)
            EXPECT(ending == RECEIVED ? 0 : -EPIPE, end_send(&s[i]));
        EXPECT(0, sys_handle_close(s[0].session));
        if (ending != CLOSED)
            EXPECT(0, sys_handle_close(ep));
    }
}

/* Handles are copied, or moved: then the sender's is gone when the receiver has his. */
static void handles_travel(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    handle_t session = new_session(ep, 1, 0, &id);
    handle_t moved = NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0));
    handle_t copied = NEED_HANDLE(sys_timer_create());
    struct ipc_msg *msg = message(1);

    msg->nhandles = 2;
    msg->handles[0] = moved;
    msg->handles[1] = copied;
    msg->move = 1;
    EXPECT(0, sys_ipc_send(session, 0));
    msg = receive(ep, IPC_SEND, 1);
    EXPECT(2, msg->nhandles);
    EXPECT(OBJ_SHM, NEED(sys_handle_info(msg->handles[0])) >> 32);
    EXPECT(OBJ_TIMER, NEED(sys_handle_info(msg->handles[1])) >> 32);
    EXPECT(-EBADF, sys_handle_info(moved));
    EXPECT_TRUE(sys_handle_info(copied) > 0);
    EXPECT(0, sys_handle_close(msg->handles[0]));
    EXPECT(0, sys_handle_close(msg->handles[1]));
    EXPECT(0, sys_handle_close(copied));
    EXPECT(0, sys_handle_close(session));
    (void)receive(ep, IPC_CLOSED, 1);
    EXPECT(0, sys_handle_close(ep));
}

/* A call that is withdrawn has moved nothing; one that is refused neither. */
static void nothing_moves_unreceived(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    handle_t session = new_session(ep, 1, 0, &id), timer = NEED_HANDLE(sys_timer_create());

    for (int i = 0; i < 2; i++) {
        struct ipc_msg *msg = message(1);

        msg->nhandles = 1;
        msg->handles[0] = timer;
        msg->move = 1;
        EXPECT(i == 0 ? -ETIMEDOUT : -EPIPE, sys_ipc_call(session, 10 * MS));
        EXPECT_TRUE(sys_handle_info(timer) > 0);
        if (i == 0)
            EXPECT(0, sys_handle_close(ep));
    }
    EXPECT(0, sys_handle_close(timer));
    EXPECT(0, sys_handle_close(session));
}

/*
 * A moved descriptor that its sender closed before the call was received, and whose number means something else by then:
 * the receiver gets what was sent, and the new one stays.
 */
static handle_t moved_fd;

static int call_with_moved(void *arg)
{
    struct caller *c = arg;
    struct ipc_msg *msg = message(c->number);

    msg->nhandles = 1;
    msg->handles[0] = moved_fd;
    msg->move = 1;
    c->result = sys_ipc_call(c->session, 10000 * MS);
    return 0;
}

static void moved_number_reused(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), timer = NEED_HANDLE(sys_timer_create());
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0));
    uint64_t id;
    struct caller c = { .session = new_session(ep, 1, 0, &id) };
    struct thread_info t;
    struct ipc_msg *msg;

    moved_fd = NEED_HANDLE(sys_handle_dup(timer, RIGHT_TRANSFER | RIGHT_WRITE, HANDLE_FD, 20));
    NEED(thread_start(&c.thread, call_with_moved, &c, 0));
    do /* until it waits in its call */
        (void)sys_yield();
    while (sys_process_threads(HANDLE_SELF, (uint64_t)sys_thread_self(), &t, 1) != 1 ||
           t.state != RUN_BLOCKED || t.call != SYS_ipc_call);
    EXPECT(0, sys_handle_close(moved_fd));
    EXPECT(moved_fd, sys_handle_dup(shm, RIGHT_READ, HANDLE_EXACT, moved_fd));
    msg = receive(ep, IPC_CALL, 1);
    EXPECT(1, msg->nhandles);
    EXPECT((int64_t)OBJ_TIMER << 32 | RIGHT_TRANSFER | RIGHT_WRITE,
           sys_handle_info(msg->handles[0]));
    EXPECT(0, sys_handle_close(msg->handles[0]));
    EXPECT((int64_t)OBJ_SHM << 32 | RIGHT_READ, sys_handle_info(moved_fd));
    reply(ep, msg->token, 0);
    EXPECT(0, end_call(&c));
    EXPECT(0, sys_handle_close(moved_fd));
    EXPECT(0, sys_handle_close(shm));
    EXPECT(0, sys_handle_close(timer));
    EXPECT(0, sys_handle_close(c.session));
    EXPECT(0, sys_handle_close(ep));
}

/* ---- calling ----------------------------------------------------------------------------------------- */

/* Answers in any order; a token is good once. */
static void answers_out_of_order(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token[3], number[3];
    handle_t session = new_session(ep, 5, 0, &id);
    struct caller callers[3] = { { .timeout = 0 } };

    for (uint64_t i = 0; i < 3; i++)
        begin_call(&callers[i], session, 10 + i);
    for (int i = 0; i < 3; i++) {
        number[i] = number_in(receive(ep, IPC_CALL, 5));
        token[i] = ipc_buffer()->token;
    }
    for (int i = 2; i >= 0; i--)
        reply(ep, token[i], number[i] * 2);
    for (uint64_t i = 0; i < 3; i++) {
        EXPECT(0, end_call(&callers[i]));
        EXPECT((10 + i) * 2, callers[i].number);
    }
    (void)message(0);
    EXPECT(-ESRCH, sys_ipc_reply(ep, token[0]));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

/* The server reads and writes the caller's buffers, at offsets, short at their ends. */
static void bulk_buffers(void)
{
    static char in[3 * PAGE_SIZE], out[3 * PAGE_SIZE], buf[4 * PAGE_SIZE];
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t session = new_session(ep, 1, 0, &id);
    struct caller c = {
        .in = in, .in_len = sizeof(in) - 1, .out = out, .out_len = sizeof(out) - 1
    };
    struct caller bad = {
        .in = (void *)8, .in_len = 100, .out = (void *)(uintptr_t)test_mark, .out_len = 8
    };
    struct caller endless = {
        .in = (void *)(UINTPTR_MAX - 10), .in_len = SIZE_MAX, .out = in, .out_len = SIZE_MAX
    };
    struct ipc_msg *msg;

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)(i * 31 / 7);
    begin_call(&c, session, 1);
    msg = receive(ep, IPC_CALL, 1);
    token = msg->token;
    EXPECT(0, msg->in_addr);
    EXPECT(0, msg->out_addr);
    EXPECT(sizeof(in) - 1, msg->in_len);
    EXPECT(sizeof(out) - 1, msg->out_len);
    EXPECT(sizeof(in) - 1, sys_msg_read(ep, token, 0, buf, sizeof(buf)));
    EXPECT(0, memcmp(buf, in, sizeof(in) - 1));
    EXPECT(1000, sys_msg_read(ep, token, 4000, buf, 1000));
    EXPECT(0, memcmp(buf, in + 4000, 1000));
    EXPECT(0, sys_msg_read(ep, token, sizeof(in), buf, 10));
    EXPECT(0, sys_msg_read(ep, token, UINT64_MAX, buf, 10));
    EXPECT(-EFAULT, sys_msg_read(ep, token, 0, (void *)8, 10));
    EXPECT(6000, sys_msg_write(ep, token, 500, in, 6000));
    EXPECT(4, sys_msg_write(ep, token, sizeof(out) - 5, in, 100));
    reply(ep, token, 0);
    EXPECT(0, end_call(&c));
    EXPECT(0, memcmp(out + 500, in, 6000));
    EXPECT(0, memcmp(out + sizeof(out) - 5, in, 4));
    EXPECT(0, out[499] | out[6500] | out[sizeof(out) - 1]);

    begin_call(&bad, session, 1); /* the caller's fault, told to the server as such */
    token = receive(ep, IPC_CALL, 1)->token;
    EXPECT(-EREMOTEIO, sys_msg_read(ep, token, 0, buf, 10));
    EXPECT(-EREMOTEIO, sys_msg_write(ep, token, 0, buf, 8));
    reply(ep, token, 0);
    EXPECT(0, end_call(&bad));

    begin_call(&endless, session, 1); /* buffers that leave the address space */
    token = receive(ep, IPC_CALL, 1)->token;
    EXPECT(-EREMOTEIO, sys_msg_read(ep, token, 0, buf, 10));
    EXPECT(-EREMOTEIO, sys_msg_read(ep, token, 100, buf, 10));
    EXPECT(-EREMOTEIO, sys_msg_write(ep, token, USER_MAX, buf, 10));
    EXPECT(-EREMOTEIO, sys_msg_write(ep, token, SIZE_MAX - 20, buf, 10));
    EXPECT(0, sys_msg_write(ep, token, SIZE_MAX, buf, 10));
    EXPECT(0, sys_msg_read(ep, token, 0, buf, 0));
    reply(ep, token, 0);
    EXPECT(0, end_call(&endless));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

/* A time-out before receipt withdraws the call, after receipt the server hears of it and must answer. */
static void cancelled_calls(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t session = new_session(ep, 9, 0, &id);
    struct caller c = { .timeout = 20 * MS };

    begin_call(&c, session, 1);
    EXPECT(-ETIMEDOUT, end_call(&c));
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    c.timeout = 100 * MS;
    begin_call(&c, session, 1);
    token = receive(ep, IPC_CALL, 9)->token;
    EXPECT(token, receive(ep, IPC_CANCEL, 9)->token);
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0)); /* told once */
    reply(ep, token, 77);
    EXPECT(0, end_call(&c));
    EXPECT(77, c.number);
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

/* ---- the end of a server ------------------------------------------------------------------------------ */

/* endpoint_reset: kept sessions stay, calls not yet received wait, received ones are lost. */
static void reset(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t kept = new_session(ep, 1, SESSION_KEEP, &id), other = new_session(ep, 2, 0, &id);
    struct caller received = { .timeout = 0 }, waiting = { .timeout = 0 };

    begin_call(&received, kept, 1);
    token = receive(ep, IPC_CALL, 1)->token;
    begin_call(&waiting, kept, 2);
    NEED(sys_thread_sleep(20 * MS));
    EXPECT(0, sys_endpoint_reset(ep));
    EXPECT(-ECONNRESET, end_call(&received));
    (void)message(0);
    EXPECT(-ESRCH, sys_ipc_reply(ep, token));
    (void)message(0);
    EXPECT(-EPIPE, sys_ipc_call(other, 1000 * MS));
    EXPECT(2, number_in(receive(ep, IPC_CALL, 1)));
    reply(ep, ipc_buffer()->token, 3);
    EXPECT(0, end_call(&waiting));
    EXPECT(3, waiting.number);
    EXPECT(0, sys_handle_close(kept));
    EXPECT(0, sys_handle_close(other));
    EXPECT(0, sys_handle_close(ep));
}

/* Of many sessions those that are kept stay, wherever they are among the others, if they have a client still. */
static void reset_many(void)
{
    enum { MANY = 100 };
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), session[MANY];
    uint64_t id[MANY];

    for (int i = 0; i < MANY; i++)
        session[i] = new_session(ep, (uint64_t)i, i % 3 || i > 60 ? SESSION_KEEP : 0, &id[i]);
    for (int i = 1; i < MANY; i += 7) { /* clients that are gone, and that nobody was told of yet */
        EXPECT(0, sys_handle_close(session[i]));
        session[i] = HANDLE_NONE;
    }
    EXPECT(0, sys_endpoint_reset(ep));
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    for (int i = 0; i < MANY; i++) {
        bool kept = (i % 3 || i > 60) && session[i] != HANDLE_NONE;

        EXPECT(kept ? 0 : -ENOENT, sys_session_signal(ep, id[i], 0, EV_USER0));
        if (session[i] != HANDLE_NONE) {
            (void)message((uint64_t)i);
            EXPECT(kept ? 0 : -EPIPE, sys_ipc_send(session[i], IPC_NONBLOCK));
            EXPECT(0, sys_handle_close(session[i]));
        }
        if (kept) {
            EXPECT(i, number_in(receive(ep, IPC_SEND, (uint64_t)i)));
            (void)receive(ep, IPC_CLOSED, (uint64_t)i);
        }
    }
    EXPECT(0, sys_handle_close(ep));
}

/* Sessions that come while others are ended by a reset: what comes later stays, and no reference is lost (main()). */
static uint32_t resets;

static int make_sessions(void *arg)
{
    handle_t ep = *(handle_t *)arg;
    uint64_t id;

    for (uint32_t before = 0; before < 20;) {
        handle_t s = new_session(ep, 0, 0, &id);

        before = __atomic_load_n(&resets, __ATOMIC_ACQUIRE);
        EXPECT_TRUE(sys_session_signal(ep, id, 0, EV_USER0) == 0 ||
                    sys_session_signal(ep, id, 0, EV_USER0) == -ENOENT);
        EXPECT(0, sys_handle_close(s));
    }
    return 0;
}

static void reset_meanwhile(void)
{
    enum { KEPT = 40 };
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), kept[KEPT];
    struct thread t;
    uint64_t id[KEPT];

    for (int i = 0; i < KEPT; i++)
        kept[i] = new_session(ep, 1, SESSION_KEEP, &id[i]);
    resets = 0;
    NEED(thread_start(&t, make_sessions, &ep, 0));
    while (resets < 20) {
        EXPECT(0, sys_endpoint_reset(ep));
        __atomic_add_fetch(&resets, 1, __ATOMIC_RELEASE);
        (void)sys_yield();
    }
    NEED(thread_join(&t, NULL));
    for (int i = 0; i < KEPT; i++) {
        EXPECT(0, sys_session_signal(ep, id[i], 0, EV_USER0));
        EXPECT(0, sys_handle_close(kept[i]));
    }
    EXPECT(0, sys_handle_close(ep));
}

/* Without RIGHT_OWN no session can be made that survives a reset. */
static void keep_needs_own(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    handle_t lent = NEED_HANDLE(sys_handle_dup(ep, RIGHT_RECV, 0, 0));
    uint64_t id;

    EXPECT(-EACCES, sys_session_create(lent, 1, SESSION_KEEP, &id));
    EXPECT(-EACCES, sys_endpoint_reset(lent));
    EXPECT(0, sys_handle_close(new_session(lent, 1, 0, &id)));
    EXPECT(0, sys_handle_close(lent));
    EXPECT(0, sys_handle_close(ep));
}

/* The last handle of an endpoint closes: who waits there hears it, received or not. */
static void closed_endpoint(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    handle_t session = new_session(ep, 1, 0, &id);
    struct caller received = { .timeout = 0 }, waiting = { .timeout = 0 };

    begin_call(&received, session, 1);
    (void)receive(ep, IPC_CALL, 1);
    begin_call(&waiting, session, 2);
    NEED(sys_thread_sleep(20 * MS));
    EXPECT(0, sys_handle_close(ep));
    EXPECT(-ECONNRESET, end_call(&received));
    EXPECT(-EPIPE, end_call(&waiting));
    EXPECT(0, sys_handle_close(session));
}

/* A revoked session: its calls fail, its waiters see EV_HUP, others don't notice. */
static void revoked_session(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), port = NEED_HANDLE(sys_port_create());
    uint64_t id, other_id;
    handle_t session = new_session(ep, 1, 0, &id), other = new_session(ep, 2, 0, &other_id);
    struct port_event event;

    EXPECT(0, sys_port_add(port, session, EV_HUP, 7));
    (void)message(5);
    EXPECT(0, sys_ipc_send(session, 0));
    EXPECT(0, sys_session_revoke(ep, id));
    EXPECT(1, sys_port_wait(port, &event, 1, 1000 * MS));
    EXPECT(7, event.token);
    EXPECT_TRUE(event.events & EV_HUP);
    (void)message(0);
    EXPECT(-EPIPE, sys_ipc_call(session, 1000 * MS));
    (void)message(6);
    EXPECT(0, sys_ipc_send(other, 0));
    EXPECT(6, number_in(receive(ep, IPC_SEND, 2)));
    EXPECT(-ENOENT, sys_session_signal(ep, id, 0, EV_READABLE));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(other));
    EXPECT(0, sys_handle_close(port));
    EXPECT(0, sys_handle_close(ep));
}

/* A session whose last handle is gone already, of which the server is yet to be told: it is not told any more. */
static void revoked_when_closed(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;

    EXPECT(0, sys_handle_close(new_session(ep, 1, 0, &id)));
    EXPECT(0, sys_session_revoke(ep, id));
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(-ENOENT, sys_session_revoke(ep, id));
    EXPECT(0, sys_handle_close(ep));
}

/* ---- ports ------------------------------------------------------------------------------------------- */

/* Bits of a session: an edge each time one is set, also when it was set before; none for cleared ones. */
static void session_bits(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), port = NEED_HANDLE(sys_port_create());
    uint64_t id;
    handle_t session = new_session(ep, 1, 0, &id);
    struct port_event event;

    EXPECT(0, sys_session_signal(ep, id, 0, EV_READABLE));
    EXPECT(0, sys_port_add(port, session, EV_READABLE | EV_USER0, UINT64_MAX));
    EXPECT(1, sys_port_wait(port, &event, 1, 0)); /* it was set already */
    EXPECT(UINT64_MAX, event.token);
    EXPECT(EV_READABLE, event.events);
    EXPECT(0, sys_port_wait(port, &event, 1, 0));
    EXPECT(0, sys_session_signal(ep, id, 0, EV_READABLE));
    EXPECT(0, sys_session_signal(ep, id, 0, EV_USER0));
    EXPECT(1, sys_port_wait(port, &event, 1, 0)); /* one event, both bits */
    EXPECT_TRUE(event.events & EV_USER0);
    EXPECT(0, sys_session_signal(ep, id, EV_READABLE | EV_USER0, 0));
    EXPECT(0, sys_session_signal(ep, id, 0, EV_USER1));
    EXPECT(0, sys_port_wait(port, &event, 1, 0)); /* not asked for */
    EXPECT(0, sys_session_signal(ep, id, 0, EV_READABLE));
    EXPECT(0, sys_handle_close(session)); /* takes the registration with it */
    EXPECT(0, sys_port_wait(port, &event, 1, 0));
    EXPECT(0, sys_handle_close(port));
    EXPECT(0, sys_handle_close(ep));
}

/* An endpoint is readable with each message that comes. */
static void endpoint_edges(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), port = NEED_HANDLE(sys_port_create());
    uint64_t id;
    handle_t session = new_session(ep, 1, 0, &id);
    struct port_event event;

    EXPECT(0, sys_port_add(port, ep, EV_READABLE, 3));
    EXPECT(0, sys_port_wait(port, &event, 1, 0));
    for (uint64_t i = 0; i < 3; i++) {
        (void)message(i);
        EXPECT(0, sys_ipc_send(session, 0));
        EXPECT(1, sys_port_wait(port, &event, 1, 1000 * MS));
        EXPECT(3, event.token);
    }
    for (uint64_t i = 0; i < 3; i++)
        EXPECT(i, number_in(receive(ep, IPC_SEND, 1)));
    EXPECT(0, sys_handle_close(session));
    EXPECT(1, sys_port_wait(port, &event, 1, 1000 * MS));
    (void)receive(ep, IPC_CLOSED, 1);
    EXPECT(0, sys_handle_close(port));
    EXPECT(0, sys_handle_close(ep));
}

/* ---- other processes ------------------------------------------------------------------------------------ */

/* A child that receives a call and dies with it, or makes a call and waits. */
static int be_child(const char *what)
{
    (void)ipc_buffer();
    if (strcmp(what, "server") == 0) {
        NEED(sys_ipc_recv(start_handle(START_ENDPOINT), 0, 5000 * MS));
        _Exit(3);
    }
    (void)message(8);
    (void)sys_ipc_call(start_handle(START_NAMES), TIMEOUT_NEVER);
    return 4;
}

static handle_t child(const char *what, uint32_t kind, handle_t h)
{
    char *argv[] = { "ipc_rules", (char *)what, NULL };
    struct spawn_handle more = { kind, h, RIGHT_SAME };

    return test_spawn("test/ipc_rules", argv, &more, 1);
}

/* A server's death with a call in its hands: ECONNRESET. The next call finds nobody: EPIPE. */
static void server_dies(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    handle_t session = new_session(ep, 1, 0, &id);
    handle_t lent = NEED_HANDLE(sys_handle_dup(ep, RIGHT_RECV | RIGHT_TRANSFER, 0, 0));
    handle_t proc = child("server", START_ENDPOINT, lent);

    EXPECT(0, sys_handle_close(lent));
    EXPECT(0, sys_handle_close(ep));
    (void)message(1);
    EXPECT(-ECONNRESET, sys_ipc_call(session, 10000 * MS));
    EXPECT(3 << 8, test_wait(proc));
    (void)message(1);
    EXPECT(-EPIPE, sys_ipc_call(session, 1000 * MS));
    EXPECT(0, sys_handle_close(session));
}

/* A client killed in its call: the token is void, and with its last handle the session closes. */
static void client_killed(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t session = new_session(ep, 4, 0, &id);
    handle_t proc = child("client", START_NAMES, session);

    EXPECT(0, sys_handle_close(session));
    EXPECT(8, number_in(receive(ep, IPC_CALL, 4)));
    token = ipc_buffer()->token;
    EXPECT(0, sys_process_kill(proc, 9));
    EXPECT(9, test_wait(proc));
    (void)message(0); /* nobody hears it, and the next event comes all the same */
    EXPECT(0, sys_ipc_reply_recv(ep, token, 0, 5000 * MS));
    EXPECT(IPC_CLOSED, ipc_buffer()->type);
    EXPECT(4, ipc_buffer()->badge);
    (void)message(0);
    EXPECT(-ESRCH, sys_ipc_reply(ep, token));
    EXPECT(0, sys_handle_close(ep));
}

int main(int argc, char **argv)
{
    struct process_info before, after;

    if (argc > 1)
        return be_child(argv[1]);
    (void)ipc_buffer();
    NEED(sys_process_info(HANDLE_SELF, &before));
    credit_and_closed();
    blocked_senders();
    handles_travel();
    nothing_moves_unreceived();
    moved_number_reused();
    answers_out_of_order();
    bulk_buffers();
    cancelled_calls();
    reset();
    reset_many();
    reset_meanwhile();
    keep_needs_own();
    closed_endpoint();
    revoked_session();
    revoked_when_closed();
    session_bits();
    endpoint_edges();
    server_dies();
    client_killed();
    NEED(sys_process_info(HANDLE_SELF, &after));
    EXPECT(before.handles, after.handles);
    test_mark("IPC: rules ok");
    return 0;
}
