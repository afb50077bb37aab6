/*
 * bench_core on Rugo: the workloads of bench/linux/src/bench_core.c, unchanged, as far as the kernel has
 * what they need, and some of Rugo's own.
 *
 * The workloads are static functions of that file, so it is included here with its main renamed.
 */
#include <rugo/ipc.h>
#include <rugo/shm.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

int bench_core_main(int argc, char **argv);

#define main bench_core_main
#include "bench/linux/src/bench_core.c"
#undef main

#include "bench/rugo/port_rugo.h"

#define HANDLE_N     100000u
#define CALL_MSG     64u
#define HANDLE_MSG   256u
#define CALL_TIMEOUT INT64_C(1000000000)
#define BULK_SIZE    65536u
#define BULK_N       64u

/* The cheapest call that looks a handle up. */
static void w_handle_call(void)
{
    handle_t h = start_handle(START_JOB);

    BATCH_LOOP {
        uint64_t t0 = p_now();

        for (uint32_t i = 0; i < HANDLE_N; i++)
            sink += (uint64_t)sys_handle_info(h);
        uint64_t dt = p_now() - t0;
        if (b)
            bench_emit("handle_call", bench_per(dt, HANDLE_N), "ns", HANDLE_N);
    }
    bench_flush();
}

/* ---- call and reply, as a program would use them that knows Rugo -------------------------------------- */

/* The server of the workloads below: gives every message back, closes handles that came with it, and fills
 * a buffer that the caller offers BULK_N times. A message of one byte is the end. */
static unsigned char bulk[BULK_SIZE];

static void serve_calls(void)
{
    struct ipc_msg *msg = ipc_buffer();
    handle_t ep = start_handle(START_ENDPOINT);
    uint64_t token = 0;

    while (sys_ipc_reply_recv(ep, token, 0, TIMEOUT_NEVER) == 0 && msg->len != 1) {
        token = msg->token;
        if (msg->nhandles > 0)
            (void)sys_handle_close(msg->handles[0]);
        for (uint32_t i = 0; msg->out_len > 0 && i < BULK_N; i++) {
            if (sys_msg_write(ep, token, 0, bulk, msg->out_len) != BULK_SIZE)
                p_die("msg_write");
        }
        msg->nhandles = 0;
    }
    (void)sys_ipc_reply(ep, msg->token);
}

static void call(handle_t session, uint32_t len, handle_t h, int64_t timeout)
{
    struct ipc_msg *msg = ipc_buffer();

    msg->len = len;
    msg->nhandles = h != HANDLE_NONE;
    msg->handles[0] = h;
    if (sys_ipc_call(session, timeout) != 0 || msg->len != len)
        p_die("ipc_call");
}

static handle_t calls_begin(handle_t *session)
{
    handle_t ep, peer;

    channel_make(&ep, session);
    peer = peer_spawn("calls", 0, ep);
    (void)sys_handle_close(ep);
    memset(ipc_buffer(), 0, sizeof(struct ipc_msg));
    return peer;
}

static void calls_end(handle_t session, handle_t peer)
{
    call(session, 1, HANDLE_NONE, TIMEOUT_NEVER);
    peer_wait(peer);
    (void)sys_handle_close(session);
    bench_flush();
}

static void w_call(const char *name, uint32_t len, handle_t h, int64_t timeout)
{
    handle_t session, peer = calls_begin(&session);

    BATCH_LOOP {
        uint64_t t0 = p_now();

        for (uint32_t i = 0; i < IPC_N; i++)
            call(session, len, h, timeout);
        uint64_t dt = p_now() - t0;
        if (b)
            bench_emit(name, bench_per(dt, IPC_N), "ns", IPC_N);
    }
    calls_end(session, peer);
}

static void w_call_plain(void)
{
    w_call("ipc_call_64_pinned", CALL_MSG, HANDLE_NONE, TIMEOUT_NEVER);
}

static void w_call_handle(void)
{
    handle_t object = sys_shm_create(P_PAGE, 0);

    w_call("ipc_call_256_handle", HANDLE_MSG, object, CALL_TIMEOUT);
    (void)sys_handle_close(object);
}

/* What the server copies straight into the caller's memory. */
static void w_call_bulk(void)
{
    handle_t session, peer = calls_begin(&session);

    BATCH_LOOP {
        uint64_t t0 = p_now();

        ipc_buffer()->out_addr = (uintptr_t)bulk;
        ipc_buffer()->out_len = BULK_SIZE;
        call(session, CALL_MSG, HANDLE_NONE, TIMEOUT_NEVER);
        uint64_t dt = p_now() - t0;
        if (b)
            bench_emit("ipc_bulk_write_kib", bench_per(dt, BULK_N * (BULK_SIZE / 1024)), "ns",
                       BULK_N * (BULK_SIZE / 1024));
    }
    ipc_buffer()->out_len = 0;
    calls_end(session, peer);
}

/* ---- starting programs without the file server ---------------------------------------------------------- */

static void w_spawn_image(const char *name, const char *path)
{
    BATCH_LOOP {
        uint64_t t0 = p_now();

        for (uint32_t i = 0; i < SPAWN_N; i++) {
            if (spawn_image_wait(path))
                p_die(path);
        }
        uint64_t dt = p_now() - t0;
        if (b)
            bench_emit(name, bench_per(dt, SPAWN_N), "ns", SPAWN_N);
    }
    bench_flush();
}

static void w_spawn_nothing(void)
{
    if (start_handle(START_ROOT) != HANDLE_NONE)
        w_spawn("spawn_wait", "/bin/nothing", SPAWN_N);
}

static void w_spawn_hello(void)
{
    if (start_handle(START_ROOT) != HANDLE_NONE)
        w_spawn("spawn_c_hello", "/bin/hello", SPAWN_N);
}

static void w_spawn_mapped(void)
{
    w_spawn_image("spawn_image_wait", "bin/nothing");
}

static void w_link(void)
{
    for (int pin = 1; pin >= 0; pin--) {
        w_ipc(0, 1, pin);
        w_ipc(0, 64, pin);
    }
}

static void w_fault(void)
{
    w_vm(P_MAP_4K, "");
    w_vm(P_MAP_DEFAULT, "_default");
}

static void w_futex_pinned(void)
{
    w_futex("futex_pingpong_pinned", 0, 0);
}

/* In this order. `only=NAME` on the kernel's command line picks one: what tools/bench_profile.py looks at. */
static const struct {
    const char *name;
    void (*run)(void);
} workloads[] = {
    { "cpu", w_cpu },
    { "syscall", w_syscall },
    { "handle", w_handle_call },
    { "futex", w_futex_pinned },
    { "yield", w_yield },
    { "thread", w_thread },
    { "link", w_link },
    { "call", w_call_plain },
    { "call_handle", w_call_handle },
    { "call_bulk", w_call_bulk },
    { "fault", w_fault },
    { "map", w_vm_pair },
    { "spawn_mapped", w_spawn_mapped },
    { "spawn", w_spawn_nothing },
    { "spawn_hello", w_spawn_hello },
};

/* argv: [BATCHES] */
int main(int argc, char **argv)
{
    const char *only = getenv("only");

    if (argc == 4 && strcmp(argv[2], "calls") == 0) {
        serve_calls();
        return 0;
    }
    if (port_role(argc, argv))
        return 0;
    if (argc > 1)
        batches = argv[1][0] - '0';
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        if (only == NULL || strcmp(only, workloads[i].name) == 0)
            workloads[i].run();
    }
    return 0;
}
