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

static handle_t client(size_t threads, handle_t session)
{
    char number[8], *argv[] = { "ipc_fail", number, NULL };
    struct spawn_handle more = { START_NAMES, session, RIGHT_SAME };

    snprintf(number, sizeof(number), "%d", (int)threads);
    return test_spawn("test/ipc_fail", argv, &more, 1);
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

static void run_all(void)
{
    killed_after_receipt();
    killed_and_answered();
    killed_before_receipt();
    killed_crowd(BY_CLOSED);
    killed_crowd(BY_REVOKE);
    killed_crowd(BY_RESET);
    killed_crowd(BY_CLOSE);
}

int main(int argc, char **argv)
{
    struct machine_info before;

    if (argc > 1)
        return be_client(strtoul(argv[1], NULL, 10));
    (void)ipc_buffer();
    run_all(); /* what is made once is made now */
    stress_settled(&before);
    run_all();
    stress_same(&before);
    test_mark("IPC: failures ok");
    return 0;
}
