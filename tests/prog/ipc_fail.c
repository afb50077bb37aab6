/*
 * `test=ipc.fail`: the ways a call goes wrong, and what each side hears of it: clients killed before and after receipt,
 * memory that is not there, servers that stop, answers by another thread.
 */
#include "tests/prog/ipc_call.h"
#include "tests/prog/stress.h"

enum { CROWD = 70, GHOSTS_MAX = 64 }; /* the second: as in kernel/ipc/endpoint.c */

/* ---- children ----------------------------------------------------------------------------------- */

/* Calls from n threads that offer memory, and never returns by itself. */
static int be_client(size_t n)
{
    static struct caller callers[CROWD];
    static char memory[PAGE_SIZE];

    for (size_t i = 0; i < n; i++) {
        callers[i].in = callers[i].out = memory;
        callers[i].in_len = callers[i].out_len = sizeof(memory);
        callers[i].timeout = TIMEOUT_NEVER;
        begin_call(&callers[i], start_handle(START_NAMES), i);
    }
    for (size_t i = 0; i < n; i++)
        (void)end_call(&callers[i]);
    return 4;
}

/* Calls with as many handles as a message takes, all to move, and gets as many back unless the server says -1. */
static int be_giver(void)
{
    struct ipc_msg *msg = message(1);
    handle_t mine[IPC_HANDLE_MAX];

    for (int i = 0; i < IPC_HANDLE_MAX; i++)
        msg->handles[i] = mine[i] = NEED_HANDLE(sys_timer_create());
    msg->nhandles = IPC_HANDLE_MAX;
    msg->move = (1u << IPC_HANDLE_MAX) - 1;
    EXPECT(0, sys_ipc_call(start_handle(START_NAMES), TIMEOUT_NEVER));
    for (int i = 0; i < IPC_HANDLE_MAX; i++)
        EXPECT(-EBADF, sys_handle_info(mine[i]));
    if (number_in(msg) == UINT64_MAX)
        EXPECT(0, msg->nhandles);
    else
        EXPECT(IPC_HANDLE_MAX, msg->nhandles);
    for (uint32_t i = 0; i < msg->nhandles; i++) {
        EXPECT(OBJ_SHM, NEED(sys_handle_info(msg->handles[i])) >> 32);
        EXPECT(0, sys_handle_close(msg->handles[i]));
    }
    return 0;
}

static handle_t child(const char *what, handle_t session)
{
    char *argv[] = { "ipc_fail", (char *)what, NULL };
    struct spawn_handle more = { START_NAMES, session, RIGHT_SAME };

    return test_spawn("test/ipc_fail", argv, &more, 1);
}

static handle_t client(size_t threads, handle_t session)
{
    char number[8];

    snprintf(number, sizeof(number), "%d", (int)threads);
    return child(number, session);
}

static void kill_client(handle_t proc)
{
    EXPECT(0, sys_process_kill(proc, 9));
    EXPECT(9, test_wait(proc));
}

/* ---- the client's end --------------------------------------------------------------------------- */

/* Received calls of a killed client are cancelled; what the server says to them reaches nobody. */
static void killed_after_receipt(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), shm = NEED_HANDLE(sys_shm_create(1, 0));
    uint64_t id, token, byte = 0;
    handle_t session = new_session(ep, 4, 0, &id), proc = client(1, session);

    EXPECT(0, sys_handle_close(session));
    token = receive(ep, IPC_CALL, 4)->token;
    EXPECT(1, sys_msg_read(ep, token, 0, &byte, 1));
    kill_client(proc);
    EXPECT(token, receive(ep, IPC_CANCEL, 4)->token);
    EXPECT(-ESRCH, sys_msg_read(ep, token, 0, &byte, 1));
    EXPECT(-ESRCH, sys_msg_write(ep, token, 0, &byte, 1));
    struct ipc_msg *msg = message(0);
    msg->nhandles = msg->move = 1;
    msg->handles[0] = shm;
    EXPECT(-ESRCH, sys_ipc_reply(ep, token));
    EXPECT(0, sys_handle_close(shm)); /* not moved */
    (void)message(0);
    EXPECT(-ESRCH, sys_ipc_reply(ep, token));
    (void)receive(ep, IPC_CLOSED, 4);
    EXPECT(0, sys_handle_close(ep));
}

/* An answer that comes before the cancellation is read takes it back. */
static void killed_and_answered(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t session = new_session(ep, 4, 0, &id), proc = client(1, session);

    EXPECT(0, sys_handle_close(session));
    token = receive(ep, IPC_CALL, 4)->token;
    kill_client(proc);
    (void)message(0);
    EXPECT(-ESRCH, sys_ipc_reply(ep, token));
    (void)receive(ep, IPC_CLOSED, 4);
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(0, sys_handle_close(ep));
}

/* Of a call that nobody received nothing is left. */
static void killed_before_receipt(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), port = NEED_HANDLE(sys_port_create());
    uint64_t id;
    struct port_event event;
    handle_t session = new_session(ep, 4, 0, &id), proc;

    EXPECT(0, sys_port_add(port, ep, EV_READABLE, 1));
    proc = client(1, session);
    EXPECT(0, sys_handle_close(session));
    EXPECT(1, sys_port_wait(port, &event, 1, 10000 * MS)); /* it is in the queue */
    kill_client(proc);
    (void)receive(ep, IPC_CLOSED, 4);
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(0, sys_handle_close(port));
    EXPECT(0, sys_handle_close(ep));
}

/* How the server's duty to answer the dead ends without an answer. */
enum ending { BY_CLOSED, BY_REVOKE, BY_RESET, BY_CLOSE };

static void killed_crowd(enum ending ending)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token = 0;
    handle_t session = new_session(ep, 4, 0, &id), proc = client(CROWD, session);

    for (int i = 0; i < CROWD; i++)
        token = receive(ep, IPC_CALL, 4)->token;
    kill_client(proc);
    for (int i = 0; i < GHOSTS_MAX / 2; i++)
        (void)receive(ep, IPC_CANCEL, 4);
    if (ending == BY_CLOSED) {
        EXPECT(0, sys_handle_close(session));
        for (int i = 0; i < GHOSTS_MAX / 2; i++)
            (void)receive(ep, IPC_CANCEL, 4);
        (void)receive(ep, IPC_CLOSED, 4);
    } else if (ending == BY_REVOKE) {
        EXPECT(0, sys_session_revoke(ep, id));
    } else if (ending == BY_RESET) {
        EXPECT(0, sys_endpoint_reset(ep));
    } else {
        EXPECT(0, sys_handle_close(ep));
    }
    if (ending != BY_CLOSED)
        EXPECT(0, sys_handle_close(session));
    (void)message(0);
    EXPECT(ending == BY_CLOSE ? -EBADF : -ESRCH, sys_ipc_reply(ep, token));
    if (ending != BY_CLOSE) {
        EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
        EXPECT(0, sys_handle_close(ep));
    }
}

/* ---- handles ------------------------------------------------------------------------------------ */

/* Eight handles move with a call, and eight others with its answer. */
static void eight_move(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t session = new_session(ep, 1, 0, &id), proc = child("give", session);
    struct ipc_msg *msg = receive(ep, IPC_CALL, 1);
    handle_t mine[IPC_HANDLE_MAX];

    token = msg->token;
    EXPECT(IPC_HANDLE_MAX, msg->nhandles);
    for (int i = 0; i < IPC_HANDLE_MAX; i++) {
        EXPECT(OBJ_TIMER, NEED(sys_handle_info(msg->handles[i])) >> 32);
        EXPECT(0, sys_handle_close(msg->handles[i]));
    }
    (void)message(2);
    for (int i = 0; i < IPC_HANDLE_MAX; i++)
        msg->handles[i] = mine[i] = NEED_HANDLE(sys_shm_create(1, 0));
    msg->nhandles = IPC_HANDLE_MAX;
    msg->move = (1u << IPC_HANDLE_MAX) - 1;
    EXPECT(0, sys_ipc_reply(ep, token));
    for (int i = 0; i < IPC_HANDLE_MAX; i++)
        EXPECT(-EBADF, sys_handle_info(mine[i]));
    EXPECT(0, test_wait(proc));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

/* Handles that find no room at the receiver are let go of; the message comes all the same. */
static void full_table(void)
{
    static handle_t copies[1 << 15];
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), h;
    uint64_t id, token;
    handle_t session = new_session(ep, 1, 0, &id), proc = child("give", session);
    struct ipc_msg *msg = ipc_buffer();
    size_t n = 0;

    while ((h = sys_handle_dup(session, RIGHT_DUP, 0, 0)) >= 0)
        copies[n++] = h;
    EXPECT(-EMFILE, h);
    EXPECT(0, sys_handle_close(copies[--n])); /* room for one */
    msg = receive(ep, IPC_CALL, 1);
    token = msg->token;
    EXPECT(IPC_HANDLE_MAX, msg->nhandles);
    EXPECT(OBJ_TIMER, NEED(sys_handle_info(msg->handles[0])) >> 32);
    for (int i = 1; i < IPC_HANDLE_MAX; i++)
        EXPECT(-EMFILE, msg->handles[i]);
    EXPECT(0, sys_handle_close(msg->handles[0]));
    reply(ep, token, UINT64_MAX);
    while (n > 0)
        EXPECT(0, sys_handle_close(copies[--n]));
    EXPECT(0, test_wait(proc));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

/* ---- tokens ------------------------------------------------------------------------------------- */

struct answer {
    handle_t ep;
    uint64_t token;
};

static int answer_elsewhere(void *arg)
{
    const struct answer *a = arg;

    reply(a->ep, a->token, 12);
    return 0;
}

/* Any thread may answer, through any handle with RECV to the endpoint that got the call; no other endpoint will do. */
static void answers_by_others(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), other = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    handle_t session = new_session(ep, 1, 0, &id);
    struct answer a = { .ep = NEED_HANDLE(sys_handle_dup(ep, RIGHT_RECV, 0, 0)) };
    struct caller c = { .timeout = 0 };
    struct thread t;

    begin_call(&c, session, 1);
    a.token = receive(ep, IPC_CALL, 1)->token;
    (void)message(0);
    EXPECT(-ESRCH, sys_ipc_reply(other, a.token));
    EXPECT(-ESRCH, sys_ipc_reply(ep, a.token + 1));
    EXPECT(-ESRCH, sys_ipc_reply(ep, a.token ^ (UINT64_C(1) << 30)));
    EXPECT(-ESRCH, sys_ipc_reply(ep, UINT64_MAX));
    EXPECT(-ESRCH, sys_msg_read(other, a.token, 0, &id, 1));
    NEED(thread_start(&t, answer_elsewhere, &a, 0));
    NEED(thread_join(&t, NULL));
    EXPECT(0, end_call(&c));
    EXPECT(12, c.number);
    EXPECT(-EAGAIN, sys_ipc_reply_recv(ep, a.token, IPC_NONBLOCK,
                                       0)); /* a stale token is not reported there */
    EXPECT(-ETIMEDOUT, sys_ipc_reply_recv(ep, a.token, 0, 1 * MS));
    EXPECT(0, sys_handle_close(a.ep));
    EXPECT(0, sys_handle_close(other));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

/* ---- bulk data ---------------------------------------------------------------------------------- */

/* Memory that can't be written, or is not there in the middle; and the server's own. */
static void bad_memory(void)
{
    enum { SIZE = 3 * PAGE_SIZE };
    static char buf[SIZE];
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t session = new_session(ep, 1, 0, &id);
    char *at = (char *)(uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, SIZE, VM_READ | VM_WRITE, 0));
    struct caller c = { .in = at, .in_len = SIZE, .out = at, .out_len = SIZE };

    memset(at, 'x', SIZE);
    memset(buf, 0, SIZE);
    NEED(sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE, VM_READ));
    begin_call(&c, session, 1);
    token = receive(ep, IPC_CALL, 1)->token;
    EXPECT(-EREMOTEIO, sys_msg_write(ep, token, 0, buf, SIZE));
    EXPECT(PAGE_SIZE, sys_msg_write(ep, token, PAGE_SIZE, buf, PAGE_SIZE));
    EXPECT(SIZE, sys_msg_read(ep, token, 0, buf, SIZE));
    EXPECT('x', buf[0]);
    EXPECT(0, buf[PAGE_SIZE]);
    NEED(sys_vm_unmap(HANDLE_SELF, (uintptr_t)at + PAGE_SIZE, PAGE_SIZE));
    EXPECT(-EREMOTEIO, sys_msg_read(ep, token, 0, buf, SIZE));
    EXPECT(PAGE_SIZE, sys_msg_read(ep, token, 0, buf, PAGE_SIZE));
    EXPECT(-EREMOTEIO, sys_msg_write(ep, token, PAGE_SIZE - 1, buf, 2));
    EXPECT(-EFAULT, sys_msg_read(ep, token, 0, at + PAGE_SIZE, 10));
    EXPECT(-EFAULT, sys_msg_write(ep, token, 2 * PAGE_SIZE, at + 2 * PAGE_SIZE - 8, 16));
    EXPECT(0, sys_msg_write(ep, token, SIZE, buf, 1));
    reply(ep, token, 0);
    EXPECT(0, end_call(&c));
    NEED(sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, SIZE));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

struct flapper {
    struct thread thread;
    uintptr_t at;
    uint32_t stop;
};

static int flap(void *arg)
{
    struct flapper *f = arg;

    while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
        NEED(sys_vm_unmap(HANDLE_SELF, f->at, PAGE_SIZE));
        NEED(sys_vm_map(HANDLE_SELF, f->at, PAGE_SIZE, VM_READ | VM_WRITE, VM_FIXED));
    }
    return 0;
}

/* The caller's memory comes and goes while it is copied. */
static void flapping_memory(void)
{
    enum { SIZE = 4 * PAGE_SIZE };
    static char buf[SIZE];
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t session = new_session(ep, 1, 0, &id);
    uintptr_t at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, SIZE, VM_READ | VM_WRITE, 0));
    struct caller c = { .in = (void *)at, .in_len = SIZE, .out = (void *)at, .out_len = SIZE };
    struct flapper f = { .at = at + PAGE_SIZE };

    begin_call(&c, session, 1);
    token = receive(ep, IPC_CALL, 1)->token;
    NEED(thread_start(&f.thread, flap, &f, 0));
    for (int i = 0; i < 300; i++) {
        int64_t n =
            i & 1 ? sys_msg_read(ep, token, 0, buf, SIZE) : sys_msg_write(ep, token, 0, buf, SIZE);

        EXPECT_TRUE(n == SIZE || n == -EREMOTEIO);
    }
    __atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
    NEED(thread_join(&f.thread, NULL));
    reply(ep, token, 0);
    EXPECT(0, end_call(&c));
    NEED(sys_vm_unmap(HANDLE_SELF, at, SIZE));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

/* ---- the session's end -------------------------------------------------------------------------- */

/* Revoked: a call in the queue was never received, one that was received goes on. */
static void revoked_calls(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id, token;
    handle_t session = new_session(ep, 1, 0, &id);
    struct caller received = { .timeout = TIMEOUT_NEVER }, queued = { .timeout = TIMEOUT_NEVER };
    handle_t port = NEED_HANDLE(sys_port_create());
    struct port_event event;

    begin_call(&received, session, 1);
    token = receive(ep, IPC_CALL, 1)->token;
    EXPECT(0, sys_port_add(port, ep, EV_READABLE, 1));
    begin_call(&queued, session, 2);
    EXPECT(1, sys_port_wait(port, &event, 1, 10000 * MS));
    EXPECT(0, sys_session_revoke(ep, id));
    EXPECT(-EPIPE, end_call(&queued));
    reply(ep, token, 9);
    EXPECT(0, end_call(&received));
    EXPECT(9, received.number);
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(0, sys_handle_close(port));
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

static int run_all(void)
{
    killed_after_receipt();
    killed_and_answered();
    killed_before_receipt();
    killed_crowd(BY_CLOSED);
    killed_crowd(BY_REVOKE);
    killed_crowd(BY_RESET);
    killed_crowd(BY_CLOSE);
    eight_move();
    full_table();
    answers_by_others();
    bad_memory();
    flapping_memory();
    revoked_calls();
    return 0;
}

static void run(uint64_t round)
{
    (void)round;
    EXPECT(0, test_wait(child("all", start_handle(START_LOG))));
}

int main(int argc, char **argv)
{
    (void)ipc_buffer();
    if (argc == 1) {
        stress_repeat(run);
        test_mark("IPC: failures ok");
        return 0;
    }
    return strcmp(argv[1], "all") == 0    ? run_all()
           : strcmp(argv[1], "give") == 0 ? be_giver()
                                          : be_client(strtoul(argv[1], NULL, 10));
}
