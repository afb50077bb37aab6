/*
 * `test=job.race seed=N count=M`: jobs are killed while threads on other CPUs make jobs and processes in them, give them
 * handles, start them and ask after them, and while what runs in them does the same, computes, sleeps, waits, faults or ends. Each
 * time the whole tree is gone soon, and what it used is given back.
 */
#include <rugo/thread.h>

#include "tests/prog/stress.h"

enum { MAKERS = 3, ROUNDS = 20, PHASES = 5 };

/* ---- what runs in the jobs ---- */

static int idle(void *arg)
{
    (void)arg;
    (void)sys_thread_sleep(INT64_MAX);
    return 0;
}

static struct rng rng;

static uint64_t below(uint64_t n)
{
    return rng_below(&rng, n);
}

static void wait_at_port(void)
{
    handle_t port = sys_port_create(), timer = sys_timer_create();
    struct port_event event;

    (void)sys_port_add(port, timer, EV_TIMER, 1);
    (void)sys_port_wait(port, &event, 1, TIMEOUT_NEVER);
}

static void call_nobody(void)
{
    handle_t ep = sys_endpoint_create(0);
    uint64_t id;
    handle_t s = sys_session_create(ep, 1, 0, &id);

    memset(ipc_buffer(), 0, offsetof(struct ipc_msg, data));
    (void)sys_ipc_call(s, TIMEOUT_NEVER);
}

/* Jobs in jobs and processes that never start, as fast as it goes. */
static void make_more(void)
{
    handle_t job = start_handle(START_JOB);

    for (;;) {
        handle_t inner = sys_job_create(job),
                 p = inner < 0 ? inner : sys_process_create(inner, "p", 1);

        if (p >= 0) {
            (void)sys_vm_map(p, 0, PAGE_SIZE, VM_READ | VM_WRITE, 0);
            (void)sys_process_grant(p, inner, RIGHT_INSPECT | RIGHT_MANAGE, 0, 0);
            (void)sys_thread_spawn(p, 4096, 4096, 0, 0, 0); /* faults */
        }
        if (below(2) && p >= 0)
            (void)sys_handle_close(p);
        if (inner >= 0)
            (void)sys_handle_close(inner);
    }
}

static int child(uint64_t seed)
{
    static struct thread threads[4];

    rng.state = seed;
    for (uint64_t n = below(4); n > 0; n--)
        (void)thread_start(&threads[n], idle, NULL, PAGE_SIZE);
    switch (below(7)) {
    case 0: return 0;
    case 1: wait_at_port(); break;
    case 2: call_nobody(); break;
    case 3: make_more(); break;
    case 4: *(volatile char *)(uintptr_t)(16 + below(16)) = 1; break;
    case 5: (void)sys_thread_sleep((int64_t)below(3 * MS)); return 0;
    }
    for (;;)
        ;
}

/* ---- who makes them ---- */

static handle_t job; /* of this round */
static volatile bool stop;

struct maker {
    struct thread thread;
    struct rng rng;
    uint64_t made;
};

/* What the calls may say while the job is being killed. */
static bool fair(int64_t st)
{
    return st >= 0 || st == -ESRCH || st == -ENOMEM || st == -EAGAIN || st == -EREMOTEIO;
}

static int expect_fair(int64_t st, const char *what)
{
    if (!fair(st))
        test_fail(__FILE__, __LINE__, what, st, 0);
    return (int)st;
}

static const struct initrd_file *own_image(void)
{
    static struct initrd_file image;
    static struct initrd rd;

    if (rd.data == NULL) {
        NEED(shm_attach(start_handle(START_INITRD), VM_READ, (void **)&rd.data, &rd.size));
        EXPECT_TRUE(initrd_find(&rd, "test/job_race", &image));
    }
    return &image;
}

static handle_t spawn_into(struct maker *m, handle_t where)
{
    char seed[24];
    char *argv[] = { "job_race", seed, NULL };
    struct spawn_handle own = { START_JOB, where, RIGHT_SAME };
    struct spawn_args args = { .job = where,
                               .argv = argv,
                               .handles = &own,
                               .nhandles = 1,
                               .fds = { HANDLE_NONE, HANDLE_NONE, HANDLE_NONE } };
    handle_t p = HANDLE_NONE;

    snprintf(seed, sizeof seed, "%llu", (unsigned long long)(rng_next(&m->rng) | 1));
    int st = expect_fair(spawn_image(&args, own_image()->data, own_image()->size, &p), "spawn");
    m->made += st == 0;
    return st == 0 ? p : HANDLE_NONE;
}

/* Meddle with a process that may be ending. */
static void meddle(struct maker *m, handle_t p)
{
    struct process_info info;
    handle_t thread;

    switch (rng_below(&m->rng, 6)) {
    case 0: (void)expect_fair(sys_process_kill(p, 9), "process_kill"); break;
    case 1:
        (void)expect_fair(sys_process_grant(p, job, RIGHT_INSPECT, 0, 0), "process_grant");
        break;
    case 2: (void)expect_fair(sys_vm_map(p, 0, PAGE_SIZE, VM_READ, 0), "vm_map"); break;
    case 3: NEED(sys_process_info(p, &info)); break;
    case 4:
        thread = sys_thread_spawn(p, 4096, 4096, 0, 0, 0);
        if (expect_fair(thread, "thread_spawn") >= 0)
            (void)sys_handle_close(thread);
        break;
    }
}

static int make(void *arg)
{
    struct maker *m = arg;

    while (!stop) {
        handle_t inner = sys_job_create(job);
        handle_t where = expect_fair(inner, "job_create") >= 0 ? inner : job;
        handle_t p = spawn_into(m, where);

        if (p != HANDLE_NONE) {
            meddle(m, p);
            (void)sys_handle_close(p);
        }
        if (inner >= 0)
            (void)sys_handle_close(inner);
    }
    return 0;
}

static void expect_empty(void)
{
    struct job_info info;
    uint64_t left = 1;

    for (int i = 0; i < 1000 && left != 0; i++) {
        NEED(sys_job_info(job, &info));
        left = info.processes;
        for (uint32_t kind = 0; kind < JOB_KINDS; kind++)
            left |= info.used[kind];
        if (left != 0)
            NEED(sys_thread_sleep(5 * MS));
    }
    EXPECT(0, info.processes);
    for (uint32_t kind = 0; kind < JOB_KINDS; kind++)
        EXPECT(0, info.used[kind]);
}

static uint64_t round_of(struct maker *makers)
{
    uint64_t made = 0;

    job = stress_job();
    NEED(sys_job_limit(job, JOB_PROCESSES, 60));
    stop = false;
    for (int i = 0; i < MAKERS; i++)
        NEED(thread_start(&makers[i].thread, make, &makers[i], 0));
    NEED(sys_thread_sleep((int64_t)below(20 * MS)));
    NEED(sys_job_kill(job));
    NEED(sys_thread_sleep((int64_t)below(1 * MS)));
    stop = true;
    for (int i = 0; i < MAKERS; i++) {
        NEED(thread_join(&makers[i].thread, NULL));
        made += makers[i].made;
        makers[i].made = 0;
    }
    NEED(handle_wait(job, EV_EXITED, 10000 * MS));
    expect_empty();
    NEED(sys_handle_close(job));
    return made;
}

/* Rounds; how many processes they made. */
static uint64_t rounds_of(struct maker *makers, uint64_t rounds)
{
    uint64_t made = 0;

    for (uint64_t i = 0; i < rounds; i++)
        made += round_of(makers);
    return made;
}

int main(int argc, char **argv)
{
    static struct maker makers[MAKERS];
    struct machine_info before, now;
    uint64_t made = 0, rounds = stress_option("count", ROUNDS);

    if (argc > 1)
        return child(strtoull(argv[1], NULL, 10));
    rng.state = stress_option("seed", 1) | 1;
    for (int i = 0; i < MAKERS; i++)
        makers[i].rng.state = rng_next(&rng) | 1;
    (void)own_image();
    /* The table of our own handles grows to what was open at once: what leaks is missing each time. */
    for (int phase = 0; phase < PHASES; phase++) {
        stress_settled(&before);
        made += rounds_of(makers, rounds);
        if (stress_left(&before, &now) == NULL)
            break;
    }
    stress_same(&before);
    printf("job_race: %llu processes\n", (unsigned long long)made);
    EXPECT_TRUE(made >= rounds / 2);
    test_mark("JOB: races ok");
    return 0;
}
