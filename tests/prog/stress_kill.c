/*
 * `test=stress.kill seed=N count=M`: a server and its clients are killed M times at any moment of what they do:
 * calls with bulk buffers and time-outs, one-way messages, handles that move, waits at ports. Whoever is left sees
 * only errors that the contract names, and in the end nothing is left.
 */
#include "tests/prog/stress.h"

enum { CLIENTS = 3, BULK = 3 * PAGE_SIZE };

static struct rng rng;

static uint32_t below(uint32_t n)
{
    return (uint32_t)rng_below(&rng, n);
}

static struct ipc_msg *message(uint32_t len)
{
    struct ipc_msg *m = ipc_buffer();

    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = len;
    return m;
}

/* Put a new memory object into the message, moved or copied. Returns what the sender may have to close. */
static handle_t attach(struct ipc_msg *m)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(BULK, 0));

    m->nhandles = 1;
    m->move = below(2);
    m->handles[0] = shm;
    return shm;
}

static void close_received(const struct ipc_msg *m)
{
    for (uint32_t i = 0; i < m->nhandles; i++)
        if (m->handles[i] >= 0)
            (void)sys_handle_close(m->handles[i]);
}

/* ---- the server ---- */

/* The copy fails only with the caller's end or with the memory that the caller named. */
static void copy_bulk(handle_t ep, uint64_t token)
{
    static char bulk[BULK];
    int64_t n = below(2) ? sys_msg_read(ep, token, below(BULK), bulk, BULK)
                         : sys_msg_write(ep, token, below(BULK), bulk, BULK);

    EXPECT_TRUE(n >= 0 || n == -ESRCH || n == -EREMOTEIO);
}

static void answer(handle_t ep, uint64_t token)
{
    struct ipc_msg *m = message(below(IPC_DATA_MAX));
    handle_t shm = below(4) ? HANDLE_NONE : attach(m);
    int st = sys_ipc_reply(ep, token);

    EXPECT_TRUE(st == 0 || st == -ESRCH);
    if (shm != HANDLE_NONE)
        (void)sys_handle_close(shm);
}

static int server(void)
{
    handle_t ep = start_handle(START_ENDPOINT);
    struct ipc_msg *m = message(0);
    uint64_t kept = 0;

    for (;;) {
        int st = sys_ipc_recv(ep, 0, (int64_t)below(2 * MS));

        if (st == -ETIMEDOUT)
            continue;
        EXPECT(0, st);
        uint64_t token = m->token;
        uint32_t type = m->type;
        close_received(m);
        if (type == IPC_CALL)
            copy_bulk(ep, token);
        if (type == IPC_CALL && below(4) == 0) { /* answered later, or when it is cancelled */
            if (kept != 0)
                answer(ep, kept);
            kept = token;
        } else if (type == IPC_CALL || type == IPC_CANCEL) {
            answer(ep, token);
        }
    }
}

/* ---- a client ---- */

static int client_call(handle_t s, char *bulk)
{
    struct ipc_msg *m = message(below(IPC_DATA_MAX));
    handle_t shm = below(3) ? HANDLE_NONE : attach(m);

    m->in_addr = m->out_addr = (uint64_t)(uintptr_t)bulk;
    m->in_len = m->out_len = below(BULK + 1);
    int st = sys_ipc_call(s, below(4) ? TIMEOUT_NEVER : (int64_t)below(2 * MS));

    if (st == 0)
        close_received(m);
    if (shm != HANDLE_NONE)
        (void)sys_handle_close(shm);
    return st;
}

static int client_send(handle_t s)
{
    struct ipc_msg *m = message(below(IPC_DATA_MAX));
    handle_t shm = below(3) ? HANDLE_NONE : attach(m);
    int st = sys_ipc_send(s, below(2) ? IPC_NONBLOCK : 0);

    if (shm != HANDLE_NONE)
        (void)sys_handle_close(shm);
    return st;
}

static int client_wait(handle_t s)
{
    handle_t port = NEED_HANDLE(sys_port_create()), timer = NEED_HANDLE(sys_timer_create());
    struct port_event events[2];

    NEED(sys_port_add(port, s, EV_READABLE, 1));
    NEED(sys_port_add(port, timer, EV_TIMER, 2));
    NEED(sys_timer_set(timer, (int64_t)stress_now() + below(1 * MS), 0));
    NEED(sys_port_wait(port, events, 2, TIMEOUT_NEVER));
    (void)sys_handle_close(below(2) ? port : timer);
    (void)sys_handle_close(port);
    (void)sys_handle_close(timer);
    return 0;
}

/* Until its session ends. */
static int client(void)
{
    handle_t s = start_handle(START_NAMES);
    char *bulk = (char *)(uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, BULK, VM_READ | VM_WRITE, 0));

    for (;;) {
        uint32_t what = below(8);
        int st = what < 4 ? client_call(s, bulk) : what < 7 ? client_send(s) : client_wait(s);

        if (st == -EPIPE)
            return 0;
        EXPECT_TRUE(st == 0 || st == -ECONNRESET || st == -ETIMEDOUT || st == -EAGAIN);
    }
}

/* ---- the parent ---- */

static handle_t endpoint, job;

static handle_t start(const char *role, struct spawn_handle gift)
{
    char seed[32];
    struct spawn_handle gifts[] = { gift, { START_LOG, start_handle(START_LOG), RIGHT_SAME } };
    char *argv[] = { "stress_kill", (char *)role, seed, NULL };

    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)rng_next(&rng));
    return stress_spawn("test/stress_kill", argv, job, gifts, 2);
}

static handle_t start_server(void)
{
    return start("server",
                 (struct spawn_handle){ START_ENDPOINT, endpoint, RIGHT_RECV | RIGHT_WAIT });
}

static handle_t start_client(void)
{
    uint64_t id;
    handle_t s = NEED_HANDLE(sys_session_create(endpoint, 1, below(2) ? SESSION_KEEP : 0, &id));
    handle_t proc = start("client", (struct spawn_handle){ START_NAMES, s, RIGHT_SAME });

    (void)sys_handle_close(s);
    return proc;
}

/* The end of a process: by us, or by itself without a failure. */
static void expect_end(handle_t proc)
{
    int status = test_wait(proc);

    EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == 9));
}

static void kill_round(uint64_t kills)
{
    handle_t srv = start_server(), clients[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        clients[i] = start_client();
    while (kills-- > 0) {
        uint32_t victim = below(CLIENTS + 1);

        NEED(sys_thread_sleep((int64_t)below(4 * MS)));
        if (victim < CLIENTS) {
            NEED(sys_process_kill(clients[victim], 9));
            expect_end(clients[victim]);
            clients[victim] = start_client();
            continue;
        }
        NEED(sys_process_kill(srv, 9));
        expect_end(srv);
        NEED(sys_endpoint_reset(endpoint));
        srv = start_server();
        for (int i = 0; i < CLIENTS; i++) {
            if (sys_process_status(clients[i]) == -EAGAIN)
                continue;
            expect_end(clients[i]);
            clients[i] = start_client();
        }
    }
    NEED(sys_job_kill(job));
    expect_end(srv);
    for (int i = 0; i < CLIENTS; i++)
        expect_end(clients[i]);
}

static void attack(uint64_t kills)
{
    job = stress_job();
    endpoint = NEED_HANDLE(sys_endpoint_create(0));
    kill_round(kills);
    NEED(sys_handle_close(endpoint));
    NEED(sys_handle_close(job));
}

int main(int argc, char **argv)
{
    struct machine_info before;

    rng.state = argc > 2 ? strtoull(argv[2], NULL, 10) : stress_option("seed", 1);
    if (argc > 1)
        return strcmp(argv[1], "server") == 0 ? server() : client();
    attack(60); /* what is made once is made now */
    stress_settled(&before);
    attack(stress_option("count", 100));
    stress_same(&before);
    test_mark("STRESS: kills ok");
    return 0;
}
