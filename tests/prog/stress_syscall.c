/*
 * `test=stress.syscall seed=N count=M`: processes in deep jobs make M random and hostile system calls each,
 * with handles they collect on the way, from several threads. They end as they will; the parent starts the
 * next ones. Meanwhile a canary checks its memory and its pace, and in the end nothing may be left of them.
 */
#include <rugo/thread.h>

#include "tests/prog/stress.h"

enum {
    HOSTILE = 3,                        /* at the same time */
    POOL = 64,                          /* handles that one remembers */
    ARENA = 64 * PAGE_SIZE,             /* memory that its calls work on */
    CALLS = 57,                         /* of ABI v0 */
    ROUND = 400,                        /* calls of one process */
};

/* ---- the hostile one ---- */

static struct {
    handle_t pool[POOL];
    char *arena;
    uint64_t seed;
} own;

static uint64_t random_handle(struct rng *r)
{
    switch (rng_below(r, 10)) {
    case 0: return (uint64_t)(int64_t)HANDLE_SELF;
    case 1: return rng_below(r, 8);
    case 2: return rng_next(r);
    default: return (uint64_t)(int64_t)own.pool[rng_below(r, POOL)];
    }
}

static uint64_t random_address(struct rng *r)
{
    static const uint64_t special[] = { 0,
                                        1,
                                        PAGE_SIZE,
                                        USER_MAX - 1,
                                        USER_MAX,
                                        0x7fffffffffff,
                                        0x800000000000,
                                        UINT64_C(0xffff800000000000),
                                        UINT64_C(0xffffffff80000000),
                                        UINT64_MAX };
    uint64_t arena = (uint64_t)(uintptr_t)own.arena;

    switch (rng_below(r, 8)) {
    case 0: return special[rng_below(r, sizeof(special) / sizeof(special[0]))];
    case 1: return arena + rng_below(r, ARENA);
    case 2: return rng_next(r) & 0x7ffffffff000;
    default: return arena + rng_below(r, ARENA / PAGE_SIZE) * PAGE_SIZE;
    }
}

static uint64_t random_size(struct rng *r)
{
    static const uint64_t special[] = { 0,
                                        1,
                                        7,
                                        8,
                                        16,
                                        48,
                                        64,
                                        4095,
                                        4096,
                                        4097,
                                        8192,
                                        65536,
                                        1 << 20,
                                        UINT64_C(1) << 32,
                                        UINT64_C(1) << 46,
                                        UINT64_C(1) << 63,
                                        UINT64_MAX - 4095,
                                        UINT64_MAX };
    size_t n = sizeof(special) / sizeof(special[0]);

    return special[rng_below(r, rng_below(r, 4) ? 12 : n)];
}

static uint64_t random_argument(struct rng *r)
{
    switch (rng_below(r, 8)) {
    case 0:
    case 1:
    case 2: return random_handle(r);
    case 3:
    case 4: return random_address(r);
    case 5: return random_size(r);
    case 6: return rng_below(r, 16);
    default: return rng_next(r);
    }
}

/* A time-out that rarely is long. */
static uint64_t random_timeout(struct rng *r)
{
    return rng_below(r, 100) ? rng_below(r, 1 * MS) : (uint64_t)TIMEOUT_NEVER;
}

static void remember(struct rng *r, int64_t result)
{
    if (result >= 0 && (result < HANDLE_FD_MAX || (result & HANDLE_HIGH)) && result < INT32_MAX)
        own.pool[rng_below(r, POOL)] = (handle_t)result;
}

static void random_message(struct rng *r)
{
    struct ipc_msg *m = ipc_buffer();

    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = (uint32_t)(rng_below(r, 8) ? rng_below(r, IPC_DATA_MAX + 1) : rng_next(r));
    m->nhandles = (uint32_t)(rng_below(r, 8) ? rng_below(r, IPC_HANDLE_MAX + 1) : rng_next(r));
    m->move = (uint32_t)rng_below(r, UINT64_C(1) << IPC_HANDLE_MAX);
    for (int i = 0; i < IPC_HANDLE_MAX; i++)
        m->handles[i] = (handle_t)random_handle(r);
    m->in_addr = random_address(r);
    m->in_len = random_size(r);
    m->out_addr = random_address(r);
    m->out_len = random_size(r);
}

static int hostile_thread(void *arg);

/* A thread that can run, with a stack in the arena; most get worse. */
static void random_thread(struct rng *r)
{
    static struct thread threads[16];
    static uint32_t used;
    uint32_t i = __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);

    if (i < 16 && rng_below(r, 16))
        (void)thread_start(&threads[i], hostile_thread, (void *)(uintptr_t)rng_next(r), 0);
    else
        (void)sys_thread_spawn(HANDLE_SELF, random_address(r), random_address(r), 0, 0, 0);
}

/* The calls that make something or end someone get the arguments that let them succeed now and then. */
static void purposeful_call(struct rng *r)
{
    uint64_t id, *out = (uint64_t *)(void *)own.arena;
    handle_t h = (handle_t)random_handle(r), g = (handle_t)random_handle(r);
    int64_t timeout = (int64_t)random_timeout(r);

    switch (rng_below(r, 24)) {
    case 0: remember(r, sys_endpoint_create(0)); break;
    case 1:
    case 2: remember(r, sys_session_create(h, rng_next(r), (uint32_t)rng_below(r, 2), &id)); break;
    case 3: remember(r, sys_port_create()); break;
    case 4: remember(r, sys_timer_create()); break;
    case 5: remember(r, sys_shm_create(rng_below(r, 40 * PAGE_SIZE), 0)); break;
    case 6: remember(r, sys_job_create(h)); break;
    case 7: remember(r, sys_process_create(h, "victim", 6)); break;
    case 8:
        remember(r, sys_handle_dup(h, (uint32_t)rng_below(r, RIGHT_ALL + 1),
                                   (uint32_t)rng_below(r, 3), (int32_t)rng_below(r, 1100)));
        break;
    case 9:
    case 10:
        random_message(r);
        (void)sys_ipc_send(h, IPC_NONBLOCK);
        break;
    case 11:
        random_message(r);
        (void)sys_ipc_call(h, timeout);
        break;
    case 12:
    case 13: (void)sys_ipc_recv(h, 0, timeout); break;
    case 14:
        id = ipc_buffer()->token;
        random_message(r);
        (void)sys_ipc_reply_recv(h, id, 0, timeout);
        break;
    case 15: (void)sys_port_add(h, g, 0x33f, rng_next(r)); break;
    case 16: (void)sys_port_wait(h, (void *)out, 4, timeout); break;
    case 17:
        (void)sys_timer_set(h, (int64_t)(stress_now() + rng_below(r, 1 * MS)),
                            rng_below(r, 2) * rng_below(r, MS));
        break;
    case 18: (void)sys_msg_read(h, ipc_buffer()->token, 0, own.arena, rng_below(r, ARENA)); break;
    case 19: (void)sys_msg_write(h, ipc_buffer()->token, 0, own.arena, rng_below(r, ARENA)); break;
    case 20:
        (void)sys_process_grant(h, g, (uint32_t)rng_below(r, RIGHT_ALL + 1),
                                (uint32_t)rng_below(r, 3), 3);
        break;
    case 21:
        (void)sys_shm_map(h, g, 0, PAGE_SIZE * (1 + rng_below(r, 8)), 0,
                          VM_READ | (uint32_t)rng_below(r, 4));
        break;
    case 22: random_thread(r); break;
    default:
        (void)sys_vm_map(h, 0, PAGE_SIZE * (1 + rng_below(r, 64)), (uint32_t)rng_below(r, 8), 0);
        break;
    }
}

static void blind_call(struct rng *r)
{
    uint64_t number = rng_below(r, CALLS), a[6];

    for (int i = 0; i < 6; i++)
        a[i] = random_argument(r);
    if (rng_below(r, 8) == 0)
        number = rng_next(r);
    switch (number) {
    case 2:
    case 34:
    case 37:
    case 39:
    case 43: /* these end the process: seldom */
        if (rng_below(r, 32))
            return;
        break;
    case 9:
    case 11:
    case 13:
    case 25:
    case 44: /* these sleep: for a while only */
        a[number == 13 || number == 25 ? 3
          : number == 9                ? 2
          : number == 11               ? 1
                                       : 0] = random_timeout(r);
        break;
    default: break;
    }
    remember(r, rugo_syscall6(SYS_BASE + number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

static int hostile_thread(void *arg)
{
    struct rng r = { (uint64_t)(uintptr_t)arg | 1 };

    for (int i = 0; i < ROUND; i++) {
        if (rng_below(&r, 2))
            purposeful_call(&r);
        else
            blind_call(&r);
    }
    return 0;
}

static int hostile(uint64_t seed)
{
    for (int i = 0; i < POOL; i++)
        own.pool[i] = i < 8 ? start_handle(START_JOB) : HANDLE_NONE;
    own.arena = (char *)(uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, ARENA, VM_READ | VM_WRITE, 0));
    (void)hostile_thread((void *)(uintptr_t)seed);
    return 0;
}

/* ---- the canary ---- */

/* Runs until killed; any wrong byte and any long pause ends it with a status. */
static int canary(void)
{
    enum { WORDS = 16384 };
    static uint64_t words[WORDS];
    struct rng r = { 0x123456789 };
    uint64_t last = stress_now();

    for (size_t i = 0; i < WORDS; i++)
        words[i] = rng_next(&r);
    for (uint64_t round = 0;; round++) {
        uint64_t now = stress_now();
        double x = (double)(round & 1023), y = x * 3.0;

        r.state = 0x123456789;
        for (size_t i = 0; i < WORDS; i++)
            if (words[i] != rng_next(&r))
                return 10;
        if (y != x + x + x) /* the vector registers are ours alone */
            return 11;
        if (now < last || now - last > 3000 * (uint64_t)MS)
            return 12;
        last = now;
        NEED(sys_thread_sleep(1 * MS));
    }
}

/* ---- the parent ---- */

struct child {
    handle_t job, proc;
    uint64_t since;
};

static void start_hostile(struct child *c, uint64_t seed)
{
    char text[32];
    char *argv[] = { "stress_syscall", "hostile", text, NULL };

    snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
    c->job = stress_job();
    c->proc = stress_spawn("test/stress_syscall", argv, c->job, NULL, 0);
    c->since = stress_now();
}

/* Whether it has ended; after a while it is ended, with all it made. */
static bool ended(struct child *c)
{
    if (sys_process_status(c->proc) == -EAGAIN && stress_now() - c->since < 500 * (uint64_t)MS)
        return false;
    NEED(sys_job_kill(c->job));
    (void)test_wait(c->proc);
    (void)sys_handle_close(c->job);
    return true;
}

static void attack(uint64_t seed, uint64_t rounds)
{
    struct child children[HOSTILE];
    uint64_t started = 0, running = 0;

    for (size_t i = 0; i < HOSTILE && started < rounds; i++, running++)
        start_hostile(&children[i], seed + started++);
    while (running > 0) {
        NEED(sys_thread_sleep(2 * MS));
        for (size_t i = 0; i < running;) {
            if (!ended(&children[i]))
                i++;
            else if (started < rounds)
                start_hostile(&children[i], seed + started++);
            else
                children[i] = children[--running];
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_option("seed", 1), rounds = stress_option("count", 12000) / ROUND;
    char *canary_argv[] = { "stress_syscall", "canary", NULL };
    struct machine_info before;

    if (argc > 2)
        return hostile(strtoull(argv[2], NULL, 10));
    if (argc > 1)
        return canary();
    attack(seed, HOSTILE); /* what is made once is made now */
    handle_t job = stress_job(),
             proc = stress_spawn("test/stress_syscall", canary_argv, job, NULL, 0);
    NEED(sys_thread_sleep(50 * MS));
    stress_settled(&before);
    attack(seed, rounds);
    EXPECT(-EAGAIN, sys_process_status(proc)); /* the canary lives */
    stress_same(&before);
    NEED(sys_process_kill(proc, 9));
    test_mark("STRESS: syscalls ok");
    return 0;
}
