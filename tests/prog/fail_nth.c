/*
 * `test=fail.kernel`, `test=fail.fs`, `test=fail.services`: each operation is done again and again, and its first, second,
 * third … request for kernel memory is refused, until it gets through without a refusal. Each time it ends with an error,
 * and the machine has as much of everything as before.
 */
#include <fcntl.h>
#include <rugo/file.h>
#include <rugo/names.h>
#include <rugo/proto_svcman.h>
#include <rugo/thread.h>
#include <unistd.h>

#include "tests/prog/stress.h"

/* More failures than any operation has places for. */
enum { TOO_MANY = 3000 };

struct operation {
    const char *name;
    int (*run)(void);  /* all of it, and everything given back; 0 or the first error */
    unsigned absorbs; /* how often at most it succeeds though something was refused */
};

/* Whose memory is refused. */
static struct {
    handle_t proc;
    uint32_t flags;
} victim = { HANDLE_SELF, FAIL_THREAD };

/* ---- the same as before, exactly ---- */

/* Services take part: they keep a few pages of what they had to do, and end threads when they get to it. */
static bool services;
enum { PAGES_KEPT = 64 };

static const char *difference(const struct machine_info *before, const struct machine_info *now)
{
    struct machine_info same = *now;

    if (services && now->free_pages + PAGES_KEPT > before->free_pages)
        same.free_pages = before->free_pages;
    return stress_difference(before, &same);
}

/* What ends in its own time is waited for. */
static void same_as(const struct machine_info *before, const char *name, uint32_t nth)
{
    struct machine_info now;
    const char *what;

    stress_totals(&now);
    for (int i = 0; i < 300 && (what = difference(before, &now)) != NULL; i++) {
        NEED(sys_thread_sleep(i < 50 ? MS / 10 : 5 * MS));
        stress_totals(&now);
    }
    what = difference(before, &now);
    if (what == NULL)
        return;
    printf("%s, refusal %u: left over: %s (%d free pages of %d)\n", name, nth, what,
           (int)(now.free_pages - before->free_pages), (int)now.free_pages);
    stress_same(before);
    exit(1);
}

/* ---- the loop ---- */

/* One pass; whether something was refused. */
static bool pass(const struct operation *op, uint32_t nth, unsigned *absorbed)
{
    NEED(sys_debug_fail_nth(victim.proc, nth, victim.flags));
    int st = op->run();
    int64_t result = NEED(sys_debug_fail_nth(victim.proc, 0, 0));
    bool fired = result & FAIL_FIRED;

    if (fired ? st == 0 && *absorbed == op->absorbs : st != 0) {
        printf("%s, refusal %u: %s, %d refused\n", op->name, nth,
               st == 0 ? "success" : strerror(-st), fired);
        fflush(stdout);
        exit(1);
    }
    *absorbed += fired && st == 0;
    return fired;
}

static void try_all(const struct operation *op)
{
    struct machine_info before;
    unsigned absorbed = 0;
    uint32_t nth = 1;

    for (int i = 0; i < 3; i++) /* what is kept for next time is there */
        EXPECT(0, op->run());
    stress_settled(&before);
    while (pass(op, nth, &absorbed)) {
        if (services) /* and they still do what is asked of them */
            EXPECT(0, op->run());
        same_as(&before, op->name, nth);
        EXPECT_TRUE(++nth < TOO_MANY);
    }
    same_as(&before, op->name, nth);
    printf("FAIL: %s: %u refusals, %u of them absorbed\n", op->name, nth - 1, absorbed);
    fflush(stdout);
}

/* Keep the first error. */
static void note(int *st, int64_t result)
{
    if (*st == 0 && result < 0)
        *st = (int)result;
}

static void close_if(handle_t h)
{
    if (h >= 0)
        EXPECT(0, sys_handle_close(h));
}

/* ---- objects ---- */

static int handles(void)
{
    static handle_t copies[300];
    handle_t timer = sys_timer_create();
    int n = 0, st = timer < 0 ? timer : 0;

    while (st == 0 && n < 300) {
        copies[n] = sys_handle_dup(timer, RIGHT_WAIT, n < 150 ? 0 : HANDLE_FD, 10);
        note(&st, copies[n]);
        n += st == 0;
    }
    while (n-- > 0)
        close_if(copies[n]);
    close_if(timer);
    return st;
}

/* Have the kernel write to a page, so that the frame is asked for in a system call. */
static int64_t touch(uintptr_t at)
{
    return sys_machine_info(start_handle(START_MACHINE), (struct machine_info *)at);
}

static int memory_object(void)
{
    handle_t shm = sys_shm_create(64 * PAGE_SIZE, 0);
    int64_t at =
        shm < 0 ? shm : sys_shm_map(HANDLE_SELF, shm, 0, 64 * PAGE_SIZE, 0, VM_READ | VM_WRITE);
    int st = at < 0 ? (int)at : 0;

    for (uint64_t page = 0; st == 0 && page < 64; page += 15)
        note(&st, touch((uintptr_t)at + page * PAGE_SIZE));
    if (at > 0)
        NEED(sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, 64 * PAGE_SIZE));
    close_if(shm);
    return st;
}

/* At an address of its own, so that each pass needs the same page tables; the first one leaves them there. */
static int mapping(void)
{
    const uintptr_t at = 0x123400000000;
    static char text[PAGE_SIZE];
    int64_t got = sys_vm_map(HANDLE_SELF, at, 32 * PAGE_SIZE, VM_READ | VM_WRITE, VM_FIXED);
    int st = got < 0 ? (int)got : 0;

    for (uint64_t page = 0; st == 0 && page < 32; page += 7)
        note(&st, sys_process_write(HANDLE_SELF, at + page * PAGE_SIZE, text, PAGE_SIZE));
    if (st == 0)
        note(&st, sys_vm_protect(HANDLE_SELF, at + 8 * PAGE_SIZE, 8 * PAGE_SIZE, VM_READ));
    if (st == 0)
        note(&st, sys_vm_unmap(HANDLE_SELF, at + 20 * PAGE_SIZE, PAGE_SIZE));
    if (got > 0)
        NEED(sys_vm_unmap(HANDLE_SELF, at, 32 * PAGE_SIZE));
    return st;
}

static int port(void)
{
    handle_t port = sys_port_create(), timer[3];
    struct port_event event;
    int st = port < 0 ? port : 0;

    for (int i = 0; i < 3; i++) {
        timer[i] = st == 0 ? sys_timer_create() : -1;
        if (st == 0)
            note(&st, timer[i]);
        if (st == 0)
            note(&st, sys_port_add(port, timer[i], EV_TIMER, 7));
        if (st == 0)
            note(&st, sys_timer_set(timer[i], 1, 0));
    }
    for (int i = 0; i < 3 && st == 0; i++)
        note(&st, sys_port_wait(port, &event, 1, TIMEOUT_NEVER));
    if (st == 0)
        note(&st, sys_port_del(port, timer[0]));
    for (int i = 0; i < 3; i++)
        close_if(timer[i]);
    close_if(port);
    return st;
}

static int pipe_ends(void)
{
    static char text[3 * PAGE_SIZE];
    struct pipe_ends ends;
    int st = sys_pipe_create(0, &ends);

    if (st != 0)
        return st;
    int64_t n = sys_pipe_write(ends.write_end, text, sizeof(text));
    note(&st,
         n >= 0 && n < (int64_t)sizeof(text) ? -ENOMEM : n); /* less is what there was memory for */
    if (n > 0)
        note(&st, sys_pipe_read(ends.read_end, text, sizeof(text)) - n);
    close_if(ends.read_end);
    close_if(ends.write_end);
    return st;
}

/* Reserved, made usable in part, given up, and unmapped. */
static int reservation(void)
{
    const uintptr_t at = 0x123500000000;
    int64_t got = sys_vm_reserve(HANDLE_SELF, at, 512 * PAGE_SIZE, VM_FIXED);
    int st = got < 0 ? (int)got : 0;

    if (st == 0)
        note(&st, sys_vm_commit(HANDLE_SELF, at + 8 * PAGE_SIZE, 8 * PAGE_SIZE));
    if (st == 0)
        note(&st, touch(at + 8 * PAGE_SIZE));
    if (st == 0)
        note(&st, sys_vm_decommit(HANDLE_SELF, at + 8 * PAGE_SIZE, 4 * PAGE_SIZE));
    if (st == 0)
        note(&st, touch(at + 8 * PAGE_SIZE));
    if (got > 0)
        NEED(sys_vm_unmap(HANDLE_SELF, at, 512 * PAGE_SIZE));
    return st;
}

static int resized_object(void)
{
    handle_t shm = sys_shm_create(PAGE_SIZE, 0);
    int64_t at = shm < 0 ? shm : sys_shm_resize(shm, 600 * PAGE_SIZE);
    int st = at < 0 ? (int)at : 0;

    at = st == 0 ? sys_shm_map(HANDLE_SELF, shm, 0, 600 * PAGE_SIZE, 0, VM_READ | VM_WRITE) : st;
    note(&st, at);
    if (st == 0)
        note(&st, touch((uintptr_t)at + 599 * PAGE_SIZE));
    if (at > 0) {
        EXPECT(0, sys_shm_resize(shm, PAGE_SIZE));
        NEED(sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, 600 * PAGE_SIZE));
    }
    close_if(shm);
    return st;
}

static int posts(void)
{
    handle_t port = sys_port_create();
    struct port_event events[8];
    int st = port < 0 ? port : 0;

    for (uint64_t token = 1; st == 0 && token <= 3; token++)
        note(&st, sys_port_post(port, token, EV_USER0));
    if (st == 0)
        note(&st, sys_port_wait(port, events, 8, 0));
    close_if(port);
    return st;
}

/* What tells of others needs memory of its own. */
static int looking(void)
{
    static struct thread_info threads[4];
    static struct handle_record records[40];
    static uint64_t pids[300];
    static char text[2 * PAGE_SIZE];
    int st = 0;

    note(&st, sys_job_list(start_handle(START_JOB), pids, 300));
    note(&st, sys_process_threads(HANDLE_SELF, 0, threads, 4));
    note(&st, sys_process_handles(HANDLE_SELF, 0, records, 40));
    note(&st, sys_random(text, sizeof(text)));
    note(&st, sys_debug_write(start_handle(START_LOG), text, 0));
    return st;
}

static int trace(void)
{
    handle_t job = sys_job_create(start_handle(START_JOB)), proc = -1, trace = -1;
    struct trace_record record;
    uint64_t lost;
    int st = job < 0 ? job : 0;

    if (st == 0) {
        proc = sys_process_create(job, "traced", 6);
        note(&st, proc);
    }
    if (st == 0) {
        trace = sys_trace_create(proc, 100, 0);
        note(&st, trace);
    }
    if (st == 0) {
        int got = (int)sys_trace_read(trace, &record, 1, &lost, 0);
        st = got == -ETIMEDOUT ? 0 : got;
    }
    close_if(trace);
    close_if(proc);
    close_if(job);
    return st;
}

/* ---- messages ---- */

static void prepare(struct ipc_msg *m, const handle_t *what, uint32_t n)
{
    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = 256;
    m->nhandles = n;
    for (uint32_t i = 0; i < n; i++)
        m->handles[i] = what[i];
}

/* Close what a message brought; a handle that there was no room for is an error in its place. */
static void take(struct ipc_msg *m, int *st)
{
    for (uint32_t i = 0; i < m->nhandles; i++) {
        note(st, m->handles[i]);
        close_if(m->handles[i]);
    }
}

static int message(void)
{
    uint64_t id;
    handle_t ep = sys_endpoint_create(0), session = ep < 0 ? ep : sys_session_create(ep, 5, 0, &id);
    handle_t objects[2] = { -1, -1 };
    struct ipc_msg *m = ipc_buffer();
    int st = session < 0 ? session : 0;

    for (int i = 0; i < 2 && st == 0; i++) {
        objects[i] = sys_shm_create(PAGE_SIZE, 0);
        note(&st, objects[i]);
    }
    if (st == 0) {
        prepare(m, objects, 2);
        note(&st, sys_ipc_send(session, IPC_NONBLOCK));
    }
    if (st == 0) {
        note(&st, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
        if (st == 0)
            take(m, &st);
    }
    close_if(objects[0]);
    close_if(objects[1]);
    close_if(session);
    close_if(ep);
    return st;
}

static struct {
    handle_t endpoint, session;
    struct thread thread;
} echo;

/* Gives the handles of each call back to the caller, and copies its buffers. */
static int serve(void *arg)
{
    static char bulk[2 * PAGE_SIZE];
    struct ipc_msg *m = ipc_buffer();

    (void)arg;
    for (;;) {
        if (sys_ipc_recv(echo.endpoint, 0, TIMEOUT_NEVER) != 0)
            return 0;
        uint64_t token = m->token;
        uint32_t n = m->type == IPC_CALL ? m->nhandles : 0;
        handle_t got[IPC_HANDLE_MAX];
        int st = 0;

        if (m->type != IPC_CALL)
            continue;
        memcpy(got, m->handles, sizeof(got));
        note(&st, sys_msg_read(echo.endpoint, token, 0, bulk, sizeof(bulk)));
        note(&st, sys_msg_write(echo.endpoint, token, 0, bulk, sizeof(bulk)));
        for (uint32_t i = 0; i < n; i++)
            note(&st, got[i]);
        prepare(m, got, st == 0 ? n : 0);
        m->data[0] = st != 0;
        st = sys_ipc_reply(echo.endpoint, token);
        if (st != 0) {
            prepare(m, NULL, 0);
            m->data[0] = 1;
            (void)sys_ipc_reply(echo.endpoint, token);
        }
        for (uint32_t i = 0; i < n; i++)
            close_if(got[i]);
    }
}

static void start_server(void)
{
    uint64_t id;

    echo.endpoint = NEED_HANDLE(sys_endpoint_create(0));
    echo.session = NEED_HANDLE(sys_session_create(echo.endpoint, 1, 0, &id));
    NEED(thread_start(&echo.thread, serve, NULL, 0));
}

static int call(void)
{
    static char in[2 * PAGE_SIZE], out[2 * PAGE_SIZE];
    handle_t objects[2] = { sys_shm_create(PAGE_SIZE, 0), sys_timer_create() };
    struct ipc_msg *m = ipc_buffer();
    int st = 0;

    note(&st, objects[0]);
    note(&st, objects[1]);
    if (st == 0) {
        prepare(m, objects, 2);
        m->data[0] = 0;
        m->in_addr = (uintptr_t)in;
        m->out_addr = (uintptr_t)out;
        m->in_len = m->out_len = sizeof(in);
        note(&st, sys_ipc_call(echo.session, TIMEOUT_NEVER));
    }
    if (st == 0) {
        if (m->data[0] != 0)
            st = -EREMOTEIO;
        take(m, &st);
    }
    close_if(objects[0]);
    close_if(objects[1]);
    return st;
}

/* ---- threads and processes ---- */

static int nothing(void *arg)
{
    return arg != NULL;
}

static int thread(void)
{
    struct thread t;
    int result, st = thread_start(&t, nothing, &t, 0);

    if (st == 0) {
        EXPECT(0, thread_join(&t, &result));
        EXPECT(1, result);
    }
    return st;
}

static int process(void)
{
    handle_t job = sys_job_create(start_handle(START_JOB)), proc = -1;
    int st = job < 0 ? job : 0;

    if (st == 0) {
        proc = sys_process_create(job, "victim", 6);
        note(&st, proc);
    }
    if (st == 0)
        note(&st, sys_process_grant(proc, job, RIGHT_INSPECT, 0, 0));
    if (st == 0)
        note(&st, sys_vm_map(proc, 0x10000, 4 * PAGE_SIZE, VM_READ | VM_WRITE, VM_FIXED));
    if (st == 0)
        note(&st, sys_process_write(proc, 0x10800, "two pages", PAGE_SIZE));
    close_if(proc);
    close_if(job);
    return st;
}

static int spawn(void)
{
    static struct initrd rd;
    struct spawn_handle given[] = { { START_LOG, start_handle(START_LOG), RIGHT_SAME } };
    char *argv[] = { "true", NULL };
    struct spawn_args args = { .job = start_handle(START_JOB),
                               .argv = argv,
                               .handles = given,
                               .nhandles = 1,
                               .fds = { HANDLE_NONE, HANDLE_NONE, HANDLE_NONE } };
    struct initrd_file image;
    handle_t proc;
    int status, st;

    if (rd.data == NULL)
        NEED(shm_attach(start_handle(START_INITRD), VM_READ, (void **)&rd.data, &rd.size));
    EXPECT_TRUE(initrd_find(&rd, "bin/true", &image));
    st = spawn_image(&args, image.data, image.size, &proc);
    if (st != 0)
        return st;
    note(&st, process_wait(proc, &status, TIMEOUT_NEVER));
    if (st != 0) { /* what the wait needed was refused: once is enough */
        NEED(process_wait(proc, &status, TIMEOUT_NEVER));
    }
    EXPECT(0, status);
    close_if(proc);
    return st;
}

static const struct operation kernel_operations[] = {
    { "handles", handles, 0 },
    { "memory object", memory_object,
      11 }, /* a touch that was refused for a moment is tried again */
    { "mapping", mapping, 0 },
    { "port", port, 0 },
    { "pipe", pipe_ends, 2 }, /* what a page is missing for is tried again */
    { "reservation", reservation, 2 },
    { "resized object", resized_object, 7 },
    { "posts", posts, 0 },
    { "looking", looking, 0 },
    { "trace", trace, 0 },
    { "message", message, 0 },
    { "call", call, 0 },
    { "thread", thread, 2 }, /* a guard page can be had in two ways */
    { "process", process, 0 },
    { "spawn", spawn, 0 },
};

static void try_kernel(void)
{
    start_server();
    for (size_t i = 0; i < sizeof(kernel_operations) / sizeof(kernel_operations[0]); i++)
        try_all(&kernel_operations[i]);
    /* The same call, with the server refused as well. */
    victim.flags = 0;
    try_all(&(const struct operation){ "call, both sides", call, 0 });
}

/* ---- files, by way of fsd ---- */

static int file(void)
{
    static char text[3000];
    int fd = open("/written", O_RDWR | O_CREAT | O_TRUNC, 0644), st = fd < 0 ? -errno : 0;

    if (st == 0 && write(fd, text, sizeof(text)) != sizeof(text))
        st = -errno;
    if (st == 0 && fsync(fd) != 0)
        st = -errno;
    if (st == 0 && pread(fd, text, sizeof(text), 0) != sizeof(text))
        st = -errno;
    if (fd >= 0)
        EXPECT(0, close(fd));
    if (st == 0 && unlink("/written") != 0)
        st = -errno;
    return st;
}

/* ---- services ---- */

/* A running service's process, to do as we like with. */
static handle_t process_of(const char *name)
{
    static uint64_t pids[256];
    handle_t root = start_handle(START_ROOT_JOB);
    int64_t n = NEED(sys_job_list(root, pids, 256));
    struct process_info info;

    for (int64_t i = 0; i < n && i < 256; i++) {
        handle_t proc = sys_process_open(root, pids[i], RIGHT_MANAGE | RIGHT_INSPECT);
        if (proc < 0)
            continue;
        NEED(sys_process_info(proc, &info));
        if (strcmp((char *)info.name, name) == 0)
            return proc;
        close_if(proc);
    }
    printf("no process is called %s\n", name);
    exit(1);
}

static int spawn_by_svcman(void)
{
    static const char args[] = "true\0";
    static handle_t file = HANDLE_NONE;
    uint32_t kind;
    handle_t proc;

    if (file == HANDLE_NONE)
        NEED(file_open_path("/stdio", O_RDWR | O_CREAT, 0644, &file, &kind));
    const int fds[3] = { file, file, file };
    int status, st = svcman_spawn(start_handle(START_NAMES), "/boot/bin/true", args, sizeof(args),
                                  fds[0], fds[1], fds[2], &proc);

    if (st != 0)
        return st;
    NEED(process_wait(proc, &status, TIMEOUT_NEVER));
    EXPECT(0, status);
    close_if(proc);
    return 0;
}

static const char *booted;

static bool find_service(struct svc_info *found)
{
    static struct svc_info all[32];
    uint32_t n = 0;

    NEED(svcman_list(start_handle(START_NAMES), all, sizeof(all), &n));
    for (uint32_t i = 0; i < n && i < 32; i++) {
        if (strcmp((char *)all[i].name, booted) == 0) {
            *found = all[i];
            return true;
        }
    }
    return false;
}

/* Deaths of a service further apart than this do not make svcman give it up (limit = 5 in 10). */
#define DEATHS_APART (2100 * MS)

/* A service stops and starts again; whoever asks for a session of it gets one. */
static int boot(void)
{
    struct svc_info info;
    handle_t session;

    NEED(sys_thread_sleep(DEATHS_APART));
    EXPECT_TRUE(find_service(&info));
    uint64_t before = info.pid;
    int st = svcman_restart(start_handle(START_NAMES), booted);

    if (st != 0)
        return st;
    do {
        NEED(sys_thread_sleep(MS));
        EXPECT_TRUE(find_service(&info));
        if (info.state == SVC_FAILED || info.state == SVC_STOPPED)
            return -ECHILD;
    } while (info.state != SVC_RUNNING || info.pid == before || info.pid == 0);
    st = name_connect_new(booted, &session);
    if (st == 0)
        close_if(session);
    return st;
}

static void try_boot(const char *name, const char *how, uint32_t flags)
{
    char text[64];

    booted = name;
    victim.flags = flags;
    snprintf(text, sizeof(text), "boot of %s, %s refused", name, how);
    try_all(&(const struct operation){ text, boot, TOO_MANY });
}

/* What the call itself refuses. */
static void try_rules(void)
{
    handle_t job = NEED_HANDLE(sys_job_create(start_handle(START_JOB)));
    handle_t other = NEED_HANDLE(sys_process_create(job, "other", 5));
    handle_t seen = NEED_HANDLE(sys_handle_dup(other, RIGHT_INSPECT, 0, 0));

    EXPECT(-EBADF, sys_debug_fail_nth(seen + 1000, 1, 0));
    EXPECT(-ENODEV, sys_debug_fail_nth(job, 1, 0));
    EXPECT(-EACCES, sys_debug_fail_nth(seen, 1, 0));
    EXPECT(-EINVAL, sys_debug_fail_nth(other, 1, 4));
    EXPECT(-EINVAL, sys_debug_fail_nth(other, 1, FAIL_THREAD));
    EXPECT(-EINVAL, sys_debug_fail_nth(HANDLE_SELF, 1, FAIL_THREAD | FAIL_CHILD));
    NEED(sys_debug_fail_nth(other, 1, 0)); /* it does nothing, so nothing is refused */
    close_if(NEED_HANDLE(sys_timer_create()));
    EXPECT(0, sys_debug_fail_nth(HANDLE_SELF, 2, FAIL_THREAD));
    close_if(NEED_HANDLE(sys_timer_create()));
    EXPECT(-ENOMEM, sys_timer_create());
    close_if(NEED_HANDLE(sys_timer_create()));
    EXPECT_TRUE(NEED(sys_debug_fail_nth(HANDLE_SELF, 0, 0)) & FAIL_FIRED);
    EXPECT(0, sys_debug_fail_nth(HANDLE_SELF, 0, 0));
    close_if(seen);
    close_if(other);
    close_if(job);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (sys_debug_fail_nth(HANDLE_SELF, 0, 0) == -EOPNOTSUPP) {
        printf("this kernel refuses no memory on demand\n");
        return 1;
    }
    if (strcmp(what, "kernel") == 0) {
        try_rules();
        try_kernel();
    }
    services = true;
    if (strcmp(what, "fs") == 0) {
        try_all(&(const struct operation){ "file", file, 0 });
        victim.proc = process_of("fsd");
        victim.flags = 0;
        try_all(&(const struct operation){ "file, fsd refused", file, TOO_MANY });
    }
    if (strcmp(what, "services") == 0) {
        victim.proc = process_of("svcman");
        victim.flags = 0;
        try_all(&(const struct operation){ "spawn, svcman refused", spawn_by_svcman, TOO_MANY });
        try_boot("console", "svcman", 0);
        try_boot("console", "it", FAIL_CHILD);
        try_boot("fsd", "svcman", 0);
        try_boot("fsd", "it", FAIL_CHILD);
    }
    printf("FAIL: %s ok nonce=%s secret=%s\n", what, test_nonce(), test_secret);
    return 0;
}
