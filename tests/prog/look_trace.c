/*
 * `test=look.trace`: traces. What is recorded of another process, by several threads, into a ring too small, while the
 * traced one or the tracer dies, and what is refused. With an argument it is a child that does as it says.
 */
#include <rugo/ipc.h>
#include <rugo/thread.h>

#include "tests/prog/test.h"

#define BAD_POINTER ((void *)0xffff800000000000u)

enum { BATCH = 32, LOOPS = 200, THREADS = 4, NO_CALL = 0x1fff };

/* ---- children ---- */

static int yields(void *arg)
{
    (void)arg;
    for (int i = 0; i < LOOPS; i++)
        (void)sys_yield();
    return 0;
}

static int child_main(const char *how)
{
    struct thread t[THREADS];

    if (!strcmp(how, "calls")) {
        (void)sys_time_now(CLOCK_MONOTONIC);
        (void)sys_handle_close(12345);
        (void)sys_debug_write(start_handle(START_LOG), "look: traced\n", 13);
        (void)rugo_syscall0(NO_CALL);
        (void)sys_debug_write(start_handle(START_LOG), BAD_POINTER, 13);
        (void)sys_debug_write(start_handle(START_LOG), "", 0);
        /* Without a message buffer, with an empty message, and with one. */
        (void)sys_ipc_send(12345, 1);
        ipc_buffer()->len = 0;
        (void)sys_ipc_send(12345, 2);
        ipc_buffer()->len = 3;
        memcpy(ipc_buffer()->data, "abc", 3);
        (void)sys_ipc_send(12345, 3);
        ipc_buffer()->len = UINT32_MAX;
        (void)sys_ipc_send(12345, 4);
        (void)sys_ipc_recv(12345, IPC_NONBLOCK, 0);
        return 7;
    }
    if (!strcmp(how, "threads")) {
        for (int i = 0; i < THREADS; i++)
            EXPECT(0, thread_start(&t[i], yields, NULL, 0));
        for (int i = 0; i < THREADS; i++)
            EXPECT(0, thread_join(&t[i], NULL));
    }
    while (!strcmp(how, "bomb"))
        (void)sys_yield();
    if (!strcmp(how, "sleep"))
        (void)sys_thread_sleep(3600 * 1000 * MS);
    return 0;
}

/* ---- the parent ---- */

static struct trace_record records[BATCH];
static uint64_t lost;
static uint32_t ring;                   /* records of the next trace */

static int attach(handle_t proc, void *trace)
{
    *(handle_t *)trace = sys_trace_create(proc, ring, 0);
    return *(handle_t *)trace < 0 ? *(handle_t *)trace : 0;
}

/* A child that is traced from its first instruction. */
static handle_t spawn_traced(const char *how, uint32_t size, handle_t *trace)
{
    static struct initrd rd;
    char *argv[] = { (char *)"test/look_trace", (char *)how, NULL };
    struct spawn_handle handles[] = { { START_LOG, start_handle(START_LOG), RIGHT_SAME } };
    struct spawn_args args = { .job = start_handle(START_JOB),
                               .argv = argv,
                               .handles = handles,
                               .nhandles = 1,
                               .fds = { HANDLE_NONE, HANDLE_NONE, HANDLE_NONE },
                               .ready = attach,
                               .ready_arg = trace };
    struct initrd_file image;
    handle_t proc;

    ring = size;
    if (rd.data == NULL)
        NEED(shm_attach(start_handle(START_INITRD), VM_READ, (void **)&rd.data, &rd.size));
    EXPECT_TRUE(initrd_find(&rd, "test/look_trace", &image));
    NEED(spawn_image(&args, image.data, image.size, &proc));
    return proc;
}

static void end(handle_t proc, handle_t trace, int status)
{
    EXPECT(status, test_wait(proc));
    EXPECT(0, sys_handle_close(trace));
}

/* Each call is recorded twice, with its arguments; then the trace ends. */
static void test_calls(void)
{
    handle_t trace, proc = spawn_traced("calls", 1024, &trace);
    unsigned seen = 0;
    uint64_t last = 0;
    int64_t n;

    while ((n = sys_trace_read(trace, records, BATCH, &lost, TIMEOUT_NEVER)) > 0)
        for (int64_t i = 0; i < n; i++) {
            const struct trace_record *r = &records[i];

            EXPECT_TRUE(r->time_ns >= last && r->thread > 0 && r->len <= TRACE_DATA);
            last = r->time_ns;
            if (r->number == SYS_time_now && r->args[0] == CLOCK_MONOTONIC)
                seen |= r->kind == TRACE_ENTER ? 1 : r->result > 0 ? 2 : 0;
            if (r->number == SYS_handle_close && r->args[0] == 12345)
                seen |= r->kind == TRACE_ENTER ? 4 : r->result == -EBADF ? 8 : 0;
            if (r->number == SYS_debug_write && r->kind == TRACE_ENTER && r->len == 13)
                seen |= memcmp(r->data, "look: traced\n", 13) == 0 ? 16 : 0;
            if (r->number == SYS_debug_write && r->kind == TRACE_ENTER && r->len == 0)
                seen |= r->args[2] == 13 ? 512 : 1024; /* what can't be read is not shown */
            if (r->number == SYS_ipc_send && r->kind == TRACE_ENTER) {
                static const uint32_t shown[] = { 0, 0, 0, 3, TRACE_DATA };

                EXPECT_TRUE(r->args[1] >= 1 && r->args[1] <= 4);
                EXPECT(shown[r->args[1]], r->len);
                if (r->len == 3)
                    EXPECT(0, memcmp(r->data, "abc", 3));
                seen |= 2048u << r->args[1];
            }
            if (r->number == SYS_ipc_recv && r->kind == TRACE_EXIT)
                seen |= r->result == -EBADF && r->len == 0 ? 2048 : 256;
            if (r->number == NO_CALL)
                seen |= r->kind == TRACE_ENTER ? 32 : r->result == -ENOSYS ? 64 : 0;
            if (r->number == SYS_process_exit)
                seen |= r->kind == TRACE_ENTER && r->args[0] == 7 ? 128 : 256;
        }
    EXPECT(-EPIPE, n);
    EXPECT(0, lost);
    EXPECT(0xffff & ~256, seen);
    EXPECT(-EPIPE, sys_trace_read(trace, records, BATCH, &lost, 0));
    EXPECT(0, handle_wait(trace, EV_HUP, TIMEOUT_NEVER));
    end(proc, trace, 7 << 8);
}

/* What four threads do is all there (it fits into the largest ring), or counted as lost. */
static void count_yields(uint32_t size, bool all)
{
    handle_t trace, proc = spawn_traced("threads", size, &trace);
    uint64_t enters = 0, exits = 0;
    int64_t n;

    if (!all) /* nobody reads until it is over */
        EXPECT(0, handle_wait(proc, EV_EXITED, TIMEOUT_NEVER));
    while ((n = sys_trace_read(trace, records, BATCH, &lost, TIMEOUT_NEVER)) > 0)
        for (int64_t i = 0; i < n; i++) {
            enters += records[i].number == SYS_yield && records[i].kind == TRACE_ENTER;
            exits += records[i].number == SYS_yield && records[i].kind == TRACE_EXIT;
        }
    EXPECT(-EPIPE, n);
    EXPECT(all, lost == 0);
    if (all)
        EXPECT_TRUE(enters >= THREADS * LOOPS && exits >= THREADS * LOOPS);
    else
        EXPECT_TRUE(lost + size > 2 * THREADS * LOOPS && enters + exits <= size);
    end(proc, trace, 0);
}

/* Attached to one that runs already; it goes on when nobody looks any more. */
static void test_running(void)
{
    char *argv[] = { (char *)"test/look_trace", (char *)"bomb", NULL };
    handle_t proc = test_spawn("test/look_trace", argv, NULL, 0), trace;

    for (int i = 0; i < 20; i++) {
        trace = NEED_HANDLE(sys_trace_create(proc, 1, 0));
        EXPECT_TRUE(sys_trace_read(trace, records, BATCH, &lost, TIMEOUT_NEVER) > 0);
        EXPECT(-EBUSY, sys_trace_create(proc, 1, 0));
        EXPECT(0, sys_handle_close(trace));
    }
    /* It dies while its calls are recorded. */
    trace = NEED_HANDLE(sys_trace_create(proc, TRACE_RECORDS_MAX, 0));
    EXPECT_TRUE(sys_trace_read(trace, records, BATCH, &lost, TIMEOUT_NEVER) > 0);
    EXPECT(0, sys_process_kill(proc, 9));
    while (sys_trace_read(trace, records, BATCH, &lost, TIMEOUT_NEVER) > 0)
        ;
    EXPECT(-EPIPE, sys_trace_read(trace, records, BATCH, &lost, 0));
    EXPECT(-ESRCH, sys_trace_create(proc, 1, 0));
    end(proc, trace, 9);
}

static int read_for_ever(void *trace)
{
    uint64_t missed;

    return (int)sys_trace_read(*(handle_t *)trace, records, BATCH, &missed, TIMEOUT_NEVER);
}

/* Waiting: time-outs, and a trace that is closed under its reader. */
static void test_waiting(void)
{
    char *argv[] = { (char *)"test/look_trace", (char *)"sleep", NULL };
    handle_t proc = test_spawn("test/look_trace", argv, NULL, 0), trace;
    struct thread reader;
    struct thread_info t;
    int result;

    do /* until it sleeps */
        (void)sys_yield();
    while (sys_process_threads(proc, 0, &t, 1) != 1 || t.state != RUN_BLOCKED);
    trace = NEED_HANDLE(sys_trace_create(proc, 1, 0));
    EXPECT(-ETIMEDOUT, sys_trace_read(trace, records, BATCH, &lost, 0));
    EXPECT(-ETIMEDOUT, sys_trace_read(trace, records, BATCH, &lost, MS));
    EXPECT(-EINVAL, sys_trace_read(trace, records, 0, &lost, TIMEOUT_NEVER));
    EXPECT(-EFAULT, sys_trace_read(trace, BAD_POINTER, BATCH, &lost, 0));
    EXPECT(-EFAULT, sys_trace_read(trace, records, BATCH, BAD_POINTER, 0));
    EXPECT(0, thread_start(&reader, read_for_ever, &trace, 0));
    (void)sys_thread_sleep(5 * MS);
    EXPECT(0, sys_handle_close(trace));
    EXPECT(0, thread_join(&reader, &result));
    EXPECT(-EBADF, result);
    EXPECT(0, sys_process_kill(proc, 9));
    EXPECT(9, test_wait(proc));
}

static void test_refused(void)
{
    char *argv[] = { (char *)"test/look_trace", (char *)"sleep", NULL };
    handle_t proc = test_spawn("test/look_trace", argv, NULL, 0), trace, poor;
    struct process_info info;

    EXPECT(0, sys_process_info(proc, &info));
    for (uint32_t missing = RIGHT_MANAGE; missing != 0;
         missing = missing == RIGHT_MANAGE ? RIGHT_INSPECT : 0) {
        poor = NEED_HANDLE(sys_process_open(start_handle(START_JOB), info.pid,
                                            (RIGHT_MANAGE | RIGHT_INSPECT) & ~missing));
        EXPECT(-EACCES, sys_trace_create(poor, 1, 0));
        EXPECT(0, sys_handle_close(poor));
    }
    EXPECT(-EINVAL, sys_trace_create(HANDLE_SELF, 1, 0));
    EXPECT(-EINVAL, sys_trace_create(proc, 0, 0));
    EXPECT(-EINVAL, sys_trace_create(proc, TRACE_RECORDS_MAX + 1, 0));
    EXPECT(-EINVAL, sys_trace_create(proc, 1, 1));
    EXPECT(-ENODEV, sys_trace_create(start_handle(START_JOB), 1, 0));
    EXPECT(-EBADF, sys_trace_create(12345, 1, 0));
    trace = NEED_HANDLE(sys_trace_create(proc, 1, 0));
    EXPECT(-ENODEV, sys_trace_read(proc, records, 1, &lost, 0));
    EXPECT(-EBADF, sys_trace_read(12345, records, 1, &lost, 0));
    poor = NEED_HANDLE(sys_handle_dup(trace, RIGHT_WAIT, 0, 0));
    EXPECT(-EACCES, sys_trace_read(poor, records, 1, &lost, 0));
    EXPECT(0, sys_handle_close(poor));
    EXPECT(0, sys_process_kill(proc, 9));
    end(proc, trace, 9);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return child_main(argv[1]);
    test_calls();
    count_yields(TRACE_RECORDS_MAX, true);
    count_yields(64, false);
    test_running();
    test_waiting();
    test_refused();
    test_mark("TRACE: ok");
    return 0;
}
