/*
 * `test=go.service`: a client in C of goecho, a service in Go. It sends the nonce, kills the service, and goes on with the
 * session it had. `test=go.speed`: what a call of 64 bytes takes there, and to such a server in C; with --icount on one CPU
 * a nanosecond is an instruction.
 */
#include <rugo/names.h>
#include <rugo/processes.h>

#include "tests/prog/test.h"

enum { CALLS = 500, SIZE = 64 };

/* The answer must be the request. */
static int echo(handle_t session, const char *text)
{
    struct ipc_msg *msg = ipc_buffer();
    char sent[SIZE] = { 0 };
    int st;

    strlcpy(sent, text, sizeof sent);
    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->len = sizeof sent;
    memcpy(msg->data, sent, sizeof sent);
    st = sys_ipc_call(session, 10000 * MS);
    if (st == 0) {
        EXPECT(sizeof sent, msg->len);
        EXPECT(0, memcmp(msg->data, sent, sizeof sent));
    }
    return st;
}

/* The number of the process of that name. */
static uint64_t find(const char *name, handle_t *proc)
{
    handle_t all = start_handle(START_ROOT_JOB);
    uint64_t *pids, pid = 0;
    int64_t n = NEED(job_pids(all, &pids));

    for (int64_t i = 0; i < n && pid == 0; i++) {
        struct process_info info;

        *proc = sys_process_open(all, pids[i], RIGHT_INSPECT | RIGHT_MANAGE);
        if (*proc >= 0 && sys_process_info(*proc, &info) == 0 &&
            strcmp((char *)info.name, name) == 0)
            pid = pids[i];
        else if (*proc >= 0)
            (void)sys_handle_close(*proc);
    }
    free(pids);
    return pid;
}

static void check_restart(handle_t session)
{
    handle_t proc = HANDLE_NONE;
    uint64_t before = find("goecho", &proc);
    int st;

    EXPECT_TRUE(before != 0);
    NEED(sys_process_kill(proc, 9));
    NEED(sys_handle_close(proc));
    do
        st = echo(session, "once more");
    while (st == -ECONNRESET);
    EXPECT(0, st);
    EXPECT_TRUE(find("goecho", &proc) != before);
    NEED(sys_handle_close(proc));
}

static int64_t per_call(handle_t session)
{
    struct ipc_msg *msg = ipc_buffer();
    int64_t from = 0;

    for (int i = -10; i < CALLS; i++) {
        if (i == 0)
            from = sys_time_now(CLOCK_MONOTONIC);
        memset(msg, 0, offsetof(struct ipc_msg, data));
        msg->len = SIZE;
        msg->data[0] = 1;
        NEED(sys_ipc_call(session, TIMEOUT_NEVER));
    }
    return (sys_time_now(CLOCK_MONOTONIC) - from) / CALLS;
}

/* What goecho does, in C. */
static void serve(void)
{
    handle_t ep = start_handle(START_ENDPOINT);
    struct ipc_msg *msg = ipc_buffer();
    uint64_t token = 0;

    for (;;) {
        NEED(sys_ipc_reply_recv(ep, token, 0, TIMEOUT_NEVER));
        token = msg->type == IPC_CALL ? msg->token : 0;
    }
}

static void compare(handle_t go)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    handle_t c = NEED_HANDLE(sys_session_create(ep, 77, 0, &id));
    struct spawn_handle more = { START_ENDPOINT, ep, RIGHT_RECV | RIGHT_WAIT };
    char *argv[] = { "go_client", "serve", NULL };
    handle_t server = test_spawn("test/go_client", argv, &more, 1);
    int64_t to_c = per_call(c), to_go = per_call(go);

    printf("GOUSR: call ns=%lld, to C ns=%lld\n", (long long)to_go, (long long)to_c);
    NEED(sys_process_kill(server, 9));
}

int main(int argc, char **argv)
{
    handle_t session = HANDLE_NONE;

    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        serve();
    NEED(name_connect("goecho", &session));
    if (argc > 1 && strcmp(argv[1], "speed") == 0) {
        EXPECT(0, echo(session, test_nonce())); /* it looks for the nonce no more */
        compare(session);
        return 0;
    }
    EXPECT(0, echo(session, "hello"));
    EXPECT(0, echo(session, test_nonce()));
    check_restart(session);
    test_mark("GOCLIENT: ok");
    return 0;
}
