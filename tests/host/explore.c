/* The explorer (explore.h): fibers, schedules, and what the kernel's rooms below stand on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "explore.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "proc/job.h"
#include "sched/run.h"
#include "x86/clock.h"
#include "x86/smp.h"

enum { STACK = 128 * 1024, DEPTH_MAX = 20000, TRACE = 60, STEPS_MAX = 200000 };

static struct fiber {
    ucontext_t context;
    char *stack;
    void (*run)(void);
    struct thread thread;
    const struct spinlock *waits; /* for this lock */
    bool sleeps;                  /* until its state is THREAD_READY, or it is handed the CPU */
    bool handed, queued;          /* in a run queue */
    bool yields, ended;
} fibers[EXPLORE_THREADS];

struct cpu cpus[MAX_CPUS];
static struct runqueue queues[EXPLORE_THREADS]; /* always empty */
static struct thread nobody;                    /* ran before one that was woken */
char host_memory[HOST_FRAMES * PAGE_SIZE] ALIGNED(PAGE_SIZE);
char host_frames[HOST_FRAMES * sizeof(struct frame)] ALIGNED(64);
struct process explore_process;
struct job explore_job;

static unsigned fiber_count, current;
static bool running; /* fibers run, and not setup or check */
static ucontext_t home;
static const struct explore_scenario *scenario;
static size_t live, live_before; /* allocations; when this schedule began */
static bool warm;                /* what the kernel's code keeps for good has been allocated */

/* ---- the schedule ---- */

static struct {
    unsigned chosen, options;
} path[DEPTH_MAX];
static unsigned depth, planned; /* points passed; of which the choice is given */
static unsigned switches, switches_max;
static unsigned steps;
static bool at_random;
static uint64_t random_state, random_seed;

static struct {
    unsigned fiber;
    const char *where;
    int line;
} trace[TRACE];
static unsigned traced;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void print_trace(void)
{
    unsigned first = traced > TRACE ? traced - TRACE : 0;
    fprintf(stderr, "explore: %s, %s, seed %llu; the last steps:\n", scenario->name,
            at_random ? "at random" : "in order", (unsigned long long)random_seed);
    for (unsigned i = first; i < traced; i++)
        fprintf(stderr, "  %*s%u %s:%d\n", (int)(trace[i % TRACE].fiber * 4), "",
                trace[i % TRACE].fiber, trace[i % TRACE].where, trace[i % TRACE].line);
}

/* Called by AddressSanitizer before its report. */
void __asan_on_error(void);
void __asan_on_error(void)
{
    print_trace();
}

void explore_fail(const char *file, int line, const char *what)
{
    print_trace();
    fprintf(stderr, "explore: %s: %s:%d: %s\n", scenario->name, file, line, what);
    exit(1);
}

void panic(uint64_t code, const char *fmt, ...)
{
    va_list ap;
    char text[256];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    explore_fail("panic", (int)code, text);
}

static bool can_run(const struct fiber *f)
{
    if (f->ended)
        return false;
    if (f->waits)
        return !f->waits->locked;
    return !f->sleeps || f->handed || (f->thread.state == THREAD_READY && !f->thread.on_cpu);
}

static bool can_time_out(const struct fiber *f, uint64_t deadline)
{
    const struct thread *t = &f->thread;
    return f->sleeps && t->state == THREAD_BLOCKED && t->wait_result == STILL_ASLEEP &&
           !t->lock.locked && t->wait_deadline == deadline;
}

/* What may happen next: n < EXPLORE_THREADS is that fiber, n + EXPLORE_THREADS its time-out. The one that runs is first. */
static unsigned list_options(unsigned *options)
{
    unsigned n = 0;
    if (can_run(&fibers[current]) && !fibers[current].yields)
        options[n++] = current;
    for (unsigned i = 0; i < fiber_count; i++)
        if (i != current && can_run(&fibers[i]))
            options[n++] = i;
    for (unsigned i = 0; i < fiber_count; i++)
        if (can_time_out(&fibers[i], AT_ANY_TIME))
            options[n++] = i + EXPLORE_THREADS;
    if (n == 0 && can_run(&fibers[current]))
        options[n++] = current;
    for (unsigned i = 0; n == 0 && i < fiber_count; i++)
        if (can_time_out(&fibers[i], AT_LAST))
            options[n++] = i + EXPLORE_THREADS;
    return n;
}

static unsigned choose(unsigned options, bool needed)
{
    unsigned chosen = 0;
    if (at_random)
        return needed || random_next() % 6 == 0 ? (unsigned)(random_next() % options) : 0;
    if (!needed && switches >= switches_max)
        return 0;
    if (depth < planned) {
        chosen = path[depth].chosen;
        if (path[depth].options != options)
            explore_fail("explore", 0, "the same choices do not lead to the same place");
    }
    if (depth < DEPTH_MAX) {
        path[depth].chosen = chosen;
        path[depth].options = options;
        depth++;
    }
    if (!needed && chosen)
        switches++;
    return chosen;
}

/* The fiber of a thread; NULL: of none. */
static struct fiber *fiber_of(const struct thread *t)
{
    for (unsigned i = 0; i < fiber_count; i++)
        if (t == &fibers[i].thread)
            return &fibers[i];
    return NULL;
}

static void time_out(struct thread *t)
{
    fiber_of(t)->queued = true;
    t->wait_result = -ETIMEDOUT;
    t->state = THREAD_READY;
}

/* Pass the turn to whom the schedule says; returns when it is this one's again. */
static void reschedule(void)
{
    unsigned options[2 * EXPLORE_THREADS], n, me = current;
    for (;;) {
        bool needed = !can_run(&fibers[current]) || fibers[current].yields;
        n = list_options(options);
        if (n == 0)
            explore_fail("explore", 0,
                         "nobody can run: a wake-up was missed, or locks are held crosswise");
        if (++steps > STEPS_MAX)
            explore_fail("explore", 0, "it does not end");
        unsigned next = options[n > 1 ? choose(n, needed) : 0];
        if (next < EXPLORE_THREADS) {
            fibers[me].yields = false;
            current = next;
            break;
        }
        time_out(&fibers[next - EXPLORE_THREADS].thread);
    }
    if (current != me)
        swapcontext(&fibers[me].context, &fibers[current].context);
}

void explore_point(const char *where, int line)
{
    if (!running)
        return;
    trace[traced % TRACE].fiber = current;
    trace[traced % TRACE].where = where;
    trace[traced++ % TRACE].line = line;
    reschedule();
}

static bool all_ended(void)
{
    for (unsigned i = 0; i < fiber_count; i++)
        if (!fibers[i].ended)
            return false;
    return true;
}

static void fiber_main(void)
{
    struct fiber *f = &fibers[current];
    f->run();
    f->ended = true;
    if (all_ended())
        setcontext(&home);
    reschedule();
}

static void fiber_start(unsigned i)
{
    struct fiber *f = &fibers[i];
    char *stack = f->stack ? f->stack : malloc(STACK);
    memset(f, 0, sizeof *f);
    f->stack = stack;
    f->run = scenario->run[i];
    object_init(&f->thread.obj, OBJ_THREAD, NULL);
    spin_init(&f->thread.lock, RANK_THREAD);
    f->thread.state = THREAD_RUNNING;
    f->thread.cpu = i;
    f->thread.on_cpu = true;
    f->thread.context = (uintptr_t)f;
    f->thread.id = i + 1;
    f->thread.affinity = UINT32_MAX;
    f->thread.process = &explore_process;
    prio_node_init(&f->thread.wait_node);
    spin_init(&queues[i].lock, RANK_RUNQUEUE);
    cpus[i] = (struct cpu){ .current = &f->thread, .id = i, .runqueue = &queues[i] };
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = NULL;
    makecontext(&f->context, fiber_main, 0);
}

static void nothing(struct object *o)
{
    (void)o;
}
static const struct object_ops process_ops = { .destroy = nothing };

static void world_init(void)
{
    memset(&explore_process, 0, sizeof explore_process);
    memset(&explore_job, 0, sizeof explore_job);
    object_init(&explore_job.obj, OBJ_JOB, &process_ops);
    account_init(&explore_job.account, NULL, &explore_job.obj);
    object_init(&explore_process.obj, OBJ_PROCESS, &process_ops);
    explore_process.job = &explore_job;
    explore_process.pid = 7;
    spin_init(&explore_process.lock, RANK_PROCESS);
    handle_table_init(&explore_process.handles, &explore_job.account);
}

/* What each schedule must leave. */
static void world_check(void)
{
    EXPLORE_EXPECT(explore_process.handles.open == 0);
    handle_table_destroy(&explore_process.handles);
    EXPLORE_EXPECT(explore_process.obj.refs == 1);
    EXPLORE_EXPECT(handle_total() == 0);
    for (unsigned kind = 0; kind < JOB_KINDS; kind++)
        EXPLORE_EXPECT(explore_job.account.count[kind].used == 0);
    EXPLORE_EXPECT(explore_job.obj.refs == 1);
    EXPLORE_EXPECT(live == live_before || !warm);
}

static void run_once(void)
{
    volatile bool back = false;
    depth = switches = steps = traced = 0;
    current = 0;
    live_before = live;
    world_init();
    for (unsigned i = 0; i < EXPLORE_THREADS && scenario->run[i]; i++) {
        fiber_start(i);
        fiber_count = i + 1;
    }
    scenario->setup();
    running = true;
    getcontext(&home);
    if (!back) {
        back = true;
        setcontext(&fibers[0].context);
    }
    running = false;
    current = 0;
    scenario->check();
    world_check();
}

/* The next schedule in order; false: there is none. */
static bool next_path(void)
{
    while (depth > 0 && path[depth - 1].chosen + 1 >= path[depth - 1].options)
        depth--;
    if (depth == 0)
        return false;
    path[depth - 1].chosen++;
    planned = depth;
    return true;
}

static unsigned long option(int argc, char **argv, const char *name, unsigned long otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], name))
            return strtoul(argv[i + 1], NULL, 0);
    return otherwise;
}

static void explore(unsigned long limit, unsigned long randoms, uint64_t seed)
{
    unsigned long n = 0;
    bool more = true;
    at_random = warm = false;
    planned = 0;
    run_once();
    warm = true;
    for (; more && n < limit; n++) {
        run_once();
        more = next_path();
    }
    printf("explore: %s: %lu schedules (%s with %u switches)", scenario->name, n,
           more ? "not all" : "all", switches_max);
    at_random = true;
    for (unsigned long i = 0; i < randoms; i++) {
        random_seed = random_state = (seed + i) * 0x9e3779b97f4a7c15u | 1;
        run_once();
    }
    printf(", %lu at random\n", randoms);
    fflush(stdout);
}

int explore_main(int argc, char **argv, const struct explore_scenario *scenarios, size_t n)
{
    switches_max = (unsigned)option(argc, argv, "--switches", 2);
    for (size_t i = 0; i < n; i++) {
        scenario = &scenarios[i];
        explore(option(argc, argv, "--limit", 20000), option(argc, argv, "--random", 2000),
                option(argc, argv, "--seed", 1));
    }
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        free(fibers[i].stack);
    return 0;
}

unsigned explore_cpu(void)
{
    return current;
}

void explore_on_cpu(unsigned i, void (*fn)(void *arg), void *arg)
{
    unsigned me = current;
    bool ran = running;
    running = false; /* with interrupts off there */
    current = i;
    fn(arg);
    current = me;
    running = ran;
}

struct thread *explore_thread(unsigned i)
{
    return &fibers[i].thread;
}

/* ---- test objects ---- */

static void thing_destroy(struct object *o)
{
    struct thing *t = CONTAINER(o, struct thing, obj);
    ++*t->gone;
    kfree(t);
}
static void thing_last(struct object *o)
{
    ++*CONTAINER(o, struct thing, obj)->last;
}
static const struct object_ops thing_ops = { .destroy = thing_destroy, .last_handle = thing_last };

struct thing *thing_new(uint32_t type, unsigned *last, unsigned *gone)
{
    struct thing *t = kzalloc(sizeof *t);
    object_init(&t->obj, type, &thing_ops);
    t->last = last;
    t->gone = gone;
    return t;
}

/* ---- what the kernel's code calls ---- */

struct cpu *this_cpu(void)
{
    return &cpus[current];
}

void spin_contend(struct spinlock *l)
{
    struct fiber *f = &fibers[current];
    do {
        f->waits = l;
        reschedule();
        f->waits = NULL;
    } while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE));
}

/* Until the running thread is woken or handed the CPU of another: in either case it goes on on its own. */
static void sleep_here(void)
{
    struct fiber *f = &fibers[current];
    f->sleeps = true;
    reschedule();
    f->sleeps = false;
    if (!f->handed)
        cpus[current].switched_from = &nobody;
    f->handed = f->queued = false;
    f->thread.state = THREAD_RUNNING;
    f->thread.on_cpu = true;
    f->thread.cpu = current;
}

void schedule(void)
{
    struct thread *t = &fibers[current].thread;
    if (t->state == THREAD_BLOCKED || t->state == THREAD_READY) {
        __atomic_store_n(&t->on_cpu, false, __ATOMIC_RELEASE);
        sleep_here();
        schedule_arrived();
    }
}

/* The last step of handing over (sched/handover.h): to another fiber, with the CPU that this one had. */
void context_switch(uintptr_t *save, uintptr_t to)
{
    struct fiber *next = (struct fiber *)to, *me = &fibers[current];
    (void)save;
    EXPLORE_EXPECT(next->sleeps && !next->handed); /* else its registers are not saved yet */
    EXPLORE_EXPECT(!next->queued); /* else it would run twice */
    cpus[current].current = &me->thread;
    cpus[next - fibers].switched_from = &me->thread;
    next->handed = true;
    sleep_here();
}

void thread_unclaim(struct thread *t)
{
    spin_acquire(&t->lock);
    __atomic_store_n(&t->on_cpu, false, __ATOMIC_RELEASE);
    t->state = THREAD_READY;
    spin_release(&t->lock);
}

void schedule_left(struct cpu *cpu)
{
    (void)cpu;
}

void thread_yield(void)
{
    fibers[current].yields = running;
    if (running)
        reschedule();
}

void cpu_pause(void)
{
    thread_yield();
}

void ready_enqueue(struct thread *t, bool next)
{
    struct fiber *f = fiber_of(t);
    (void)next;
    if (f)
        f->queued = true;
}
void timer_arm(struct timer *t, uint64_t deadline)
{
    (void)t, (void)deadline;
}
void __attribute__((weak)) write_cr3(uint64_t v)
{
    (void)v;
}
void lapic_send(uint32_t apic_id, unsigned vector)
{
    (void)apic_id, (void)vector;
}
uint64_t clock_ns(void)
{
    return 1;
}

uint32_t thread_set_floor(uint32_t floor)
{
    return floor;
}

void *kmalloc(size_t n)
{
    live++;
    return malloc(n);
}
void *kzalloc(size_t n)
{
    live++;
    return calloc(1, n);
}
void kfree(void *p)
{
    live -= p != NULL;
    free(p);
}
void kpark(void *p)
{
    (void)p;
}
void kunpark(void *p, size_t n)
{
    memset(p, 0xa5, n);
}
