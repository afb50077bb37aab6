/*
 * `test=stress.hostile`: what a hostile program would try on purpose. Each attack is made by a child in a deep
 * job; it says by its status whether the kernel did what the contract says, and leaves nothing behind.
 */
#include <rugo/thread.h>

#include "tests/prog/stress.h"

enum { ALL_SESSION = RIGHT_SEND | RIGHT_DUP | RIGHT_TRANSFER | RIGHT_WAIT };

static handle_t make_session(handle_t ep, uint64_t badge)
{
    uint64_t id;

    return sys_session_create(ep, badge, 0, &id);
}

static struct ipc_msg *message(uint32_t len)
{
    struct ipc_msg *m = ipc_buffer();

    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = len;
    return m;
}

/* ---- a full handle table ---- */

static volatile bool ran;

static int note_run(void *arg)
{
    (void)arg;
    ran = true;
    return 0;
}

/* What fails for want of a handle leaves nothing: no notice of a session, no thread that runs. */
static int full_table(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), last = HANDLE_NONE, h;
    static char stack[PAGE_SIZE];

    (void)ipc_buffer();
    while ((h = sys_handle_dup(ep, RIGHT_WAIT, 0, 0)) >= 0)
        last = h;
    EXPECT(-EMFILE, h);
    for (int i = 0; i < 3; i++)
        EXPECT(-EMFILE, make_session(ep, 7));
    EXPECT(-EMFILE, sys_thread_spawn(HANDLE_SELF, (uintptr_t)note_run,
                                     (uintptr_t)stack + sizeof(stack), 0, 0, 0));
    EXPECT(-EMFILE, sys_process_create(start_handle(START_JOB), "none", 4));
    EXPECT(-EMFILE, sys_shm_create(1, 0));
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    NEED(sys_thread_sleep(20 * MS));
    EXPECT_TRUE(!ran);
    NEED(sys_handle_close(last));
    h = NEED_HANDLE(make_session(ep, 8));
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    NEED(sys_handle_close(h));
    NEED(sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(IPC_CLOSED, ipc_buffer()->type);
    EXPECT(8, ipc_buffer()->badge);
    return 0;
}

/* ---- chains ---- */

/* Processes that never ran, each holding the only handle of the next: closing the first ends all. */
static int process_chain(void)
{
    enum { LENGTH = 300 };
    handle_t job = start_handle(START_JOB), inner = NEED_HANDLE(sys_process_create(job, "p", 1));

    for (int i = 0; i < LENGTH; i++) {
        handle_t outer = NEED_HANDLE(sys_process_create(job, "p", 1));

        NEED(sys_process_grant(outer, inner, RIGHT_MANAGE | RIGHT_TRANSFER, 0, 0));
        NEED(sys_handle_close(inner));
        inner = outer;
    }
    NEED(sys_handle_close(inner));
    EXPECT(1, sys_job_list(job, (uint64_t[4]){ 0 }, 4));
    return 0;
}

/* The same with endpoints in the tables of processes in the queues of endpoints. */
static int endpoint_chain(void)
{
    enum { LENGTH = 150 };
    handle_t job = start_handle(START_JOB), inner = NEED_HANDLE(sys_process_create(job, "p", 1));

    for (int i = 0; i < LENGTH; i++) {
        handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), s = NEED_HANDLE(make_session(ep, 1));
        struct ipc_msg *m = message(0);

        m->nhandles = 1;
        m->move = 1;
        m->handles[0] = inner;
        NEED(sys_ipc_send(s, IPC_NONBLOCK));
        EXPECT(-EBADF, sys_handle_info(inner));
        inner = NEED_HANDLE(sys_process_create(job, "p", 1));
        NEED(sys_process_grant(inner, ep, RIGHT_RECV, 0, 0));
        NEED(sys_handle_close(s));
        NEED(sys_handle_close(ep));
    }
    NEED(sys_handle_close(inner));
    EXPECT(1, sys_job_list(job, (uint64_t[4]){ 0 }, 4));
    return 0;
}

/* An endpoint's handle does not travel, with whatever rights. */
static int own_queue(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), s = NEED_HANDLE(make_session(ep, 1));
    struct ipc_msg *m = message(0);

    m->nhandles = 1;
    m->handles[0] = NEED_HANDLE(sys_handle_dup(ep, RIGHT_TRANSFER, 0, 0));
    EXPECT(-EPERM, sys_ipc_send(s, IPC_NONBLOCK));
    EXPECT(-EPERM, sys_ipc_call(s, 1 * MS));
    return 0;
}

/* ---- messages ---- */

/* One-way messages carry as much as others, and the last notice comes after them. */
static int last_notice(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), s = NEED_HANDLE(make_session(ep, 5));
    struct ipc_msg *m = message(IPC_DATA_MAX);

    memset(m->data, 'm', IPC_DATA_MAX);
    m->nhandles = 1;
    m->handles[0] = s;
    NEED(sys_ipc_send(s, 0));
    message(IPC_DATA_MAX + 1);
    EXPECT(-E2BIG, sys_ipc_send(s, 0));
    for (int i = 1; i < IPC_SEND_CREDIT; i++) {
        message(0);
        NEED(sys_ipc_send(s, IPC_NONBLOCK));
    }
    EXPECT(-EAGAIN, sys_ipc_send(s, IPC_NONBLOCK));
    NEED(sys_handle_close(s));
    NEED(sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(IPC_DATA_MAX, m->len);
    EXPECT('m', m->data[IPC_DATA_MAX - 1]);
    EXPECT(1, m->nhandles); /* the session itself: it is open as long as that */
    s = m->handles[0];
    for (int i = 1; i < IPC_SEND_CREDIT; i++) {
        NEED(sys_ipc_recv(ep, IPC_NONBLOCK, 0));
        EXPECT(IPC_SEND, m->type);
    }
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    NEED(sys_handle_close(s));
    NEED(sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(IPC_CLOSED, m->type);
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    return 0;
}

struct sleeper {
    handle_t h;
    int result;
};

static int call_long(void *arg)
{
    struct sleeper *s = arg;

    message(0);
    s->result = sys_ipc_call(s->h, TIMEOUT_NEVER);
    return 0;
}

/* A call under way keeps its session open though its handle is gone: the notice comes after the answer. */
static int call_outlives_handle(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    struct sleeper s = { NEED_HANDLE(make_session(ep, 5)), 1 };
    struct ipc_msg *m = message(0);
    struct thread t;

    NEED(thread_start(&t, call_long, &s, 0));
    NEED(sys_ipc_recv(ep, 0, 5000 * MS));
    EXPECT(IPC_CALL, m->type);
    uint64_t token = m->token;
    NEED(sys_handle_close(s.h));
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    message(0);
    NEED(sys_ipc_reply(ep, token));
    NEED(sys_ipc_recv(ep, 0, 5000 * MS));
    EXPECT(IPC_CLOSED, m->type);
    NEED(thread_join(&t, NULL));
    EXPECT(0, s.result);
    return 0;
}

/* Thousands of sessions with messages end soon, and the machine is there meanwhile. */
static int many_sessions(void)
{
    enum { SESSIONS = 6000 };
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));

    for (int i = 0; i < SESSIONS; i++) {
        handle_t s = NEED_HANDLE(make_session(ep, 1));

        message(0);
        NEED(sys_ipc_send(s, IPC_NONBLOCK));
        if (i % 2)
            NEED(sys_handle_close(s));
    }
    NEED(sys_handle_close(ep));
    return 0;
}

/* ---- threads against each other ---- */

static volatile bool stop;
static handle_t shared_handle, shared_port, shared_ep;
static uintptr_t arena;

enum { ARENA = 64 * PAGE_SIZE };

static int mapper(void *arg)
{
    struct rng r = { (uint64_t)(uintptr_t)arg };

    while (!stop) {
        uintptr_t at = arena + rng_below(&r, ARENA / PAGE_SIZE) * PAGE_SIZE;
        size_t len = (1 + rng_below(&r, 24)) * PAGE_SIZE;

        if (rng_below(&r, 2))
            (void)sys_vm_unmap(HANDLE_SELF, at, len);
        else if (sys_vm_map(HANDLE_SELF, at, len, VM_READ | VM_WRITE, VM_FIXED) > 0)
            (void)sys_vm_protect(HANDLE_SELF, at, PAGE_SIZE, (uint32_t)rng_below(&r, 4));
    }
    return 0;
}

/* Duplicates a session while it is closed, waits at a port while it is closed, registers and unregisters. */
static int juggler(void *arg)
{
    struct rng r = { (uint64_t)(uintptr_t)arg };
    struct port_event events[4];

    while (!stop) {
        handle_t s = shared_handle, p = shared_port, d;

        switch (rng_below(&r, 6)) {
        case 0:
            if ((d = sys_handle_dup(s, ALL_SESSION, 0, 0)) >= 0)
                (void)sys_handle_close(d);
            break;
        case 1:
            (void)sys_handle_close(s);
            shared_handle = make_session(shared_ep, 1);
            break;
        case 2:
            (void)sys_handle_close(p);
            shared_port = sys_port_create();
            break;
        case 3: (void)sys_port_add(p, s, EV_READABLE, 1); break;
        case 4: (void)sys_port_del(p, s); break;
        default:
            (void)sys_port_wait(p, events, 4, 0);
            (void)sys_ipc_recv(shared_ep, IPC_NONBLOCK, 0);
            break;
        }
    }
    return 0;
}

static int against_each_other(int (*fn)(void *))
{
    struct thread threads[4];

    for (int i = 0; i < 4; i++)
        NEED(thread_start(&threads[i], fn, (void *)(uintptr_t)(stress_now() | 1), 0));
    NEED(sys_thread_sleep(400 * MS));
    stop = true;
    for (int i = 0; i < 4; i++)
        NEED(thread_join(&threads[i], NULL));
    return 0;
}

static int unmap_race(void)
{
    arena = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0x300000000000, ARENA, VM_READ | VM_WRITE, 0));
    return against_each_other(mapper);
}

static int close_race(void)
{
    shared_ep = NEED_HANDLE(sys_endpoint_create(0));
    shared_handle = NEED_HANDLE(make_session(shared_ep, 1));
    shared_port = NEED_HANDLE(sys_port_create());
    return against_each_other(juggler);
}

static int receive_long(void *arg)
{
    struct sleeper *s = arg;

    (void)ipc_buffer();
    s->result = sys_ipc_recv(s->h, 0, TIMEOUT_NEVER);
    return 0;
}

static int wait_long(void *arg)
{
    struct port_event event;
    struct sleeper *s = arg;

    s->result = (int)sys_port_wait(s->h, &event, 1, TIMEOUT_NEVER);
    return 0;
}

/* Who sleeps on what is closed wakes with an error. */
static int closed_asleep(void)
{
    struct sleeper r = { NEED_HANDLE(sys_endpoint_create(0)), 1 },
                   w = { NEED_HANDLE(sys_port_create()), 1 };
    struct thread a, b;

    NEED(thread_start(&a, receive_long, &r, 0));
    NEED(thread_start(&b, wait_long, &w, 0));
    NEED(sys_thread_sleep(20 * MS));
    NEED(sys_handle_close(r.h));
    NEED(sys_handle_close(w.h));
    NEED(thread_join(&a, NULL));
    NEED(thread_join(&b, NULL));
    EXPECT(-EPIPE, r.result);
    EXPECT(-EBADF, w.result);
    return 0;
}

/* ---- memory and time ---- */

/* The kernel may not read for a program what the program may not read. */
static int no_access(void)
{
    uintptr_t at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, PAGE_SIZE, VM_READ | VM_WRITE, 0));
    char name[] = "name";

    memcpy((char *)at, name, sizeof(name));
    NEED(sys_vm_protect(HANDLE_SELF, at, PAGE_SIZE, 0));
    EXPECT(-EFAULT, sys_process_create(start_handle(START_JOB), (char *)at, 4));
    NEED(sys_vm_protect(HANDLE_SELF, at, PAGE_SIZE, VM_READ));
    EXPECT(0, memcmp((char *)at, name, sizeof(name)));
    return 0;
}

/* Timers that fire all the time, and many with one deadline: this thread still gets on. */
static int timer_storm(void)
{
    enum { TIMERS = 3000 };
    uint64_t soon = stress_now() + 100 * MS, begin, n = 0;
    handle_t first = HANDLE_NONE;

    for (int i = 0; i < TIMERS; i++) {
        handle_t t = NEED_HANDLE(sys_timer_create());

        first = i == 0 ? t : first;
        NEED(sys_timer_set(t, i % 2 ? (int64_t)soon : (int64_t)stress_now(), i % 2 ? 0 : 1));
    }
    begin = stress_now();
    while (stress_now() - begin < 300 * (uint64_t)MS)
        n++;
    EXPECT_TRUE(n > 1000);
    NEED(handle_wait(first, EV_TIMER, 5000 * MS));
    return 0;
}

/* No sleep and no timer ends before its time. */
static int never_early(void)
{
    handle_t timer = NEED_HANDLE(sys_timer_create());
    struct rng r = { 99 };

    for (int i = 0; i < 60; i++) {
        uint64_t ns = rng_below(&r, 3 * MS), begin = stress_now();

        NEED(sys_thread_sleep((int64_t)ns));
        EXPECT_TRUE(stress_now() - begin >= ns);
        begin = stress_now();
        NEED(sys_timer_set(timer, (int64_t)(begin + ns), 0));
        NEED(handle_wait(timer, EV_TIMER, TIMEOUT_NEVER));
        EXPECT_TRUE(stress_now() - begin >= ns);
    }
    return 0;
}

/* Jobs as deep as they go, with a process at the bottom: listed, found and ended from the top. */
static int job_depth(void)
{
    handle_t job = start_handle(START_JOB), top = NEED_HANDLE(sys_job_create(job)), inner = top,
             next;
    uint64_t pid;

    while ((next = sys_job_create(inner)) >= 0) {
        if (inner != top)
            NEED(sys_handle_close(inner));
        inner = next;
    }
    EXPECT(-ENOMEM, next);
    handle_t p = NEED_HANDLE(sys_process_create(inner, "deep", 4));
    EXPECT(1, sys_job_list(top, &pid, 1));
    handle_t found = NEED_HANDLE(sys_process_open(top, pid, RIGHT_INSPECT));
    NEED(sys_job_kill(top));
    EXPECT(9, sys_process_status(p));
    EXPECT(9, sys_process_status(found));
    EXPECT(-ESRCH, sys_process_create(inner, "late", 4));
    EXPECT(-ESRCH, sys_job_create(inner));
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(void);
} attacks[] = {
    { "full_table", full_table },         { "process_chain", process_chain },
    { "endpoint_chain", endpoint_chain }, { "own_queue", own_queue },
    { "last_notice", last_notice },       { "call_outlives_handle", call_outlives_handle },
    { "many_sessions", many_sessions },   { "unmap_race", unmap_race },
    { "close_race", close_race },         { "closed_asleep", closed_asleep },
    { "no_access", no_access },           { "timer_storm", timer_storm },
    { "never_early", never_early },       { "job_depth", job_depth },
};

enum { ATTACKS = sizeof(attacks) / sizeof(attacks[0]) };

static void run(size_t i)
{
    struct spawn_handle log = { START_LOG, start_handle(START_LOG), RIGHT_SAME };
    char *argv[] = { "stress_hostile", (char *)attacks[i].name, NULL };
    handle_t job = stress_job();
    int status = test_wait(stress_spawn("test/stress_hostile", argv, job, &log, 1));

    NEED(sys_job_kill(job));
    (void)sys_handle_close(job);
    if (status != 0) {
        printf("stress_hostile: %s ended with status 0x%x\n", attacks[i].name, status);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *only = getenv("kind");
    struct machine_info before;

    for (size_t i = 0; argc > 1 && i < ATTACKS; i++)
        if (strcmp(argv[1], attacks[i].name) == 0)
            return attacks[i].fn();
    for (size_t i = 0; i < ATTACKS; i++) {
        if (only != NULL && strcmp(only, attacks[i].name) != 0)
            continue;
        run(i); /* what is made once is made now */
        stress_settled(&before);
        run(i);
        stress_same(&before);
        printf("stress_hostile: %s\n", attacks[i].name);
    }
    test_mark("STRESS: hostile ok");
    return 0;
}
