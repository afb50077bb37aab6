/*
 * `test=stress.syscall seed=N calls=M`: four processes in deep jobs make M random and hostile system calls,
 * made up from abi/syscall.def (stress_calls.h). They end as they will; the parent starts the next ones. What random
 * calls rarely reach is reached by processes with one task each: all calls that end a process, a full handle table.
 * Meanwhile a canary checks its memory and its pace. In the end a table says how often each documented pair of call
 * and result was seen, and nothing may be left of them all.
 */
#include "tests/prog/stress_calls.h"

enum {
    PACE = 2000,   /* calls in which the canary makes at least one round */
    HOSTILE = 4,                        /* processes at the same time */
    SHARE = 20000,                      /* calls of one process */
    STALL = 200,                        /* ms without a call after which it is ended */
    DRY = 4 << 20, /* bytes that a job has whose memory is to run out */
    CROWD = 400,                        /* threads */
    ENDINGS = 6,                        /* tries of each call that ends its process */
};

/* ---- roles of children ---- */

/* Ready to make calls: what is needed for it is where the calls do not find it. */
static struct worker *worker_new(uint64_t seed)
{
    struct worker *w = calloc(1, sizeof(*w));

    EXPECT_TRUE(w != NULL);
    worker_init(w, seed);
    (void)ipc_buffer();
    upcalls_make(w);
    return w;
}

static void make_calls(struct worker *w)
{
    while (__atomic_sub_fetch(&own.left, 1, __ATOMIC_RELAXED) >= 0) {
        if (below(w, 64) == 0)
            no_call(w);
        else
            (void)random_call(w, &call_rows[below(w, CALL_ROWS)]);
    }
}

static int second_worker(void *worker)
{
    struct worker *w = worker_new((uint64_t)(uintptr_t)worker);

    __atomic_store_n(&own.workers[1], (uint64_t)sys_thread_self(), __ATOMIC_RELEASE);
    make_calls(w);
    return 0;
}

static void child_init(struct worker *w, uint64_t seed)
{
    worker_init(w, seed);
    tally_attach();
    arena_make();
    pool_make(w);
}

/* Random calls from two threads; who is first at the end ends both, whatever the other is waiting for. */
static int hostile(uint64_t seed)
{
    static struct thread second;
    struct worker *w = worker_new(seed * 7);

    child_init(w, seed);
    own.left = SHARE;
    own.workers[0] = own.workers[1] = (uint64_t)sys_thread_self();
    helper_start(seed * 5);
    EXPECT(0, thread_start(&second, second_worker, (void *)(uintptr_t)(seed * 3), 0));
    make_calls(w);
    return 0;
}

static bool gives(const struct call_row *row, int error)
{
    for (unsigned i = 0; i < row->nerrors; i++)
        if (row->errors[i] == error)
            return true;
    return false;
}

static int crowd_thread(void *unused)
{
    (void)unused;
    (void)ipc_buffer();
    __atomic_fetch_add(&own.tally->beats, 1, __ATOMIC_RELAXED);
    NEED(sys_thread_sleep(5 * MS));
    return 0;
}

/* As many threads as will ever be here at once: what the kernel makes for them and keeps is made. */
static int crowd(void)
{
    static struct thread threads[CROWD];

    tally_attach();
    for (int i = 0; i < CROWD; i++)
        EXPECT(0, thread_start(&threads[i], crowd_thread, NULL, PAGE_SIZE));
    for (int i = 0; i < CROWD; i++)
        EXPECT(0, thread_join(&threads[i], NULL));
    return 0;
}

/* Random calls of the rows that may give an error. */
static void calls_that_give(struct worker *w, int error, int times)
{
    for (int n = 0; n < times; n++)
        for (const struct call_row *row = call_rows; row < call_rows + CALL_ROWS; row++)
            if (gives(row, error))
                (void)random_call(w, row);
}

static const struct call_row *row_of(uint32_t number)
{
    for (const struct call_row *row = call_rows; row < call_rows + CALL_ROWS; row++)
        if ((uint32_t)row->number + SYS_BASE == number)
            return row;
    EXPECT_TRUE(!"a row with this number");
    return NULL;
}

/* A call of these arguments, counted. */
#define COUNTED(name, ...) make_call(row_of(SYS_##name), (const uint64_t[6]){ __VA_ARGS__ })

/* No room for one more handle. */
static void full(struct worker *w)
{
    while (COUNTED(handle_dup, as_argument(start_handle(START_JOB)), 0, 0, 0) >= 0)
        ;
    calls_that_give(w, EMFILE, 400);
}

/* A thread that never asked for a message buffer. */
static void bare(struct worker *w)
{
    w->bare = true;
    calls_that_give(w, ENOBUFS, 100);
}

/* Devices that the others do not get; more is asked of the disk than it can take at once. */
static void devices(struct worker *w)
{
    uint64_t disk = as_argument(start_handle(START_BLK));
    struct blk_request *read = (void *)w->object;

    for (int n = 0; n < 100; n++) {
        for (const struct call_row *row = call_rows; row < call_rows + CALL_ROWS; row++) {
            uint8_t type = row->args[0].type;

            if (type != OBJ_LOG && type != OBJ_SERIAL && type != OBJ_MACHINE && type != OBJ_BLK)
                continue;
            (void)COUNTED(debug_fail_nth, as_argument(HANDLE_SELF), below(w, 8) == 0, FAIL_THREAD);
            (void)random_call(w, row);
        }
    }
    *read = (struct blk_request){ .op = BLK_READ, .shm = sys_shm_create(PAGE_SIZE, 0), .count = 1 };
    while (COUNTED(blk_submit, disk, (uintptr_t)read) == 0)
        ;
    handle_t line = start_handle(START_SERIAL);

    (void)COUNTED(serial_read, as_argument(line), 0, 0);
    line = NEED_HANDLE(sys_handle_dup(line, RIGHT_READ, 0, 0));
    (void)COUNTED(serial_write, as_argument(line), (uintptr_t)w->text, 1);
}

static void full_pipe(struct worker *w)
{
    struct pipe_ends ends;

    NEED(sys_pipe_create(PIPE_NONBLOCK, &ends));
    while (COUNTED(pipe_write, as_argument(ends.write_end), (uintptr_t)w->text, sizeof(w->text)) >=
           0)
        ;
}

static void no_credit(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    uint64_t s = as_argument(NEED_HANDLE(sys_session_create(ep, 0, 0, &id)));

    memset(ipc_buffer(), 0, sizeof(struct ipc_msg));
    for (int i = 0; i <= IPC_SEND_CREDIT; i++)
        (void)COUNTED(ipc_send, s, IPC_NONBLOCK);
}

/*
 * In a job that may have no more threads. At the end it waits for credit that nobody gives, if it still lives.
 */
static void narrow(struct worker *w)
{
    uint64_t port = as_argument(NEED_HANDLE(sys_port_create())),
             timer = as_argument(NEED_HANDLE(sys_timer_create()));

    full_pipe(w);
    (void)COUNTED(port_add, port, timer, EV_TIMER, 1);
    (void)COUNTED(port_add, port, timer, EV_TIMER, 1);
    (void)COUNTED(port_del, port, timer);
    for (uint64_t token = 0; COUNTED(port_post, port, token, EV_USER0) == 0; token++)
        ;
    (void)COUNTED(job_limit, as_argument(start_handle(START_ROOT_JOB)), JOB_THREADS, 2);
    no_credit();
    for (int i = 0; i < 10; i++)
        (void)random_call(w, row_of(i % 2 ? SYS_thread_create : SYS_thread_spawn));
}

static int thirsty_thread(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&own.hoards, __ATOMIC_RELAXED))
        NEED(sys_thread_sleep(MS / 10));
    (void)COUNTED(msg_buffer, 0);
    return 0;
}

/* When all memory is taken that its job may have. What is needed here is had before. */
static void dry(struct worker *w)
{
    static struct thread thirsty;
    uint64_t home = as_argument(start_handle(START_ROOT_JOB)), pid = 0;
    struct job_record job;
    const size_t most = (size_t)1 << 40;
    uintptr_t at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, most, VM_READ | VM_WRITE, 0));

    (void)ipc_buffer();
    NEED(sys_job_list((handle_t)home, &pid, 1));
    EXPECT(1, sys_job_jobs((handle_t)home, 0, &job, 1));
    EXPECT(0, thread_start(&thirsty, thirsty_thread, NULL, 0));
    while (COUNTED(process_write, as_argument(HANDLE_SELF), at, (uintptr_t)w->text, 1) == 1)
        at += PAGE_SIZE;
    __atomic_store_n(&own.hoards, true, __ATOMIC_RELAXED);
    calls_that_give(w, ENOMEM, 200);
    while (COUNTED(handle_dup, home, 0, 0, 0) >= 0)
        ;
    (void)COUNTED(process_open, home, pid, 0);
    (void)COUNTED(job_open, home, job.number, 0);
}

/* ---- frames that upcall_return refuses or follows ---- */

enum { FPU_SIZE = 832, FRAMES = 2000 };

static struct {
    struct worker *w;
    struct upcall_context context;
    char fpu[FPU_SIZE]; /* at context.fpu */
} frame;

static uint64_t bad_word(struct worker *w, uint64_t word)
{
    switch (below(w, 4)) {
    case 0: return word ^ UINT64_C(1) << below(w, 64);
    case 1: return bad_address(w);
    case 2: return word + below(w, 64);
    default: return rng_next(&w->rng);
    }
}

/* Spoil some of the registers, or of the FPU state's control words and header. */
static void spoil(struct worker *w, struct upcall_context *context)
{
    static const unsigned control[] = { 0, 24, 28, 512, 520, 528, 568 };
    uint64_t *words = (void *)context;

    for (uint64_t n = 1 + below(w, 2); n > 0; n--) {
        uint64_t *word = below(w, 2)
                             ? &words[below(w, sizeof(*context) / sizeof(*words))]
                             : (void *)((char *)(uintptr_t)frame.context.fpu + ANY_OF(w, control));

        *word = bad_word(w, *word);
    }
}

/* As often as it is refused the next one is tried. A fault comes of registers that we have asked for. */
static void frame_entry(uint64_t number, struct upcall_info *info, struct upcall_context *context)
{
    (void)info;
    if (number != handled[0])
        sys_process_exit(0);
    frame.context = *context;
    memcpy(frame.fpu, (void *)(uintptr_t)context->fpu, FPU_SIZE);
    for (int n = 0; n < 16; n++) {
        spoil(frame.w, context);
        (void)COUNTED(upcall_return, (uintptr_t)context);
        memcpy((void *)(uintptr_t)frame.context.fpu, frame.fpu, FPU_SIZE);
        *context = frame.context;
    }
    count(row_of(SYS_upcall_return), 0); /* a good one does not come back */
    sys_upcall_return((uintptr_t)context);
    sys_process_exit(2);
}

static void frames(struct worker *w)
{
    static int left = FRAMES;

    frame.w = w;
    upcalls_make(w);
    NEED(sys_upcall_set((uintptr_t)frame_entry));
    for (int n = 4; n < 12; n++) /* SIGILL … SIGSEGV */
        (void)sys_upcall_action((uint32_t)n, UPCALL_HANDLE);
    while (left-- > 0)
        (void)sys_thread_upcall((uint64_t)sys_thread_self(), handled[0]);
}

/* An allocation of the call fails, whether or not its row says that it makes any. */
static void failing(struct worker *w)
{
    (void)ipc_buffer();
    upcalls_make(w);
    own.workers[0] = own.workers[1] = (uint64_t)sys_thread_self();
    helper_start(rng_next(&w->rng));
    for (int n = 0; n < 60; n++) {
        for (const struct call_row *row = call_rows; row < call_rows + CALL_ROWS; row++) {
            if (row->result == RESULT_NEVER || row->number + SYS_BASE == SYS_debug_fail_nth)
                continue;
            (void)COUNTED(debug_fail_nth, as_argument(HANDLE_SELF), 1 + below(w, 4), FAIL_THREAD);
            (void)random_call(w, row);
        }
    }
    (void)COUNTED(debug_fail_nth, as_argument(HANDLE_SELF), 0, FAIL_THREAD);
}

static int bad_caller(void *session)
{
    struct ipc_msg *m = ipc_buffer();

    for (int i = 0; i < 3; i++) {
        memset(m, 0, offsetof(struct ipc_msg, data));
        m->in_addr = m->out_addr = i == 0 ? page_of_arena(0) : 8; /* in page 0 there is nothing */
        m->in_len = m->out_len = 8;
        (void)COUNTED(ipc_call, as_argument((handle_t)(intptr_t)session), TIMEOUT_NEVER);
    }
    return 0;
}

static int late_receiver(void *ep)
{
    (void)ipc_buffer();
    (void)COUNTED(ipc_reply_recv, as_argument((handle_t)(intptr_t)ep), 0, 0, TIMEOUT_NEVER);
    return 0;
}

/*
 * A caller with good memory, then with memory that it has not, whose third call ends with the server's incarnation;
 * the end of an endpoint that somebody waits at.
 */
static void remote(struct worker *w)
{
    static struct thread caller, receiver;
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    handle_t s = NEED_HANDLE(sys_session_create(ep, 0, 0, &id));
    struct ipc_msg *m = ipc_buffer();

    EXPECT(0, thread_start(&caller, bad_caller, (void *)(intptr_t)s, 0));
    for (int i = 0; i < 2; i++) {
        NEED(sys_ipc_recv(ep, 0, TIMEOUT_NEVER));
        (void)COUNTED(msg_read, as_argument(ep), m->token, 0, (uintptr_t)w->text, 8);
        (void)COUNTED(msg_write, as_argument(ep), m->token, 0, (uintptr_t)w->text, 8);
        NEED(COUNTED(ipc_reply, as_argument(ep), m->token));
    }
    NEED(sys_ipc_recv(ep, 0, TIMEOUT_NEVER));
    NEED(sys_endpoint_reset(ep));
    EXPECT(0, thread_join(&caller, NULL));
    EXPECT(0, thread_start(&receiver, late_receiver, (void *)(intptr_t)ep, 0));
    NEED(sys_thread_sleep(MS / 2));
    NEED(sys_handle_close(ep));
    EXPECT(0, thread_join(&receiver, NULL));
}

/* An object that nobody may write any more, and a mapping of it. */
static void sealed(struct worker *w)
{
    uint64_t shm = as_argument(NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0)));
    uint64_t self = as_argument(HANDLE_SELF);
    int64_t at = NEED(sys_shm_map(HANDLE_SELF, (handle_t)shm, 0, PAGE_SIZE, 0, VM_READ));

    (void)w;
    (void)COUNTED(shm_seal, shm, SHM_SEAL_WRITE);
    (void)COUNTED(shm_map, self, shm, 0, PAGE_SIZE, 0, VM_READ | VM_WRITE);
    (void)COUNTED(vm_protect, self, (uint64_t)at, PAGE_SIZE, VM_READ | VM_WRITE);
}

static int task(void (*fn)(struct worker *w), uint64_t seed)
{
    static struct worker w;

    child_init(&w, seed);
    fn(&w);
    return 0;
}

static const struct {
    const char *role;
    void (*fn)(struct worker *w);
} tasks[] = {
    { "full", full },     { "bare", bare },       { "devices", devices },
    { "narrow", narrow }, { "dry", dry },         { "remote", remote },
    { "frames", frames }, { "failing", failing }, { "sealed", sealed },
};

/* The call that ends the process, from a thread of two; if it did not, the other ways are tried. */
static int ending(const struct call_row *row, uint64_t seed)
{
    static struct worker w;
    static struct thread second;
    uint64_t a[6] = { 0 };

    child_init(&w, seed);
    (void)thread_start(&second, crowd_thread, NULL, 0);
    w.wild = below(&w, 2) == 0;
    for (unsigned i = 0; i < row->nargs; i++)
        a[i] = any_argument(&w, row, i);
    if (row->args[0].kind == ARG_HANDLE && below(&w, 2))
        a[0] =
            as_argument(row->args[0].type == OBJ_JOB ? start_handle(START_ROOT_JOB) : HANDLE_SELF);
    (void)make_call(row, a);
    return 0;
}

/* Runs until killed; any wrong byte ends it with a status. */
static int canary(void)
{
    enum { LENGTH = 16384 };
    static uint64_t words[LENGTH];
    struct rng r = { 0x123456789 };
    uint64_t last = stress_now();

    tally_attach();
    for (size_t i = 0; i < LENGTH; i++)
        words[i] = rng_next(&r);
    for (uint64_t round = 0;; round++) {
        uint64_t now = stress_now();
        double x = (double)(round & 1023), y = x * 3.0;

        r.state = 0x123456789;
        for (size_t i = 0; i < LENGTH; i++)
            if (words[i] != rng_next(&r))
                return 10;
        if (y != x + x + x) /* the vector registers are ours alone */
            return 11;
        if (now < last)
            return 12;
        last = now;
        __atomic_fetch_add(&own.tally->beats, 1, __ATOMIC_RELAXED);
        NEED(sys_thread_sleep(1 * MS));
    }
}

/* ---- the parent ---- */

struct child {
    handle_t job, proc; /* of all it makes, of itself */
    handle_t shm;
    struct tally *tally; /* kept from one process to the next */
    uint64_t beats, since; /* when its tally last grew, and to what */
};

static struct child children[HOSTILE], bird;
static uint64_t seed, started, stalls;

static void child_tally(struct child *c)
{
    NEED(shm_new(sizeof(struct tally), &c->shm, (void **)&c->tally));
}

/*
 * A process in a job of its own. It gets another job to make things in, whose end is not its own, the machine to ask
 * about, and the disk. Only one that has just a few calls to make may write to the log and the serial line.
 */
static void child_start(struct child *c, const char *role, const char *what)
{
    char text[32];
    char *argv[] = { "stress_syscall", (char *)role, text, (char *)what, NULL };
    struct spawn_handle gifts[8] = { { START_TALLY, c->shm, RIGHT_SAME } };
    bool trusted = strcmp(role, "devices") == 0;
    size_t n = 1;

    snprintf(text, sizeof(text), "%llu", (unsigned long long)seed++);
    c->job = stress_job();
    handle_t home = NEED_HANDLE(sys_job_create(c->job)), play = NEED_HANDLE(sys_job_create(c->job));
    if (strcmp(role, "narrow") == 0)
        NEED(sys_job_limit(home, JOB_THREADS, 1));
    if (strcmp(role, "dry") == 0)
        NEED(sys_job_limit(c->job, JOB_MEMORY, DRY));
    gifts[n++] = (struct spawn_handle){ START_JOB, play, RIGHT_SAME };
    gifts[n++] = (struct spawn_handle){ START_ROOT_JOB, home, RIGHT_SAME };
    gifts[n++] = (struct spawn_handle){ START_MACHINE, start_handle(START_MACHINE), RIGHT_SAME };
    gifts[n++] = (struct spawn_handle){ START_BLK, start_handle(START_BLK), RIGHT_SAME };
    gifts[n++] = (struct spawn_handle){ START_LOG, start_handle(START_LOG), RIGHT_SAME };
    gifts[n++] = (struct spawn_handle){ START_SERIAL, start_handle(START_SERIAL), RIGHT_SAME };
    if (!trusted)
        n -= 2;
    c->proc = stress_spawn_in("test/stress_syscall", argv, home, gifts, n);
    (void)sys_handle_close(home);
    (void)sys_handle_close(play);
    c->since = stress_now();
    c->beats = c->tally->beats;
    started++;
}

static void child_end(struct child *c)
{
    NEED(sys_job_kill(c->job));
    (void)test_wait(c->proc);
    (void)sys_handle_close(c->job);
}

/* Whether it has ended, or stands still. */
static bool child_over(struct child *c)
{
    uint64_t beats = __atomic_load_n(&c->tally->beats, __ATOMIC_RELAXED);
    struct process_info info;

    if (beats != c->beats) {
        c->beats = beats;
        c->since = stress_now();
    }
    NEED(sys_process_info(c->proc, &info));
    if (info.state >= PROC_DYING)
        return info.state == PROC_DEAD;
    if (stress_now() - c->since < STALL * (uint64_t)MS)
        return false;
    stalls++;
    return true;
}

static uint64_t calls_made(void)
{
    uint64_t n = 0;

    for (int i = 0; i < HOSTILE; i++)
        n += __atomic_load_n(&children[i].tally->calls, __ATOMIC_RELAXED);
    return n;
}

static void attack(uint64_t calls)
{
    for (int i = 0; i < HOSTILE; i++)
        child_start(&children[i], "hostile", NULL);
    while (calls_made() < calls) {
        NEED(sys_thread_sleep(2 * MS));
        for (int i = 0; i < HOSTILE; i++) {
            if (child_over(&children[i])) {
                child_end(&children[i]);
                child_start(&children[i], "hostile", NULL);
            }
        }
    }
    for (int i = 0; i < HOSTILE; i++)
        child_end(&children[i]);
}

/* One child with one task, to its end; its status, -EAGAIN if it stood still. */
static int64_t errand(const char *role, const char *what)
{
    struct child *c = &children[0];
    int64_t status;

    child_start(c, role, what);
    while (!child_over(c))
        NEED(sys_thread_sleep(MS / 5));
    status = sys_process_status(c->proc);
    child_end(c);
    return status;
}

/* A task that must come to its end. Its own random calls may end the process before, so there is another try. */
static void errand_done(const char *role)
{
    for (int tries = 0; tries < 10; tries++)
        if (errand(role, NULL) == 0)
            return;
    printf("task %s did not come to its end\n", role);
    exit(1);
}

static void do_tasks(void)
{
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
        errand_done(tasks[i].role);
}

static void do_endings(void)
{
    char number[8];

    for (int i = 0; i < CALL_ROWS; i++) {
        const struct call_row *row = &call_rows[i];

        if (row->result != RESULT_NEVER && strstr(row->name, "kill") == NULL)
            continue;
        snprintf(number, sizeof(number), "%d", i);
        for (int n = 0; n < ENDINGS; n++)
            (void)errand("ending", number);
    }
}

/* What not even the right to manage everything allows. */
static void protected(void)
{
    handle_t root = start_handle(START_ROOT_JOB);
    handle_t first = NEED_HANDLE(sys_process_open(root, 1, RIGHT_MANAGE));

    EXPECT(-EPERM, COUNTED(process_kill, as_argument(first), 9));
    EXPECT(-EPERM, COUNTED(process_upcall, as_argument(first), 15));
    EXPECT(-EPERM, COUNTED(job_kill, as_argument(root)));
    (void)sys_handle_close(first);
}

/* What is told of a process that a fault has ended. */
static void crashed(void)
{
    struct crash_info info;
    struct child *c = &children[0];

    child_start(c, "fault", NULL);
    while (!child_over(c))
        NEED(sys_thread_sleep(MS));
    EXPECT(0, COUNTED(process_crash, as_argument(c->proc), (uintptr_t)&info));
    EXPECT(-EFAULT, COUNTED(process_crash, as_argument(c->proc), 8));
    child_end(c);
}

/* The canary is watched for a while. */
static void traced(void)
{
    struct trace_record records[4];
    uint64_t lost;
    handle_t trace = NEED_HANDLE(COUNTED(trace_create, as_argument(bird.proc), 4));

    NEED(COUNTED(trace_read, as_argument(trace), (uintptr_t)records, 4, (uintptr_t)&lost,
                 (uint64_t)TIMEOUT_NEVER));
    (void)sys_handle_close(trace);
}

/* ---- the table ---- */

#define INTERRUPTED "the wait is too rare or too short to be interrupted at will"
#define OF_SVCMAN \
    "takes the right to manage the machine, which svcman keeps; it would be the end of the test"

/* Pairs that no program can bring about here, and why. */
static const struct {
    const char *call;
    uint16_t error;
    const char *why;
} excused[] = {
    { "blk_submit", EINTR, INTERRUPTED },
    { "serial_read", EINTR, INTERRUPTED },
    { "serial_write", EINTR, INTERRUPTED },
    { "ipc_send", EINTR, "made again after the upcall, so nobody notices" },
    { "thread_create", ESRCH, "only when the process is ending, and then nobody sees it" },
    { "blk_submit", EROFS, "the disk can be written; tests/drivers/test_virtio_blk_variants.py" },
    { "blk_submit", EIO, "the disk works; tests/drivers/test_virtio_blk_broken.py" },
    { "blk_submit", EOPNOTSUPP, "the disk can flush; tests/drivers/test_virtio_blk_refuse.py" },
    { "shm_resize", EOPNOTSUPP, "the one object of fixed size, the initrd, is lent without WRITE" },
    { "debug_fail_nth", EOPNOTSUPP, "this is a test run with a kernel for tests" },
    { "serial_read", EFAULT, "nothing is typed; tests/drivers/test_serial.py" },
    { "port_add", EPERM, "what can't be waited for is handed out without the right to; tests/ipc" },
    { "process_start", EREMOTEIO, "needs a child without a stack; tests/jobs (job_start.c)" },
    { "process_start", EAGAIN,
      "needs a job with room for a process and none for its thread; tests/jobs (job_start.c)" },
    { "process_start", EMFILE, "needs a child whose table is full; tests/jobs (job_start.c)" },
    { "machine_power", 0, OF_SVCMAN },
    { "machine_power", EINVAL, OF_SVCMAN },
    { "machine_power", EOPNOTSUPP, OF_SVCMAN },
    { "machine_exit", 0, OF_SVCMAN },
    { "machine_exit", EOPNOTSUPP, OF_SVCMAN },
};

static const char *excuse(const struct call_row *row, uint16_t error)
{
    for (size_t i = 0; i < sizeof(excused) / sizeof(excused[0]); i++)
        if (strcmp(excused[i].call, row->name) == 0 && excused[i].error == error)
            return excused[i].why;
    return NULL;
}

static const char *error_name(int error)
{
    switch (error) {
#define ERROR_NAME(number, name, text) \
    case number: return #name;
        ERROR_TABLE(ERROR_NAME)
#undef ERROR_NAME
    default: return "?";
    }
}

static uint64_t hits_of(const struct call_row *row, unsigned result)
{
    uint64_t n = 0;

    for (int i = 0; i < HOSTILE; i++)
        n += children[i].tally->hits[row - call_rows][result];
    return n;
}

/* Whether a result of a row was seen, or need not be. 0: success, i + 1: errors[i]. */
static bool seen(const struct call_row *row, unsigned result)
{
    if (result == 0 && row->result == RESULT_NEVER)
        return true;
    return hits_of(row, result) > 0 ||
           excuse(row, result == 0 ? 0 : row->errors[result - 1]) != NULL;
}

static unsigned pairs_missing(void)
{
    unsigned missing = 0;

    for (const struct call_row *row = call_rows; row < call_rows + CALL_ROWS; row++)
        for (unsigned i = 0; i <= row->nerrors; i++)
            missing += !seen(row, i);
    return missing;
}

/* A line of the table, and one for each pair that was to be seen and was not. */
static void print_row(const struct call_row *row)
{
    char line[512];
    int at = snprintf(line, sizeof(line), "PAIRS: %s", row->name);

    for (unsigned i = 0; i <= row->nerrors; i++) {
        const char *result = i == 0 ? "ok" : error_name(row->errors[i - 1]);

        at += snprintf(line + at, sizeof(line) - (size_t)at, " %s %llu", result,
                       (unsigned long long)hits_of(row, i));
        if (!seen(row, i))
            printf("MISSING: %s %s\n", row->name, result);
    }
    puts(line);
}

static uint32_t print_strange(const struct tally *t)
{
    for (uint32_t i = 0; i < t->nstrange && i < STRANGE; i++)
        printf("STRANGE: %s gave %s, which is not documented\n",
               t->strange[i].row == NO_ROW ? "an unknown number"
                                           : call_rows[t->strange[i].row].name,
               error_name(t->strange[i].error));
    return t->nstrange;
}

/* Print what was seen; whether that is all that it must be. */
static bool judge(uint64_t calls)
{
    unsigned missing = pairs_missing();
    uint32_t strange = 0;
    uint64_t ok = 0;

    for (const struct call_row *row = call_rows; row < call_rows + CALL_ROWS; row++)
        print_row(row);
    for (int i = 0; i < HOSTILE; i++) {
        strange += print_strange(children[i].tally);
        ok += children[i].tally->ok;
    }
    printf("STRESS: calls %llu, %llu %% succeeded, canary %llu, processes %llu, stalled %llu\n",
           (unsigned long long)calls, (unsigned long long)(ok * 100 / calls),
           (unsigned long long)bird.tally->beats, (unsigned long long)started,
           (unsigned long long)stalls);
    printf("STRESS: missing %u, undocumented %u\n", missing, strange);
    fflush(stdout);
    EXPECT_TRUE(bird.tally->beats >= calls / PACE);
    return missing == 0 && strange == 0 && ok * 100 >= calls * 30;
}

static int parent(void)
{
    uint64_t calls = stress_option("calls", 200000);
    struct machine_info before, now;

    seed = stress_option("seed", 1);
    for (int i = 0; i < HOSTILE; i++)
        child_tally(&children[i]);
    child_tally(&bird);
    child_start(&bird, "canary", NULL);
    errand_done("crowd"); /* what is made once is made now */
    do_tasks();
    do_endings();
    attack(calls / 8);
    stress_settled(&before);
    attack(calls_made() + calls);
    EXPECT(-EAGAIN, sys_process_status(bird.proc)); /* the canary lives */
    own.tally = children[0].tally;
    protected();
    crashed();
    traced();
    for (int tries = 0; tries < 60 && pairs_missing() > 0; tries++) {
        do_tasks();
        attack(calls_made() + SHARE);
    }
    /* The table of our own handles grows to what was open at once: what leaks is missing each time. */
    for (int round = 0; round < 4 && stress_left(&before, &now) != NULL; round++) {
        stress_settled(&before);
        attack(calls_made() + SHARE);
    }
    stress_same(&before);
    child_end(&bird);
    EXPECT_TRUE(judge(calls_made()));
    test_mark("STRESS: syscalls ok");
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t own_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

    if (argc < 2)
        return parent();
    if (strcmp(argv[1], "hostile") == 0)
        return hostile(own_seed);
    if (strcmp(argv[1], "crowd") == 0)
        return crowd();
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
        if (strcmp(argv[1], tasks[i].role) == 0)
            return task(tasks[i].fn, own_seed);
    if (strcmp(argv[1], "fault") == 0)
        __builtin_trap();
    if (strcmp(argv[1], "ending") == 0)
        return ending(&call_rows[atoi(argv[3])], own_seed);
    return canary();
}
