/* Who runs where, and the switch (thread.h tells the rules). */
#include "sched/handover.h"
#include "x86/smp.h"

/* With less than this left a waking thread's credit is looked at with the clock. */
#define CREDIT_LOW_NS 500000u

static struct runqueue queues[MAX_CPUS];

static uint32_t idle_cpus; /* [a] bit n: cpus[n] runs nothing and nothing was sent there */

static inline bool may_run_on(const struct thread *t, const struct cpu *cpu)
{
    return t->affinity >> cpu->id & 1;
}

void ready_init(void)
{
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        spin_init(&queues[i].lock, RANK_RUNQUEUE);
        queues[i].running = LEVEL_IDLE;
        cpus[i].runqueue = &queues[i];
        cpus[i].aspace_bits = aspace_bits_of(i);
        for (unsigned l = 0; l < LEVELS; l++)
            list_init(&queues[i].queue[l]);
    }
}

/* The highest level of a set, which is not empty: one instruction, written so. */
static inline unsigned highest(uint32_t levels)
{
    return 31u ^ (unsigned)__builtin_clz(levels);
}

static int top_level(const struct runqueue *rq)
{
    return rq->levels ? (int)highest(rq->levels) : LEVEL_IDLE;
}

/* ---- the queue itself; its lock is held ---- */

static inline void push(struct runqueue *rq, struct thread *t, bool front)
{
    unsigned level = t->level;
    if (front)
        list_add_head(&rq->queue[level], &t->ready_node);
    else
        list_add_tail(&rq->queue[level], &t->ready_node);
    rq->levels |= 1u << level;
}

static void take(struct runqueue *rq, struct thread *t)
{
    list_del(&t->ready_node);
    if (list_empty(&rq->queue[t->level]))
        rq->levels &= ~(1u << t->level);
}

/* The one to run first; there is one. */
static struct thread *first(const struct runqueue *rq)
{
    return LIST_ENTRY(rq->queue[highest(rq->levels)].next, struct thread, ready_node);
}

/* Take the first one of a level; there is one. */
static inline struct thread *pop(struct runqueue *rq, unsigned level)
{
    struct list *queue = &rq->queue[level], *n = queue->next;
    queue->next = n->next;
    n->next->prev = queue;
    list_init(n);
    if (queue->next == queue)
        rq->levels &= ~(1u << level);
    return LIST_ENTRY(n, struct thread, ready_node);
}

/* ---- where a thread goes ---- */

/* A CPU of the mask on which t would run at once in place of something less important, or its last one. */
static struct cpu *least_busy(const struct thread *t, uint32_t allowed)
{
    struct cpu *best = &cpus[allowed >> t->cpu & 1 ? t->cpu : (uint32_t)__builtin_ctz(allowed)];
    int lowest = __atomic_load_n(&queues[best->id].running, __ATOMIC_RELAXED);
    if (lowest < t->level)
        return best;
    for (; allowed; allowed &= allowed - 1) {
        struct cpu *c = &cpus[__builtin_ctz(allowed)];
        int running = __atomic_load_n(&queues[c->id].running, __ATOMIC_RELAXED);
        if (running < lowest) {
            lowest = running;
            best = c;
        }
    }
    return best;
}

static struct cpu *place(struct thread *t, struct cpu *self, bool next)
{
    if (cpu_count == 1)
        return self;
    if (__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE))
        return &cpus[t->cpu];
    uint32_t allowed = t->affinity & cpu_mask_all();
    if (next && (allowed >> self->id & 1))
        return self;
    uint32_t idle = __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED) & allowed;
    if (!idle)
        return least_busy(t, allowed);
    uint32_t id = idle >> t->cpu & 1 ? t->cpu : (uint32_t)__builtin_ctz(idle);
    __atomic_fetch_and(&idle_cpus, ~(1u << id), __ATOMIC_RELAXED);
    return &cpus[id];
}

/* A thread that slept for long is fresh again. */
static void refresh(struct thread *t)
{
    if (t->credit < CREDIT_LOW_NS && t->started) {
        uint64_t slept = clock_ns() - t->started;
        t->credit = min_u64(t->credit + slept, FRESH_MAX_NS);
    }
    t->fresh = t->credit >= CREDIT_LOW_NS;
    set_level(t);
}

/* Somebody waits now: what runs has the rest of its slice. */
static void time_slice(struct cpu *self)
{
    self->slice_end = self->current->started + SLICE_NS;
    if (self->slice_end < self->timer_programmed)
        timer_program(self, self->slice_end, clock_ns());
}

void ready_enqueue(struct thread *t, bool next)
{
    struct cpu *self = this_cpu();
    refresh(t);
    struct cpu *cpu = place(t, self, next);
    struct runqueue *rq = cpu->runqueue;
    spin_acquire(&rq->lock);
    t->cpu = cpu->id;
    push(rq, t, next);
    bool preempt = t->level > rq->running, time = !rq->timed;
    rq->timed = true;
    spin_release(&rq->lock);
    if (cpu != self) {
        if (preempt || time)
            smp_send_resched(cpu);
    } else if (preempt) {
        thread_want_resched();
    } else if (time) {
        time_slice(self);
    }
}

void resched_interrupt(void *arg)
{
    struct cpu *self = this_cpu();
    struct runqueue *rq = self->runqueue;
    (void)arg;
    spin_acquire(&rq->lock);
    bool preempt = top_level(rq) > rq->running, others = rq->levels != 0;
    spin_release(&rq->lock);
    if (preempt || !may_run_on(self->current, self)) {
        thread_want_resched();
    } else if (others) {
        time_slice(self);
    }
}

/* ---- choosing ---- */

/*
 * A ready thread of another CPU that may run here, or NULL. *soon: there is one, whose registers are still being saved.
 * No queue is locked.
 */
static struct thread *steal(const struct cpu *self, bool *soon)
{
    uint32_t n = __atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 1; i < n; i++) {
        struct runqueue *rq = &queues[(self->id + i) % n];
        if (!__atomic_load_n(&rq->levels, __ATOMIC_RELAXED))
            continue;
        spin_acquire(&rq->lock);
        for (uint32_t levels = rq->levels; levels;) {
            unsigned level = highest(levels);
            levels &= ~(1u << level);
            LIST_FOR (node, &rq->queue[level]) {
                struct thread *t = LIST_ENTRY(node, struct thread, ready_node);
                if (!may_run_on(t, self))
                    continue;
                if (__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)) {
                    *soon = true;
                    continue;
                }
                take(rq, t);
                t->cpu = self->id;
                spin_release(&rq->lock);
                return t;
            }
        }
        spin_release(&rq->lock);
    }
    return NULL;
}

/* A thread that may run on the CPUs of the mask waits here while one of them may have nothing to do. */
static __attribute__((noinline)) void call_for_help(const struct cpu *self, uint32_t allowed)
{
    uint32_t idle = __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED) & cpu_mask_all() & allowed &
                    ~(1u << self->id);
    if (!idle)
        return;
    struct cpu *cpu = &cpus[__builtin_ctz(idle)];
    if (__atomic_fetch_and(&idle_cpus, ~(1u << cpu->id), __ATOMIC_RELAXED) & (1u << cpu->id))
        smp_send_resched(cpu);
}

/* Nothing is ready here: what another CPU has, or the idle thread. The queue is unlocked. */
static __attribute__((noinline)) struct thread *choose_elsewhere(struct cpu *self)
{
    struct thread *t = NULL;
    bool soon = false;
    if (cpu_count > 1) {
        __atomic_fetch_or(&idle_cpus, 1u << self->id, __ATOMIC_SEQ_CST);
        t = steal(self, &soon);
    }
    if (soon && !t) /* look again: nobody calls us when they are */
        __atomic_fetch_or(&self->idle->work, WORK_RESCHED, __ATOMIC_RELAXED);
    if (!t)
        return self->idle;
    CPU_COUNT(steals);
    __atomic_fetch_and(&idle_cpus, ~(1u << self->id), __ATOMIC_RELAXED);
    __atomic_store_n(&self->runqueue->running, t->level, __ATOMIC_RELAXED);
    return t;
}

/*
 * Fresh threads are ready at `level`, and so are others of that priority. However many sleep and wake in turns, the others get
 * a share: when they have waited for a slice's length, one of them counts as fresh.
 */
static __attribute__((noinline)) void share_with_others(struct runqueue *rq, unsigned level,
                                                        uint64_t now)
{
    if (!rq->passed_over)
        rq->passed_over = now;
    if (now - rq->passed_over < SLICE_NS)
        return;
    struct thread *t = LIST_ENTRY(rq->queue[level - 1].next, struct thread, ready_node);
    take(rq, t);
    t->fresh = true;
    t->credit = FRESH_MAX_NS;
    set_level(t);
    push(rq, t, true);
    rq->passed_over = now;
}

/* Put prev back if it goes on being ready, and choose what this CPU runs next. */
static inline struct thread *ready_choose(struct cpu *self, struct thread *prev, bool again,
                                          uint64_t now)
{
    struct runqueue *rq = self->runqueue;
    spin_acquire(&rq->lock);
    if (again)
        push(rq, prev, false);
    if (UNLIKELY(!rq->levels)) {
        rq->running = LEVEL_IDLE;
        rq->timed = false;
        spin_release(&rq->lock);
        self->slice_end = UINT64_MAX;
        return choose_elsewhere(self);
    }
    unsigned level = highest(rq->levels);
    if (UNLIKELY((level & 1) && (rq->levels >> (level - 1) & 1)))
        share_with_others(rq, level, now);
    else
        rq->passed_over = 0;
    struct thread *next = pop(rq, level);
    bool others = rq->levels != 0;
    uint32_t help = others && UNLIKELY(idle_cpus) ? first(rq)->affinity : 0;
    rq->timed = others;
    rq->running = next->level;
    spin_release(&rq->lock);
    if (help)
        call_for_help(self, help);
    timer_slice(self, !others ? UINT64_MAX : now + (next->fresh ? next->credit : SLICE_NS), now);
    return next;
}

void ready_changed(struct thread *t)
{
    ASSERT(spin_held(&t->lock));
    for (;;) {
        struct cpu *cpu = &cpus[__atomic_load_n(&t->cpu, __ATOMIC_RELAXED)];
        struct runqueue *rq = cpu->runqueue;
        spin_acquire(&rq->lock);
        if (t->cpu != cpu->id) { /* stolen meanwhile */
            spin_release(&rq->lock);
            continue;
        }
        bool queued = !list_empty(&t->ready_node);
        if (queued)
            take(rq, t);
        set_level(t);
        if (!queued && t->on_cpu && cpu->current == t)
            rq->running = t->level;
        spin_release(&rq->lock);
        if (queued)
            ready_enqueue(t, false);
        else if (t->on_cpu)
            smp_send_resched(cpu);
        return;
    }
}

/* ---- switching ---- */

void schedule_left(struct cpu *cpu)
{
    struct thread *leaving = cpu->leaving;
    cpu->leaving = NULL;
    if (leaving->state == THREAD_DEAD)
        object_put(&leaving->obj);
    else
        ready_enqueue(leaving, false);
}

void schedule(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *prev = cpu->current;
    uint64_t now = clock_ns();
#ifdef DEBUG
    ASSERT(cpu->lock_rank == RANK_NONE);
#endif
    __atomic_fetch_and(&prev->work, ~WORK_RESCHED, __ATOMIC_RELAXED);
    charge_time(prev, now);
    bool again = prev->state == THREAD_RUNNING && prev != cpu->idle;
    if (again)
        prev->state = THREAD_READY;
    bool moves = again && !may_run_on(prev, cpu);
    struct thread *next = ready_choose(cpu, prev, again && !moves, now);
    next->state = THREAD_RUNNING;
    if (next == prev)
        return;
    if (prev->state == THREAD_DEAD || moves)
        cpu->leaving = prev;
    switch_to(cpu, prev, next, now);
}

/* ---- handing over (handover.h) ---- */

void thread_unclaim(struct thread *t)
{
    spin_acquire(&t->lock);
    __atomic_store_n(&t->on_cpu, false, __ATOMIC_RELEASE);
    t->state = THREAD_READY;
    ready_enqueue(t, true);
    spin_release(&t->lock);
}

void thread_want_resched(void)
{
    __atomic_fetch_or(&current_thread()->work, WORK_RESCHED, __ATOMIC_RELAXED);
}

void thread_preempt(void)
{
    if (__atomic_load_n(&current_thread()->work, __ATOMIC_RELAXED) & WORK_RESCHED)
        schedule();
}

void thread_yield(void)
{
    irq_disable();
    schedule();
    irq_enable();
}
