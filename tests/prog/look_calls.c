/*
 * `test=look.calls`: what the kernel tells of threads, handles and processors, to whom, and what it refuses. With an
 * argument it is a child that ends at once.
 */
#include <rugo/calls.h>
#include <rugo/thread.h>

#include "tests/prog/test.h"

#define BAD_POINTER ((void *)0xffff800000000000u)
#define KERNEL_HALF 0x8000000000000000u

enum { MANY = 200, HOUR_NS = 3600 };

static struct thread_info threads[64];
static struct handle_record records[64];

static handle_t job, machine;

/* A handle of this process to itself with these rights. */
static handle_t self_with(uint32_t rights)
{
    struct process_info info;
    uint64_t pid;

    EXPECT(0, sys_process_info(HANDLE_SELF, &info));
    pid = info.pid;
    return NEED_HANDLE(sys_process_open(job, pid, rights));
}

/* ---- threads ---- */

static const struct thread_info *find_thread(uint64_t id)
{
    int64_t n = NEED(sys_process_threads(HANDLE_SELF, 0, threads, 64));

    for (int64_t i = 0; i < n; i++)
        if (threads[i].id == id)
            return &threads[i];
    return NULL;
}

static uint64_t sleeper_id, caller_id;
static handle_t session;

static int sleeper(void *arg)
{
    (void)arg;
    __atomic_store_n(&sleeper_id, (uint64_t)sys_thread_self(), __ATOMIC_RELEASE);
    (void)sys_thread_sleep(HOUR_NS * 1000 * MS);
    return 0;
}

static int caller(void *arg)
{
    (void)arg;
    ipc_buffer()->len = 0;
    ipc_buffer()->nhandles = 0;
    __atomic_store_n(&caller_id, (uint64_t)sys_thread_self(), __ATOMIC_RELEASE);
    return sys_ipc_call(session, TIMEOUT_NEVER);
}

/* Wait until the thread that stores its number there sleeps in the kernel; what is told of it. */
static const struct thread_info *await_blocked(const uint64_t *id)
{
    const struct thread_info *t;

    for (;;) {
        uint64_t number = __atomic_load_n(id, __ATOMIC_ACQUIRE);
        t = number != 0 ? find_thread(number) : NULL;
        if (t != NULL && t->state == RUN_BLOCKED)
            return t;
        (void)sys_yield();
    }
}

static void test_threads(void)
{
    uint64_t me = (uint64_t)sys_thread_self();
    const struct thread_info *t = find_thread(me);
    static struct thread thread; /* it never ends */

    EXPECT_TRUE(t != NULL);
    EXPECT(RUN_RUNNING, t->state);
    EXPECT(0, t->call);
    EXPECT(PLACE_NONE, t->place);
    EXPECT(0, thread_start(&thread, sleeper, NULL, 0));
    t = await_blocked(&sleeper_id);
    EXPECT(SYS_thread_sleep, t->call);
    EXPECT(HOUR_NS * 1000 * MS, t->args[0]);
    EXPECT_TRUE(t->since_ns <= (uint64_t)sys_time_now(CLOCK_MONOTONIC));
    EXPECT_TRUE(!strcmp(abi_call_find(t->call)->name, "thread_sleep"));
    /* One after the other. */
    EXPECT(0, sys_process_threads(HANDLE_SELF, 0, threads, 0));
    EXPECT(1, sys_process_threads(HANDLE_SELF, 0, threads, 1));
    EXPECT(me, threads[0].id);
    EXPECT(1, sys_process_threads(HANDLE_SELF, me, threads, 64));
    EXPECT(sleeper_id, threads[0].id);
    EXPECT(0, sys_process_threads(HANDLE_SELF, sleeper_id, threads, 64));
    EXPECT(0, sys_process_threads(HANDLE_SELF, UINT64_MAX, threads, 64));
    EXPECT(-EFAULT, sys_process_threads(HANDLE_SELF, 0, BAD_POINTER, 64));
    EXPECT(-EFAULT, sys_process_threads(HANDLE_SELF, 0, NULL, 64));
}

/* ---- handles ---- */

static const struct handle_record *find_handle(handle_t h)
{
    uint32_t from = 0;
    int64_t n;

    while ((n = NEED(sys_process_handles(HANDLE_SELF, from, records, 64))) > 0) {
        for (int64_t i = 0; i < n; i++)
            if (records[i].handle == h)
                return &records[i];
        from = records[n - 1].position + 1;
    }
    return NULL;
}

/* How many handles are told of, asking for at most n at once; each field is looked at. */
static uint32_t count_handles(size_t n)
{
    uint32_t from = 0, count = 0;
    int64_t got;

    while ((got = NEED(sys_process_handles(HANDLE_SELF, from, records, n))) > 0) {
        for (int64_t i = 0; i < got; i++) {
            EXPECT_TRUE(records[i].position >= from);
            EXPECT_TRUE(records[i].object < KERNEL_HALF && records[i].peer < KERNEL_HALF);
            EXPECT_TRUE(records[i].size < KERNEL_HALF && records[i].detail < KERNEL_HALF);
            EXPECT((int64_t)records[i].type << 32 | records[i].rights,
                   sys_handle_info(records[i].handle));
            from = records[i].position + 1;
        }
        count += (uint32_t)got;
    }
    return count;
}

static void test_handles(void)
{
    struct process_info info;
    handle_t shm = NEED_HANDLE(sys_shm_create(5 * PAGE_SIZE + 1, 0)), dup, many[MANY];
    const struct handle_record *r = find_handle(shm);
    uint64_t object;

    EXPECT_TRUE(r != NULL);
    EXPECT(OBJ_SHM, r->type);
    EXPECT(6 * PAGE_SIZE, r->size);
    EXPECT(1, r->handles);
    object = r->object;
    dup = NEED_HANDLE(sys_handle_dup(shm, RIGHT_READ, HANDLE_FD, 700));
    r = find_handle(dup);
    EXPECT_TRUE(r != NULL);
    EXPECT(700, r->position);
    EXPECT(object, r->object);
    EXPECT(RIGHT_READ, r->rights);
    EXPECT(2, r->handles);
    for (int i = 0; i < MANY; i++)
        many[i] = NEED_HANDLE(sys_handle_dup(shm, RIGHT_READ, 0, 0));
    EXPECT(0, sys_process_info(HANDLE_SELF, &info));
    EXPECT(info.handles, count_handles(1));
    EXPECT(info.handles, count_handles(64));
    for (int i = 0; i < MANY; i++)
        EXPECT(0, sys_handle_close(many[i]));
    EXPECT(0, sys_handle_close(dup));
    EXPECT_TRUE(find_handle(dup) == NULL);
    EXPECT(0, sys_handle_close(shm));
    EXPECT_TRUE(find_handle(shm) == NULL);
    EXPECT(0, sys_process_handles(HANDLE_SELF, UINT32_MAX, records, 64));
    EXPECT(0, sys_process_handles(HANDLE_SELF, 0, records, 0));
    EXPECT(-EFAULT, sys_process_handles(HANDLE_SELF, 0, BAD_POINTER, 64));
}

/* ---- who waits for whom ---- */

/* Several calls in one endpoint: each is told where its own is. Long queues are counted up to 1000 only. */
static int call_on(void *arg)
{
    ipc_buffer()->len = 0;
    ipc_buffer()->nhandles = 0;
    return sys_ipc_call(*(handle_t *)arg, TIMEOUT_NEVER);
}

/* How many threads are blocked in calls on these sessions that are at this place. */
static int count_calls(const handle_t *sessions, int n, uint32_t place)
{
    int64_t got = NEED(sys_process_threads(HANDLE_SELF, 0, threads, 64));
    int found = 0;

    for (int64_t i = 0; i < got; i++)
        for (int k = 0; k < n; k++)
            found += threads[i].call == SYS_ipc_call && threads[i].state == RUN_BLOCKED &&
                     threads[i].place == place && (handle_t)threads[i].args[0] == sessions[k];
    return found;
}

static void test_many_calls(void)
{
    enum { CALLERS = 4, LONG = 1000, QUEUES = LONG / IPC_SEND_CREDIT + 1 };
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), way[CALLERS], fill[QUEUES];
    struct thread t[CALLERS];
    uint64_t id;

    for (int i = 0; i < CALLERS; i++) {
        if (i % 2 == 0) /* two of them share a session */
            way[i] = NEED_HANDLE(sys_session_create(ep, 0, 0, &id));
        else
            way[i] = way[i - 1];
        EXPECT(0, thread_start(&t[i], call_on, &way[i], 0));
    }
    const handle_t both[] = { way[0], way[2] };
    while (count_calls(both, 2, PLACE_QUEUED) < CALLERS)
        EXPECT(0, sys_yield());
    EXPECT(CALLERS, find_handle(ep)->size);
    /* A message among the calls of a session, and two of these received. */
    ipc_buffer()->len = 0;
    ipc_buffer()->nhandles = 0;
    EXPECT(0, sys_ipc_send(way[2], 0));
    for (int i = 0; i < 2; i++)
        EXPECT(0, sys_ipc_recv(ep, 0, 0));
    EXPECT(CALLERS - 1, find_handle(ep)->size);
    EXPECT(2, find_handle(ep)->detail);
    EXPECT(CALLERS - 2, count_calls(both, 2, PLACE_QUEUED));
    EXPECT(2, count_calls(both, 2, PLACE_RECEIVED));
    for (int i = 0; i < QUEUES; i++) {
        fill[i] = NEED_HANDLE(sys_session_create(ep, 0, 0, &id));
        for (unsigned k = 0; k < IPC_SEND_CREDIT; k++) {
            ipc_buffer()->len = 0;
            EXPECT(0, sys_ipc_send(fill[i], IPC_NONBLOCK));
        }
    }
    EXPECT(LONG, find_handle(ep)->size);
    EXPECT(0, sys_handle_close(ep));
    for (int i = 0; i < CALLERS; i++) {
        int result;

        EXPECT(0, thread_join(&t[i], &result));
        EXPECT_TRUE(result == -EPIPE || result == -ECONNRESET);
        if (i % 2 == 0)
            EXPECT(0, sys_handle_close(way[i]));
    }
    for (int i = 0; i < QUEUES; i++)
        EXPECT(0, sys_handle_close(fill[i]));
}

static void test_call_place(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    struct thread thread;
    struct handle_record end, way;
    const struct thread_info *t;
    uint64_t id, token;
    int result;

    session = NEED_HANDLE(sys_session_create(ep, 77, 0, &id));
    end = *find_handle(ep);
    way = *find_handle(session);
    EXPECT(end.object, way.peer);
    EXPECT(id, way.detail);
    EXPECT(0, end.size);
    EXPECT(0, thread_start(&thread, caller, NULL, 0));
    t = await_blocked(&caller_id);
    EXPECT(SYS_ipc_call, t->call);
    EXPECT(session, (handle_t)t->args[0]);
    EXPECT(PLACE_QUEUED, t->place);
    EXPECT(end.object, t->endpoint);
    EXPECT(1, find_handle(ep)->size);
    (void)ipc_buffer();
    EXPECT(0, sys_ipc_recv(ep, 0, 0));
    token = ipc_buffer()->token;
    t = find_thread(caller_id);
    EXPECT(PLACE_RECEIVED, t->place);
    EXPECT(end.object, t->endpoint);
    EXPECT(0, find_handle(ep)->size);
    EXPECT(1, find_handle(ep)->detail);
    ipc_buffer()->len = 0;
    ipc_buffer()->nhandles = 0;
    EXPECT(0, sys_ipc_reply(ep, token));
    EXPECT(0, thread_join(&thread, &result));
    EXPECT(0, result);
    while (find_thread(caller_id) !=
           NULL) /* joined when it has left its stack, gone a little later */
        EXPECT(0, sys_yield());
    EXPECT(0, sys_handle_close(session));
    EXPECT(0, sys_handle_close(ep));
}

/* ---- rights ---- */

static void test_rights(void)
{
    handle_t blind = self_with(RIGHT_MANAGE), seeing = self_with(RIGHT_INSPECT);
    handle_t poor = NEED_HANDLE(sys_handle_dup(machine, RIGHT_DUP, 0, 0));

    EXPECT(-EACCES, sys_process_threads(blind, 0, threads, 64));
    EXPECT(-EACCES, sys_process_handles(blind, 0, records, 64));
    EXPECT(-EBADF, sys_process_threads(HANDLE_NONE, 0, threads, 64));
    EXPECT(-EBADF, sys_process_handles(12345, 0, records, 64));
    EXPECT(-ENODEV, sys_process_threads(machine, 0, threads, 64));
    EXPECT(-ENODEV, sys_process_handles(machine, 0, records, 64));
    EXPECT_TRUE(sys_process_threads(seeing, 0, threads, 64) > 0);
    EXPECT_TRUE(sys_process_handles(seeing, 0, records, 64) > 0);
    EXPECT(-EACCES, sys_process_image(seeing, 0x1000));
    EXPECT(-EINVAL, sys_process_image(blind, UINT64_MAX));
    EXPECT(-EINVAL, sys_process_image(blind, USER_MAX));
    EXPECT(-EACCES, sys_machine_cpus(poor, NULL, 0));
    EXPECT(-EACCES, sys_machine_locks(poor, NULL, 0));
    EXPECT(-ENODEV, sys_machine_cpus(seeing, NULL, 0));
    EXPECT(0, sys_handle_close(poor));
    EXPECT(0, sys_handle_close(blind));
    EXPECT(0, sys_handle_close(seeing));
}

/* ---- the dead ---- */

static void test_dead(void)
{
    char *argv[] = { (char *)"test/look_calls", (char *)"end", NULL };
    handle_t child = test_spawn("test/look_calls", argv, NULL, 0);
    int status;

    EXPECT(0, process_wait(child, &status, TIMEOUT_NEVER));
    EXPECT(0, sys_process_threads(child, 0, threads, 64));
    EXPECT(0, sys_process_handles(child, 0, records, 64));
    EXPECT(0, sys_handle_close(child));
}

/* ---- the machine ---- */

static void test_machine(void)
{
    static struct cpu_stats before[64], after[64];
    static struct lock_stats locks[64];
    uint64_t more = 0;
    int64_t n = NEED(sys_machine_cpus(machine, before, 64));
    int64_t rows = NEED(sys_machine_locks(machine, locks, 64));

    EXPECT_TRUE(n >= 1 && n <= 64);
    EXPECT(n, sys_machine_cpus(machine, NULL, 0));
    EXPECT(-EFAULT, sys_machine_cpus(machine, BAD_POINTER, 1));
    for (int i = 0; i < 1000; i++)
        (void)sys_yield();
    EXPECT(n, sys_machine_cpus(machine, after, 64));
    for (int64_t i = 0; i < n; i++)
        more += after[i].syscalls - before[i].syscalls;
    EXPECT_TRUE(more >= 1000);
    EXPECT_TRUE(rows > 10 && rows <= 64);
    EXPECT(rows, sys_machine_locks(machine, NULL, 0));
    EXPECT(-EFAULT, sys_machine_locks(machine, BAD_POINTER, 1));
    for (int64_t i = 0; i < rows; i++) {
        EXPECT(i + 1, locks[i].rank);
        EXPECT_TRUE(locks[i].name[0] != '?' &&
                    locks[i].contended <= locks[i].turns + locks[i].contended);
    }
}

/* ---- the log ---- */

/* Pieces written with levels; what is written in parts of a line is one piece. */
static void test_log(void)
{
    handle_t log = start_handle(START_LOG), deaf;
    struct log_record r[8];
    uint64_t end, me;
    struct process_info info;
    char text[32];

    EXPECT(0, sys_process_info(HANDLE_SELF, &info));
    me = info.pid;
    EXPECT(0, sys_log_read(log, &end, text, 0, UINT64_MAX));
    int64_t before = sys_time_now(CLOCK_MONOTONIC);
    EXPECT(5, sys_log_write(log, LOG_ERR, "LOG: ", 5));
    EXPECT(6, sys_log_write(log, LOG_ERR, "error\n", 6));
    EXPECT(5, sys_log_write(log, LOG_DEBUG, "LOG: ", 5));
    EXPECT(6, sys_log_write(log, LOG_WARNING, "other\n", 6));
    EXPECT(0, sys_log_write(log, LOG_CRIT, "", 0));
    EXPECT(9, sys_debug_write(log, "LOG: one\n", 9));
    EXPECT(4, sys_log_records(log, end, r, 8));
    static const struct {
        uint32_t level, len;
    } want[] = { { LOG_ERR, 11 }, { LOG_DEBUG, 5 }, { LOG_WARNING, 6 }, { LOG_INFO, 9 } };
    uint64_t at = end;
    for (int i = 0; i < 4; at += want[i++].len) {
        EXPECT(want[i].level, r[i].level);
        EXPECT(want[i].len, r[i].len);
        EXPECT(at, r[i].position);
        EXPECT(me, r[i].pid);
        EXPECT_TRUE((int64_t)r[i].time_ns >= before);
    }
    EXPECT(1, sys_log_records(log, end, r, 1));
    EXPECT(4, sys_log_records(log, end + 10, r, 8)); /* in the middle of the first */
    EXPECT(3, sys_log_records(log, end + 11, r, 8));
    EXPECT(0, sys_log_records(log, at, r, 8));
    EXPECT(0, sys_log_records(log, UINT64_MAX, r, 8));
    EXPECT(0, sys_log_records(log, 0, NULL, 0));

    deaf = NEED_HANDLE(sys_handle_dup(log, RIGHT_WRITE, 0, 0));
    EXPECT(-EACCES, sys_log_records(deaf, 0, r, 1));
    EXPECT(-EBADF, sys_log_records(HANDLE_NONE, 0, r, 1));
    EXPECT(-ENODEV, sys_log_records(job, 0, r, 1));
    EXPECT(-EFAULT, sys_log_records(log, 0, BAD_POINTER, 1));
    EXPECT(-EBADF, sys_log_write(HANDLE_NONE, LOG_ERR, "x", 1));
    EXPECT(-ENODEV, sys_log_write(job, LOG_ERR, "x", 1));
    EXPECT(-EINVAL, sys_log_write(log, LOG_DEBUG + 1, "x", 1));
    EXPECT(-EFAULT, sys_log_write(log, LOG_ERR, BAD_POINTER, 1));
    EXPECT(0, sys_handle_close(deaf));
    deaf = NEED_HANDLE(sys_handle_dup(log, RIGHT_READ, 0, 0));
    EXPECT(-EACCES, sys_log_write(deaf, LOG_ERR, "x", 1));
    EXPECT(0, sys_handle_close(deaf));
}

/* More is written than is kept, of text and of pieces: what is told of are whole lines, in order, up to the newest. */
static void test_log_wraps(void)
{
    handle_t log = start_handle(START_LOG);
    enum { LINES = 1100, LEN = 16 };
    static struct log_record r[64];
    char text[LEN + 1];
    uint64_t from = 0, at;
    int64_t n, count = 0;

    for (int i = 0; i < LINES; i++) {
        snprintf(text, sizeof text, "LOG: line %05d\n", i);
        EXPECT(LEN, sys_log_write(log, LOG_NOTICE, text, LEN));
    }
    while ((n = NEED(sys_log_records(log, from, r, 64))) > 0)
        for (int64_t i = 0; i < n; i++, count++) {
            EXPECT_TRUE(r[i].position == from || count == 0);
            EXPECT(LEN, r[i].len);
            EXPECT(LEN, sys_log_read(log, &at, text, LEN, r[i].position));
            from = r[i].position + LEN;
            EXPECT(from, at);
        }
    EXPECT_TRUE(count >= 500 && count < LINES);
    text[LEN - 1] = '\0';
    EXPECT(0, strcmp(text, "LOG: line 01099"));
}

/* ---- jobs ---- */

static struct job_record jobs[8];

/* The jobs below ours, found by number, with their accounts; and who may not look. */
static void test_jobs(void)
{
    handle_t outer = NEED_HANDLE(sys_job_create(job)), inner = NEED_HANDLE(sys_job_create(outer));
    handle_t blind = NEED_HANDLE(sys_handle_dup(outer, RIGHT_MANAGE | RIGHT_DUP, 0, 0)), shut, h;
    handle_t proc = NEED_HANDLE(sys_process_create(inner, "p", 1));
    struct process_info p;
    struct job_info info;

    EXPECT(2, sys_job_jobs(outer, 0, jobs, 8));
    EXPECT(1, sys_job_jobs(outer, 0, jobs, 1));
    uint64_t number = jobs[0].number;
    EXPECT(1, sys_job_jobs(outer, number, jobs + 1, 1));
    EXPECT(0, jobs[0].parent);
    EXPECT(number, jobs[1].parent);
    EXPECT(jobs[0].depth + 1, jobs[1].depth);
    EXPECT_TRUE(number < jobs[1].number);
    EXPECT(1, jobs[0].processes);
    EXPECT(0, jobs[1].killed);
    EXPECT(0, sys_job_jobs(outer, jobs[1].number, jobs + 2, 1));
    EXPECT(0, sys_job_jobs(outer, 0, NULL, 0));
    EXPECT(0, sys_process_info(proc, &p));
    EXPECT(jobs[1].number, p.job);

    h = NEED_HANDLE(sys_job_open(outer, p.job, RIGHT_INSPECT));
    EXPECT(0, sys_job_info(h, &info));
    EXPECT(1, info.used[JOB_PROCESSES]);
    EXPECT(-EACCES, sys_job_limit(h, JOB_THREADS, 1));
    EXPECT(-EACCES, sys_job_open(h, p.job, RIGHT_MANAGE)); /* rights only shrink */
    EXPECT(-ENOENT, sys_job_open(h, number, RIGHT_INSPECT)); /* what is around it */
    EXPECT(0, sys_handle_close(h));
    h = NEED_HANDLE(sys_job_open(job, p.job, RIGHT_MANAGE));
    EXPECT(0, sys_job_limit(h, JOB_THREADS, 7));
    EXPECT(-EACCES, sys_job_info(h, &info));
    EXPECT(0, sys_job_info(inner, &info));
    EXPECT(7, info.limit[JOB_THREADS]);
    EXPECT(0, sys_job_kill(h));
    EXPECT(2, sys_job_jobs(outer, 0, jobs, 8));
    EXPECT(1, jobs[1].killed);
    EXPECT(0, jobs[0].killed);

    EXPECT(-EBADF, sys_job_jobs(HANDLE_NONE, 0, jobs, 1));
    EXPECT(-ENODEV, sys_job_jobs(machine, 0, jobs, 1));
    EXPECT(-EACCES, sys_job_jobs(blind, 0, jobs, 1));
    EXPECT(-EFAULT, sys_job_jobs(outer, 0, BAD_POINTER, 1));
    EXPECT(-EBADF, sys_job_open(HANDLE_NONE, p.job, 0));
    EXPECT(-ENODEV, sys_job_open(machine, p.job, 0));
    EXPECT(-EACCES, sys_job_open(blind, p.job, 0));
    EXPECT(-EINVAL, sys_job_open(outer, p.job, RIGHT_ALL + 1));
    EXPECT(-EACCES, sys_job_open(outer, p.job, RIGHT_SEND));
    EXPECT(-ENOENT, sys_job_open(outer, UINT64_MAX, 0));
    EXPECT(-ENOENT, sys_job_open(outer, 0, 0));
    shut = NEED_HANDLE(sys_job_open(outer, number, 0)); /* itself, and no use */
    EXPECT(-EACCES, sys_job_jobs(shut, 0, jobs, 1));

    const handle_t all[] = { proc, h, inner, blind, shut };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        EXPECT(0, sys_handle_close(all[i]));
    EXPECT(1, sys_job_jobs(outer, 0, jobs, 8)); /* nobody has the other one any more */
    EXPECT(-ENOENT, sys_job_open(outer, p.job, 0));
    EXPECT(0, sys_handle_close(outer));
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1 && !strcmp(argv[1], "end"))
        return 0;
    job = start_handle(START_JOB);
    machine = start_handle(START_MACHINE);
    test_threads();
    test_handles();
    test_call_place();
    test_many_calls();
    test_rights();
    test_dead();
    test_machine();
    test_jobs();
    test_log();
    test_log_wraps();
    test_mark("LOOK: ok");
    return 0;
}
