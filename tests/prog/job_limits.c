/*
 * `test=job.limits`: accounts and limits of jobs as abi/syscall.def promises them. For each kind a child takes until
 * it is refused, holds what it has while a neighbour takes freely, and what it had is given back at its end.
 */
#include <rugo/thread.h>
#include <signal.h>

#include "tests/prog/stress.h"

enum { MIB = 1024 * 1024 };

/* ---- the child: take one kind until the kernel says no ---- */

static int sleep_long(void *arg)
{
    (void)arg;
    (void)sys_thread_sleep(INT64_MAX);
    return 0;
}

static int take_process(void)
{
    handle_t p = sys_process_create(start_handle(START_JOB), "p", 1);

    return p < 0 ? p : 0;
}

static int take_thread(void)
{
    static struct thread unused;

    return thread_start(&unused, sleep_long, NULL, PAGE_SIZE);
}

static int take_handle(void)
{
    handle_t h = sys_handle_dup(start_handle(START_JOB), RIGHT_INSPECT, 0, 0);

    return h < 0 ? h : 0;
}

static int take_session(void)
{
    static handle_t ep = HANDLE_NONE;
    uint64_t id;

    if (ep < 0)
        ep = NEED_HANDLE(sys_endpoint_create(0));
    handle_t s = sys_session_create(ep, 1, 0, &id);
    return s < 0 ? s : 0;
}

static int take_message(void)
{
    static handle_t ep = HANDLE_NONE, session = HANDLE_NONE;
    struct ipc_msg *m = ipc_buffer();
    uint64_t id;

    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = 100;
    for (int tries = 0; tries < 2; tries++) {
        if (session >= 0 && sys_ipc_send(session, IPC_NONBLOCK) == 0)
            return 0;
        if (ep < 0)
            ep = NEED_HANDLE(sys_endpoint_create(0));
        session = NEED_HANDLE(sys_session_create(ep, 1, 0, &id));
    }
    return sys_ipc_send(session, 0); /* not even when it would wait */
}

static int take_timer(void)
{
    handle_t t = sys_timer_create();

    return t < 0 ? t : 0;
}

static int take_job(void)
{
    handle_t j = sys_job_create(start_handle(START_JOB));

    return j < 0 ? j : 0;
}

static int take_port(void)
{
    handle_t p = sys_port_create();

    return p < 0 ? p : sys_port_add(p, start_handle(START_JOB), EV_EXITED, 0);
}

/* Events that nobody waits for, as many as a port keeps; then another port. */
static int take_post(void)
{
    static handle_t port = HANDLE_NONE;
    static uint64_t token;
    int st = port < 0 ? -EAGAIN : sys_port_post(port, token++, EV_USER0);

    if (st != -EAGAIN)
        return st;
    port = sys_port_create();
    return port < 0 ? port : 0;
}

static int take_region(void)
{
    static uintptr_t at = 0x300000000000;
    int64_t got = sys_vm_map(HANDLE_SELF, at += 2 * PAGE_SIZE, PAGE_SIZE, VM_READ, VM_FIXED);

    return got < 0 ? (int)got : 0;
}

/* A page of a memory object, through a copy to user memory: that fails where a touch would kill. */
static int take_page(void)
{
    static int64_t at, next;

    if (at == 0) {
        handle_t shm = NEED_HANDLE(sys_shm_create(64 * MIB, 0));
        at = NEED(sys_shm_map(HANDLE_SELF, shm, 0, 64 * MIB, 0, VM_READ | VM_WRITE));
    }
    return sys_process_info(HANDLE_SELF, (void *)(at + PAGE_SIZE * next++));
}

static const struct taker {
    const char *name;
    uint32_t kind;
    uint64_t limit; /* set for the child's job */
    uint64_t least; /* so many must be had */
    int error; /* and then this comes */
    int (*take)(void);
} takers[] = {
    { "process", JOB_PROCESSES, 20, 19, -EAGAIN, take_process },
    { "thread", JOB_THREADS, 20, 19, -EAGAIN, take_thread },
    { "handle", JOB_HANDLES, 100, 90, -EMFILE, take_handle },
    { "session", JOB_SESSIONS, 30, 29, -EMFILE, take_session },
    { "message", JOB_MESSAGES, 50, 50, -EAGAIN, take_message },
    { "timer", JOB_MEMORY, MIB, 500, -ENOMEM, take_timer },
    { "job", JOB_MEMORY, MIB, 500, -ENOMEM, take_job },
    { "port", JOB_MEMORY, MIB, 500, -ENOMEM, take_port },
    { "post", JOB_MEMORY, MIB, 2000, -ENOMEM, take_post },
    { "region", JOB_MEMORY, MIB, 2000, -ENOMEM, take_region },
    { "object", JOB_MEMORY, 4 * MIB, 700, -EFAULT, take_page },
};

enum { TAKERS = sizeof(takers) / sizeof(takers[0]) };

static const struct taker *find(const char *name)
{
    for (size_t i = 0; i < TAKERS; i++)
        if (strcmp(takers[i].name, name) == 0)
            return &takers[i];
    exit(9);
}

/* Report a number and wait until the parent goes on. */
static void report(uint64_t value)
{
    struct ipc_msg *m = ipc_buffer();

    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = sizeof value;
    memcpy(m->data, &value, sizeof value);
    NEED(sys_ipc_call(start_handle(START_NAMES), TIMEOUT_NEVER));
}

/* Take until it is refused, at most `most` times; three more tries end the same way. Then hold it all. */
static int child(const struct taker *t, uint64_t most)
{
    uint64_t had = 0;
    int st = 0;

    memset(ipc_buffer(), 0,
           sizeof(struct ipc_msg)); /* touched: at the limit it would be too late */
    while (had < most && (st = t->take()) == 0)
        had++;
    for (int i = 0; had < most && i < 3; i++)
        EXPECT(t->error, t->take());
    if (had < most)
        EXPECT(t->error, st);
    report(had);
    return 0;
}

/* ---- the parent ---- */

struct tenant {
    handle_t job, proc, ep;
    uint64_t token; /* of its report */
};

static void limit_to(handle_t job, const struct taker *t)
{
    NEED(sys_job_limit(job, t->kind, t->limit));
}

/* A child in a job of its own, which takes; the number it had when it was refused, or most. */
static uint64_t tenant_start(struct tenant *n, handle_t job, const struct taker *t, uint64_t most)
{
    char text[24];
    char *argv[] = { "job_limits", (char *)t->name, text, NULL };
    uint64_t id, had;

    snprintf(text, sizeof text, "%llu", (unsigned long long)most);
    n->job = job;
    n->ep = NEED_HANDLE(sys_endpoint_create(0));
    struct spawn_handle gift = { START_NAMES, NEED_HANDLE(sys_session_create(n->ep, 1, 0, &id)),
                                 RIGHT_SAME };
    n->proc = stress_spawn("test/job_limits", argv, job, &gift, 1);
    NEED(sys_handle_close(gift.handle));
    struct ipc_msg *m = ipc_buffer();
    NEED(sys_ipc_recv(n->ep, 0, 20000 * MS));
    EXPECT(IPC_CALL, m->type);
    memcpy(&had, m->data, sizeof had);
    n->token = m->token;
    return had;
}

static void tenant_end(struct tenant *n)
{
    memset(ipc_buffer(), 0, offsetof(struct ipc_msg, data));
    NEED(sys_ipc_reply(n->ep, n->token));
    EXPECT(0, test_wait(n->proc));
    NEED(sys_job_kill(n->job));
    NEED(sys_handle_close(n->ep));
}

/* Nothing is in use any more, at once or soon: processes end in their own time. */
static void expect_empty(handle_t job)
{
    struct job_info info;
    uint64_t left = 1;

    for (int i = 0; i < 300 && left != 0; i++) {
        NEED(sys_job_info(job, &info));
        left = info.processes;
        for (uint32_t kind = 0; kind < JOB_KINDS; kind++)
            left |= info.used[kind];
        if (left != 0)
            NEED(sys_thread_sleep(10 * MS));
    }
    for (uint32_t kind = 0; kind < JOB_KINDS; kind++)
        EXPECT(0, info.used[kind]);
    EXPECT(0, info.processes);
}

/* One tenant at its limit, the other one takes as much and more; then all is given back. */
static void at_the_limit(const struct taker *t)
{
    struct tenant poor, rich;
    struct job_info info;
    handle_t a = stress_job(), b = stress_job();

    limit_to(a, t);
    uint64_t had = tenant_start(&poor, a, t, UINT64_MAX);
    EXPECT_TRUE(had >= t->least && (t->kind == JOB_MEMORY || had <= t->limit));
    NEED(sys_job_info(a, &info));
    EXPECT(t->limit, info.limit[t->kind]);
    EXPECT_TRUE(info.used[t->kind] <= t->limit && info.peak[t->kind] <= t->limit);
    EXPECT_TRUE(info.peak[t->kind] >= info.used[t->kind]);
    if (t->kind != JOB_MEMORY)
        EXPECT(t->limit, info.used[t->kind]);
    EXPECT(2 * t->limit / (t->kind == JOB_MEMORY ? 512 : 1),
           tenant_start(&rich, b, t, 2 * t->limit / (t->kind == JOB_MEMORY ? 512 : 1)));
    tenant_end(&rich);
    tenant_end(&poor);
    expect_empty(a);
    expect_empty(b);
    NEED(sys_handle_close(a));
    NEED(sys_handle_close(b));
    printf("job_limits: %s: %llu\n", t->name, (unsigned long long)had);
}

/* A touch over the limit ends who touched, with SIGBUS; a neighbour in the same job around both has its pages. */
static int touch_all(size_t bytes)
{
    char *at = (char *)NEED(sys_vm_map(HANDLE_SELF, 0, bytes, VM_READ | VM_WRITE, 0));

    for (size_t i = 0; i < bytes; i += PAGE_SIZE)
        at[i] = 1;
    return 0;
}

static void touching(void)
{
    handle_t a = stress_job(), b = stress_job();
    char *argv[] = { "job_limits", "touch", NULL };
    struct job_info info;

    NEED(sys_job_limit(a, JOB_MEMORY, 4 * MIB));
    EXPECT(SIGBUS, test_wait(stress_spawn("test/job_limits", argv, a, NULL, 0)) & 0x7f);
    EXPECT(0, test_wait(stress_spawn("test/job_limits", argv, b, NULL, 0)));
    NEED(sys_job_info(a, &info));
    EXPECT_TRUE(info.peak[JOB_MEMORY] > 4 * MIB - 2 * PAGE_SIZE);
    EXPECT_TRUE(info.peak[JOB_MEMORY] <= 4 * MIB);
    expect_empty(a);
    NEED(sys_job_info(b, &info));
    EXPECT_TRUE(info.peak[JOB_MEMORY] >= 8 * MIB);
    expect_empty(b);
    NEED(sys_handle_close(a));
    NEED(sys_handle_close(b));
}

/* ---- rules ---- */

static void refusals(void)
{
    handle_t own = start_handle(START_JOB), other = NEED_HANDLE(sys_job_create(own));
    handle_t timer = NEED_HANDLE(sys_timer_create());
    handle_t weak = NEED_HANDLE(sys_handle_dup(other, RIGHT_WAIT, 0, 0));
    struct job_info info;

    EXPECT(-EBADF, sys_job_limit(12345, JOB_HANDLES, 1));
    EXPECT(-EBADF, sys_job_info(HANDLE_NONE, &info));
    EXPECT(-ENODEV, sys_job_limit(timer, JOB_HANDLES, 1));
    EXPECT(-ENODEV, sys_job_info(timer, &info));
    EXPECT(-EACCES, sys_job_limit(weak, JOB_HANDLES, 1));
    EXPECT(-EACCES, sys_job_info(weak, &info));
    EXPECT(-EINVAL, sys_job_limit(other, JOB_KINDS, 1));
    EXPECT(-EINVAL, sys_job_limit(other, JOB_HANDLES | 0x200, 1));
    EXPECT(-EFAULT, sys_job_info(other, (struct job_info *)16));
    EXPECT(-EFAULT, sys_job_info(other, NULL));
    NEED(sys_job_info(other, &info));
    for (uint32_t kind = 0; kind < JOB_KINDS; kind++) {
        EXPECT(JOB_UNLIMITED, info.limit[kind]);
        EXPECT(JOB_UNLIMITED, info.inner[kind]);
        EXPECT(0, info.used[kind]);
    }
    NEED(sys_handle_close(weak));
    NEED(sys_handle_close(timer));
    NEED(sys_handle_close(other));
}

/* Who lives in a job may lower its limits, and never raise them again; outside it may be done. */
static void own_limits(void)
{
    handle_t own = start_handle(START_JOB), inner = NEED_HANDLE(sys_job_create(own));
    struct job_info info;

    NEED(sys_job_info(own, &info));
    NEED(sys_job_limit(own, JOB_SESSIONS, 100000));
    EXPECT(-EPERM, sys_job_limit(own, JOB_SESSIONS, 100001));
    NEED(sys_job_limit(own, JOB_SESSIONS | JOB_LIMIT_INNER, 5000));
    EXPECT(-EPERM, sys_job_limit(own, JOB_SESSIONS | JOB_LIMIT_INNER, 5001));
    NEED(sys_job_limit(inner, JOB_SESSIONS, 10));
    NEED(sys_job_limit(inner, JOB_SESSIONS, 200000));
    handle_t later = NEED_HANDLE(sys_job_create(own));
    NEED(sys_job_info(later, &info));
    EXPECT(5000, info.limit[JOB_SESSIONS]);
    EXPECT(JOB_UNLIMITED, info.inner[JOB_SESSIONS]);
    NEED(sys_job_info(own, &info));
    EXPECT(100000, info.limit[JOB_SESSIONS]);
    NEED(sys_job_limit(later, JOB_SESSIONS, JOB_UNLIMITED));
    NEED(sys_handle_close(later));
    NEED(sys_handle_close(inner));
}

/* A job inside has no more than the one around it, whatever its own limit says. */
static void nested(void)
{
    handle_t outer = stress_job(), inner = NEED_HANDLE(sys_job_create(outer));
    handle_t beside = NEED_HANDLE(sys_job_create(outer));
    struct job_info info;

    NEED(sys_job_limit(outer, JOB_PROCESSES, 5));
    NEED(sys_job_limit(inner, JOB_PROCESSES, 100));
    handle_t p[5];
    for (int i = 0; i < 5; i++)
        p[i] = NEED_HANDLE(sys_process_create(i < 3 ? inner : beside, "p", 1));
    EXPECT(-EAGAIN, sys_process_create(inner, "p", 1));
    EXPECT(-EAGAIN, sys_process_create(beside, "p", 1));
    NEED(sys_job_info(inner, &info));
    EXPECT(3, info.used[JOB_PROCESSES]);
    EXPECT(3, info.processes);
    NEED(sys_job_info(outer, &info));
    EXPECT(5, info.used[JOB_PROCESSES]);
    EXPECT(5, info.peak[JOB_PROCESSES]);
    NEED(sys_job_limit(outer, JOB_PROCESSES, 2)); /* below what is in use: nothing is taken away */
    for (int i = 0; i < 3; i++)
        NEED(sys_handle_close(p[i]));
    EXPECT(-EAGAIN, sys_process_create(inner, "p", 1));
    NEED(sys_handle_close(p[3]));
    p[3] = NEED_HANDLE(sys_process_create(inner, "p", 1));
    NEED(sys_job_kill(outer));
    NEED(sys_job_limit(outer, JOB_PROCESSES, 100));
    EXPECT(-ESRCH, sys_process_create(inner, "p", 1));
    EXPECT(-ESRCH, sys_job_create(inner));
    for (int i = 3; i < 5; i++)
        NEED(sys_handle_close(p[i]));
    NEED(sys_handle_close(inner));
    NEED(sys_handle_close(beside));
    expect_empty(outer);
    NEED(sys_handle_close(outer));
}

/* A session is paid for by the client that it was made for, not by the server; a memory object by its maker. */
static void who_pays(void)
{
    handle_t job = stress_job(), ep = NEED_HANDLE(sys_endpoint_create(0));
    handle_t p = NEED_HANDLE(sys_process_create(job, "p", 1)), own = start_handle(START_JOB);
    struct job_info before, after;
    uint64_t id;

    NEED(sys_job_info(own, &before));
    handle_t s = NEED_HANDLE(sys_session_create(ep, 1, 0, &id));
    NEED(sys_job_info(own, &after));
    EXPECT(before.used[JOB_SESSIONS] + 1, after.used[JOB_SESSIONS]);
    NEED(sys_job_limit(job, JOB_SESSIONS, 0));
    EXPECT(-EMFILE, sys_process_grant(p, s, RIGHT_SEND, 0, 0));
    NEED(sys_job_limit(job, JOB_SESSIONS, 1));
    NEED(sys_process_grant(p, s, RIGHT_SEND | RIGHT_TRANSFER, 0, 0));
    NEED(sys_process_grant(p, s, RIGHT_SEND, 0, 0));
    NEED(sys_job_info(job, &after));
    EXPECT(1, after.used[JOB_SESSIONS]);
    EXPECT(2, after.used[JOB_HANDLES]);
    NEED(sys_handle_close(p));
    NEED(sys_job_info(job, &after));
    EXPECT(1, after.used[JOB_SESSIONS]); /* we still have it */
    EXPECT(0, after.used[JOB_HANDLES]);
    NEED(sys_handle_close(s));
    NEED(sys_job_info(job, &after));
    EXPECT(1, after.used[JOB_SESSIONS]); /* the server has not heard of its end */
    NEED(sys_handle_close(ep));
    expect_empty(job);
    NEED(sys_handle_close(job));
}

/* A job is empty when the last process in it and below has ended; its event says so. */
static void emptiness(void)
{
    handle_t outer = stress_job(), inner = NEED_HANDLE(sys_job_create(outer));
    handle_t p = NEED_HANDLE(sys_process_create(inner, "p", 1));

    EXPECT(-ETIMEDOUT, handle_wait(outer, EV_EXITED, 0));
    NEED(sys_process_kill(p, 9));
    NEED(handle_wait(inner, EV_EXITED, 1000 * MS));
    NEED(handle_wait(outer, EV_EXITED, 1000 * MS));
    handle_t q = NEED_HANDLE(sys_process_create(inner, "q", 1));
    EXPECT(-ETIMEDOUT, handle_wait(outer, EV_EXITED, 0));
    NEED(sys_job_kill(outer));
    NEED(handle_wait(outer, EV_EXITED, 1000 * MS));
    EXPECT(9, sys_process_status(q));
    const handle_t all[] = { outer, inner, p, q };
    for (size_t i = 0; i < 4; i++)
        NEED(sys_handle_close(all[i]));
}

/* ---- the tree ---- */

enum { DEPTH = 32, WIDTH = 3 };

/*
 * From `top` as deep as jobs go, WIDTH of them beside each other on each level, a process in each: killing one in the
 * middle ends all in it, and none beside it or above.
 */
static void killing_part_of_the_tree(void)
{
    handle_t top = stress_job(), jobs[DEPTH][WIDTH], procs[DEPTH][WIDTH], at = top;
    uint64_t pids[DEPTH * WIDTH + 1];
    struct job_info info;
    int depth = 0;

    for (; depth < DEPTH; depth++) {
        handle_t first = sys_job_create(at);
        if (first < 0)
            break;
        for (int i = 0; i < WIDTH; i++) {
            jobs[depth][i] = i == 1 ? first : NEED_HANDLE(sys_job_create(at));
            procs[depth][i] = NEED_HANDLE(sys_process_create(jobs[depth][i], "p", 1));
        }
        at = first;
    }
    NEED(sys_job_info(at, &info));
    EXPECT(DEPTH, info.depth);
    EXPECT(-ENOMEM, sys_job_create(at));
    EXPECT(depth * WIDTH, sys_job_list(top, pids, DEPTH * WIDTH + 1));
    for (int i = 1; i < depth * WIDTH; i++)
        EXPECT_TRUE(pids[i - 1] < pids[i]);
    int cut = depth / 2;
    NEED(sys_job_kill(jobs[cut][1]));
    EXPECT((cut + 1) * WIDTH - 1, sys_job_list(top, pids, DEPTH * WIDTH + 1));
    EXPECT(0, sys_job_list(jobs[cut][1], pids, 1));
    for (int d = 0; d < depth; d++)
        for (int i = 0; i < WIDTH; i++) {
            bool inside = d > cut || (d == cut && i == 1);
            NEED(sys_job_info(jobs[d][i], &info));
            EXPECT(inside, info.killed);
            EXPECT(inside ? 9 : -EAGAIN, sys_process_status(procs[d][i]));
        }
    NEED(sys_job_kill(top));
    EXPECT(0, sys_job_list(top, pids, 1));
    for (int d = 0; d < depth; d++)
        for (int i = 0; i < WIDTH; i++) {
            NEED(sys_handle_close(procs[d][i]));
            NEED(sys_handle_close(jobs[d][i]));
        }
    expect_empty(top);
    NEED(sys_handle_close(top));
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return touch_all(8 * MIB);
    if (argc > 2)
        return child(find(argv[1]), strtoull(argv[2], NULL, 10));
    refusals();
    own_limits();
    nested();
    who_pays();
    emptiness();
    killing_part_of_the_tree();
    touching();
    for (size_t i = 0; i < TAKERS; i++)
        at_the_limit(&takers[i]);
    test_mark("JOB: limits ok");
    return 0;
}
