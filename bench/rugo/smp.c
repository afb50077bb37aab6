/*
 * What a second processor adds. Workers are processes of their own, each bound to a CPU. In one short turn a worker is on
 * CPU 0, with plain arithmetic on CPU 1; in the next there is one on each: how many operations they make, as a share of
 * twice what the one makes. Both CPUs have always something to do, so the host gives each turn the same, and nobody
 * gains by moving to a CPU that does nothing. Arithmetic on both, in turns between, says what the host gave the second
 * CPU; rows are divided by that.
 */
#include <rugo/ipc.h>
#include <rugo/shm.h>
#include <rugo/spawn.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/initrd.h"

#define MS           INT64_C(1000000)
#define TURN         (20 * MS)          /* ns */
#define TURNS        20                 /* of each of the four settings, for one figure */
#define ROUNDS       5
#define LOCKS_MAX    64
#define REGION       (64 * (size_t)PAGE_SIZE)
#define START_SHARED 0x100              /* start handle: memory object with a struct shared */
#define PATH         "bench/smp"

enum { CPUS = 2 };

enum { PAUSE, RUN, END }; /* what a worker is told */

/* Of a worker. No two lie in one cache line, nor in a pair of them. */
struct lane {
    uint64_t count; /* [a] operations made */
    uint32_t told;  /* [a] and a futex */
    uint32_t ready; /* [a] it has begun */
    uint64_t pad[14];
};

struct shared {
    struct lane ideal[CPUS], lane[CPUS];
};

static struct initrd initrd;
static uint64_t sink;

static void must(int64_t result, const char *what)
{
    if (result >= 0)
        return;
    printf("FAIL smp: %s: %s\n", what, strerror((int)-result));
    fflush(stdout);
    exit(1);
}

static handle_t spawn(const char *path, const char *role, const char *arg, uint32_t kind,
                      handle_t h)
{
    struct spawn_handle handles[] = {
        { START_INITRD, start_handle(START_INITRD), RIGHT_SAME },
        { START_JOB, start_handle(START_JOB), RIGHT_SAME },
        { START_LOG, start_handle(START_LOG), RIGHT_SAME },
        { kind, h, RIGHT_SAME },
    };
    char *argv[] = { (char *)path, (char *)role, (char *)arg, NULL };
    struct spawn_args args = { .job = start_handle(START_JOB), .argv = argv, .handles = handles };
    struct initrd_file image;
    handle_t proc = HANDLE_NONE;

    args.nhandles = h == HANDLE_NONE ? 3 : 4;
    args.fds[0] = args.fds[1] = args.fds[2] = HANDLE_NONE;
    must(initrd_find(&initrd, path, &image) ? 0 : -ENOENT, path);
    must(spawn_image(&args, image.data, image.size, &proc), path);
    return proc;
}

static void wait_end(handle_t proc)
{
    int status = -1;

    must(process_wait(proc, &status, TIMEOUT_NEVER), "waiting for a process");
    must(status == 0 ? 0 : -EIO, "a process");
    (void)sys_handle_close(proc);
}

static void bind_to(unsigned cpu)
{
    must(sys_thread_set_affinity(HANDLE_SELF, UINT64_C(1) << cpu), "affinity");
}

/* ---- workers: some operations; how many they were ---- */

static uint64_t work_int(void)
{
    uint64_t x = sink | 1;

    for (int i = 0; i < 1000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    sink = x;
    return 1000;
}

static uint64_t work_syscall(void)
{
    for (int i = 0; i < 64; i++)
        sink += (uint64_t)sys_thread_self();
    return 64;
}

/* The time-stamp counter, which each switch of threads reads: the emulator has one lock for all processors there. */
static uint64_t work_tsc(void)
{
    for (int i = 0; i < 64; i++)
        sink += __builtin_ia32_rdtsc();
    return 64;
}

static uint64_t work_ipc(void)
{
    static handle_t session = HANDLE_NONE;
    static char cpu[4];

    if (session == HANDLE_NONE) {
        handle_t ep = sys_endpoint_create(0);
        uint64_t id;

        must(ep, "endpoint");
        session = sys_session_create(ep, 0, 0, &id);
        must(session, "session");
        snprintf(cpu, sizeof(cpu), "%d", (int)sink);
        (void)spawn(PATH, "serve", cpu, START_ENDPOINT, ep);
        (void)sys_handle_close(ep);
    }
    for (int i = 0; i < 16; i++) {
        ipc_buffer()->len = 64;
        ipc_buffer()->nhandles = 0;
        must(sys_ipc_call(session, TIMEOUT_NEVER), "call");
    }
    return 16;
}

static uint64_t work_fault(void)
{
    int64_t at = sys_vm_map(HANDLE_SELF, 0, REGION, VM_READ | VM_WRITE, 0);

    must(at, "map");
    for (size_t i = 0; i < REGION; i += PAGE_SIZE)
        *(volatile char *)(uintptr_t)((uint64_t)at + i) = 1;
    must(sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, REGION), "unmap");
    return REGION / PAGE_SIZE;
}

static uint64_t work_spawn(void)
{
    wait_end(spawn("bin/nothing", NULL, NULL, 0, HANDLE_NONE));
    return 1;
}

static const struct {
    const char *name;
    uint64_t (*work)(void);
} kinds[] = {
    { "int", work_int },       { "tsc", work_tsc },     { "syscall", work_syscall },
    { "ipc_pairs", work_ipc }, { "fault", work_fault }, { "spawn", work_spawn },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Which kind and which CPU: "KIND CPU" as two digits. */
static int worker(const char *what)
{
    struct shared *s;
    unsigned kind = (unsigned)(what[0] - '0'), cpu = (unsigned)(what[1] - '0');
    uint64_t (*work)(void) = kinds[kind].work;

    must(shm_attach(start_handle(START_SHARED), VM_READ | VM_WRITE, (void **)&s, NULL), "memory");
    struct lane *l = kind == 0 ? &s->ideal[cpu] : &s->lane[cpu];
    bind_to(cpu);
    sink = cpu; /* where work_ipc puts its server */
    (void)work();
    __atomic_store_n(&l->ready, 1, __ATOMIC_RELEASE);
    for (uint32_t told; (told = __atomic_load_n(&l->told, __ATOMIC_RELAXED)) != END;) {
        if (told == PAUSE)
            (void)sys_futex_wait((uintptr_t)&l->told, PAUSE, TIMEOUT_NEVER, FUTEX_SHARED);
        else
            __atomic_store_n(&l->count, l->count + work(), __ATOMIC_RELAXED);
    }
    return 0;
}

/* Gives back every message, until its only client is gone. */
static int serve(const char *cpu)
{
    handle_t ep = start_handle(START_ENDPOINT);
    uint64_t token = 0;

    bind_to((unsigned)atoi(cpu));
    (void)ipc_buffer();
    while (sys_ipc_reply_recv(ep, token, 0, TIMEOUT_NEVER) == 0 && ipc_buffer()->type == IPC_CALL)
        token = ipc_buffer()->token;
    return 0;
}

/* ---- the parent ---- */

static void tell(struct lane *l, unsigned n, uint32_t what)
{
    for (unsigned i = 0; i < n; i++) {
        __atomic_store_n(&l[i].told, what, __ATOMIC_RELAXED);
        must(sys_futex_wake((uintptr_t)&l[i].told, 1, FUTEX_SHARED), "wake");
    }
}

/* A turn of the first n workers of a kind, and arithmetic on the other CPUs. Adds what each CPU has made. */
static void turn(struct lane *l, unsigned n, struct lane *arithmetic, uint64_t made[CPUS])
{
    struct lane *busy[CPUS];
    uint64_t before[CPUS];

    for (unsigned i = 0; i < CPUS; i++) {
        busy[i] = i < n ? &l[i] : &arithmetic[i];
        before[i] = __atomic_load_n(&busy[i]->count, __ATOMIC_RELAXED);
        tell(busy[i], 1, RUN);
    }
    must(sys_thread_sleep(TURN), "sleep");
    for (unsigned i = 0; i < CPUS; i++)
        made[i] += __atomic_load_n(&busy[i]->count, __ATOMIC_RELAXED) - before[i];
    for (unsigned i = 0; i < CPUS; i++)
        tell(busy[i], 1, PAUSE);
}

/* What the CPUs had to do with each other since boot: locks that were waited for, and interrupts. */
struct sharing {
    struct lock_stats locks[LOCKS_MAX];
    int64_t nlocks;
    uint64_t waits, ipis;
};

static void look(struct sharing *s)
{
    struct cpu_stats cpu[CPUS];

    s->nlocks = sys_machine_locks(start_handle(START_MACHINE), s->locks, LOCKS_MAX);
    must(s->nlocks, "locks");
    s->waits = s->ipis = 0;
    for (int64_t i = 0; i < s->nlocks && i < LOCKS_MAX; i++)
        s->waits += s->locks[i].contended;
    must(sys_machine_cpus(start_handle(START_MACHINE), cpu, CPUS), "processors");
    for (int i = 0; i < CPUS; i++)
        s->ipis += cpu[i].ipis;
}

/* Add up what there was more of between two looks. */
static void add_sharing(struct sharing *sum, const struct sharing *before,
                        const struct sharing *after)
{
    sum->nlocks = after->nlocks;
    sum->waits += after->waits - before->waits;
    sum->ipis += after->ipis - before->ipis;
    for (int64_t i = 0; i < after->nlocks && i < LOCKS_MAX; i++) {
        memcpy(sum->locks[i].name, after->locks[i].name, sizeof(sum->locks[i].name));
        sum->locks[i].contended += after->locks[i].contended - before->locks[i].contended;
    }
}

/* Which locks they were, per 1000 operations. */
static void print_locks(const char *kind, const struct sharing *s, double operations)
{
    printf("smp2_%s waits for", kind);
    for (int64_t i = 0; i < s->nlocks && i < LOCKS_MAX; i++)
        if (s->locks[i].contended)
            printf(" %.16s %.1f", (const char *)s->locks[i].name,
                   (double)s->locks[i].contended * 1000 / operations);
    printf("\n");
}

static void start_workers(struct shared *s, handle_t shm, unsigned kind, handle_t procs[2 * CPUS])
{
    for (unsigned i = 0; i < 2 * CPUS; i++) {
        struct lane *l = i < CPUS ? &s->ideal[i] : &s->lane[i - CPUS];
        char what[3] = { (char)('0' + (i < CPUS ? 0 : kind)), (char)('0' + i % CPUS), '\0' };

        procs[i] = spawn(PATH, "work", what, START_SHARED, shm);
        while (!__atomic_load_n(&l->ready, __ATOMIC_ACQUIRE))
            must(sys_thread_sleep(MS), "sleep");
    }
}

static void measure(unsigned kind)
{
    handle_t shm, procs[2 * CPUS];
    struct shared *s;
    uint64_t one[CPUS] = { 0 }, two[CPUS] = { 0 }, ideal[CPUS] = { 0 };
    static struct sharing before, after, sum;

    memset(&sum, 0, sizeof(sum));
    must(shm_new(sizeof(*s), &shm, (void **)&s), "memory");
    start_workers(s, shm, kind, procs);
    for (int i = 0; i < TURNS; i++) {
        turn(s->ideal, CPUS, s->ideal, ideal);
        turn(s->lane, 1, s->ideal, one);
        look(&before);
        turn(s->lane, CPUS, s->ideal, two);
        look(&after);
        add_sharing(&sum, &before, &after);
    }
    tell(s->ideal, CPUS, END);
    tell(s->lane, CPUS, END);
    for (int i = 0; i < 2 * CPUS; i++)
        wait_end(procs[i]);
    shm_detach(s, sizeof(*s));
    (void)sys_handle_close(shm);
    double both = (double)(two[0] + two[1]);

    printf("BENCH name=smp2_%s value=%.3f unit=ratio n=%d\n", kinds[kind].name,
           both / (2 * (double)one[0]) * 2 * (double)ideal[0] / (double)(ideal[0] + ideal[1]),
           TURNS);
    printf("BENCH name=smp2_%s_waits value=%.3f unit=1/kop n=%d\n", kinds[kind].name,
           (double)sum.waits * 1000 / both, TURNS);
    printf("BENCH name=smp2_%s_ipis value=%.3f unit=1/kop n=%d\n", kinds[kind].name,
           (double)sum.ipis * 1000 / both, TURNS);
    print_locks(kinds[kind].name, &sum, both);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    must(shm_attach(start_handle(START_INITRD), VM_READ, (void **)&initrd.data, &initrd.size),
         "initrd");
    if (argc > 2 && strcmp(argv[1], "work") == 0)
        return worker(argv[2]);
    if (argc > 2 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    for (int round = 0; round < ROUNDS; round++)
        for (unsigned kind = 1; kind < KINDS; kind++)
            measure(kind);
    return 0;
}
