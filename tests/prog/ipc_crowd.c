/*
 * `test=ipc.crowd`: many clients at one server with several threads, all at once on all processors. Every answer must be
 * made of its own question; nothing is lost, doubled or left over. Some calls carry handles, buffers or time-outs.
 */
#include "tests/prog/ipc_call.h"
#include "tests/prog/stress.h"

enum { CLIENTS = 8, SERVERS = 3, CALLS = 200, BULK = PAGE_SIZE + 100 };

static handle_t ep;
static uint64_t answered; /* by all servers */

struct question {
    uint64_t seed;
    uint32_t fill; /* bytes of the generator that follow */
};

static void fill(uint8_t *at, uint32_t n, uint64_t seed)
{
    struct rng r = { seed | 1 };

    for (uint32_t i = 0; i < n; i++)
        at[i] = (uint8_t)rng_next(&r);
}

static void check(const uint8_t *at, uint32_t n, uint64_t seed)
{
    struct rng r = { seed | 1 };

    for (uint32_t i = 0; i < n; i++)
        EXPECT((uint8_t)rng_next(&r), at[i]);
}

/* ---- servers ---- */

/* Check a question, and make the buffer the answer to it: the same number of bytes of the next seed. */
static void answer_to(struct ipc_msg *msg)
{
    struct question q;
    static __thread uint8_t bulk[BULK];

    memcpy(&q, msg->data, sizeof(q));
    EXPECT(sizeof(q) + q.fill, msg->len);
    check(msg->data + sizeof(q), q.fill, q.seed);
    for (uint32_t i = 0; i < msg->nhandles; i++)
        EXPECT(0, sys_handle_close(msg->handles[i]));
    if (msg->in_len > 0) {
        EXPECT(BULK, sys_msg_read(ep, msg->token, 0, bulk, BULK));
        check(bulk, BULK, q.seed + 2);
        fill(bulk, BULK, q.seed + 3);
        EXPECT(BULK, sys_msg_write(ep, msg->token, 0, bulk, BULK));
    }
    fill(msg->data + sizeof(q), q.fill, q.seed + 1);
    msg->nhandles = msg->move = 0;
}

static int server(void *arg)
{
    struct ipc_msg *msg = ipc_buffer();
    uint64_t token = 0;

    (void)arg;
    while (sys_ipc_reply_recv(ep, token, 0, TIMEOUT_NEVER) == 0) {
        token = 0;
        if (msg->type == IPC_CALL) {
            token = msg->token;
            answer_to(msg);
            __atomic_fetch_add(&answered, 1, __ATOMIC_RELAXED);
        }
    }
    return 0;
}

/* ---- clients ---- */

struct client {
    struct thread thread;
    uint64_t id; /* of its session */
    handle_t session;
    struct rng rng;
    uint64_t done, late;
};

static void ask(struct client *c, uint8_t *bulk)
{
    struct ipc_msg *msg = ipc_buffer();
    struct question q = { rng_next(&c->rng), (uint32_t)rng_below(&c->rng, 300) };
    uint32_t handles = rng_below(&c->rng, 4) ? 0 : (uint32_t)rng_below(&c->rng, IPC_HANDLE_MAX + 1);
    bool with_bulk = rng_below(&c->rng, 4) == 0;
    int64_t timeout = rng_below(&c->rng, 4) ? TIMEOUT_NEVER : (int64_t)rng_below(&c->rng, MS);

    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->len = (uint32_t)sizeof(q) + q.fill;
    memcpy(msg->data, &q, sizeof(q));
    fill(msg->data + sizeof(q), q.fill, q.seed);
    msg->nhandles = handles;
    for (uint32_t i = 0; i < handles; i++)
        msg->handles[i] = NEED_HANDLE(sys_handle_dup(c->session, RIGHT_TRANSFER, 0, 0));
    msg->move = (uint32_t)rng_below(&c->rng, UINT64_C(1) << handles);
    uint32_t move = msg->move;
    handle_t mine[IPC_HANDLE_MAX];
    memcpy(mine, msg->handles, sizeof(mine));
    if (with_bulk) {
        fill(bulk, BULK, q.seed + 2);
        msg->in_addr = msg->out_addr = (uintptr_t)bulk;
        msg->in_len = msg->out_len = BULK;
    }
    int st = sys_ipc_call(c->session, timeout);
    EXPECT_TRUE(st == 0 || (st == -ETIMEDOUT && timeout >= 0));
    for (uint32_t i = 0; i < handles;
         i++) /* what moved is gone, if the call was received; the rest is not */
        EXPECT(st == 0 && move >> i & 1 ? -EBADF : 0, sys_handle_close(mine[i]));
    if (st != 0) {
        c->late++;
        return;
    }
    c->done++;
    EXPECT(sizeof(q) + q.fill, msg->len);
    check(msg->data + sizeof(q), q.fill, q.seed + 1);
    if (with_bulk)
        check(bulk, BULK, q.seed + 3);
}

static int client(void *arg)
{
    static uint8_t bulks[CLIENTS][BULK];
    struct client *c = arg;

    for (int i = 0; i < CALLS; i++)
        ask(c, bulks[c->id % CLIENTS]);
    return 0;
}

static void round_of(uint64_t seed)
{
    struct client clients[CLIENTS] = { { .done = 0 } };
    struct thread servers[SERVERS];
    uint64_t done = 0;

    answered = 0;
    ep = NEED_HANDLE(sys_endpoint_create(0));
    for (int i = 0; i < SERVERS; i++)
        NEED(thread_start(&servers[i], server, NULL, 0));
    for (uint64_t i = 0; i < CLIENTS; i++) {
        clients[i].session = new_session(ep, i, 0, &clients[i].id);
        clients[i].rng.state = (seed + i) * 2 + 1;
        NEED(thread_start(&clients[i].thread, client, &clients[i], 0));
    }
    for (int i = 0; i < CLIENTS; i++) {
        NEED(thread_join(&clients[i].thread, NULL));
        EXPECT(CALLS, clients[i].done + clients[i].late);
        done += clients[i].done;
    }
    EXPECT(done, answered); /* a call that was withdrawn was never received */
    for (int i = 0; i < CLIENTS; i++)
        EXPECT(0, sys_handle_close(clients[i].session));
    EXPECT(0, sys_handle_close(ep));
    for (int i = 0; i < SERVERS; i++)
        NEED(thread_join(&servers[i], NULL));
}

/* In a process of its own, whose page tables go with it. */
static void run(uint64_t round)
{
    uint64_t seed = stress_option("seed", 1) + round * 100;
    char number[24], *argv[] = { "ipc_crowd", number, NULL };

    snprintf(number, sizeof(number), "%llu", (unsigned long long)seed);
    EXPECT(0, test_wait(test_spawn("test/ipc_crowd", argv, NULL, 0)));
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        round_of(strtoull(argv[1], NULL, 10));
        return 0;
    }
    stress_repeat(run);
    test_mark("IPC: crowd ok");
    return 0;
}
