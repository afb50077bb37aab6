/* Timers: one tree of deadlines on the one-shot LAPIC timer (declared in thread.h). */
#include "sched/sched.h"
#include "x86/apic.h"
#include "x86/clock.h"

/* Shortest interval the hardware is set to; a deadline in the past fires after it. */
#define MIN_INTERVAL_NS 1000
/* Timers fired in one interrupt. */
#define FIRE_AT_ONCE 64u

/* Each CPU has its own, on its own LAPIC timer; others only take timers out. */
static struct timer_queue {
    struct spinlock lock;
    struct tree
        tree; /* [lock] armed timers by deadline; of those with the same one only the first */
    struct timer *running; /* [lock] its fire is under way */
    uint64_t
        quiet_until; /* no interrupt before, whatever is due; the CPU's own, with interrupts off */
} ALIGNED(64) queues[MAX_CPUS];

void timers_init(void)
{
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        spin_init(&queues[i].lock, RANK_TIMER);
        cpus[i].timer_programmed = cpus[i].slice_end = UINT64_MAX;
    }
}

/* The queue t is in, or was in last, locked. */
static struct timer_queue *lock_queue(struct timer *t)
{
    for (;;) {
        uint32_t cpu = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        struct timer_queue *q = &queues[cpu];
        spin_lock(&q->lock);
        if (t->cpu == cpu)
            return q;
        spin_unlock(&q->lock);
    }
}

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    *t = (struct timer){ .fire = fire };
    list_init(&t->same);
}

/* The lock is held for these two. */
static void insert(struct timer_queue *q, struct timer *t, uint64_t deadline)
{
    struct tree_node *first = tree_find(&q->tree, deadline);
    t->deadline = t->node.key = deadline;
    t->armed = true;
    t->in_tree = !first;
    if (first)
        list_add_tail(&CONTAINER(first, struct timer, node)->same, &t->same);
    else
        tree_insert(&q->tree, &t->node);
}

static void remove(struct timer_queue *q, struct timer *t)
{
    struct timer *next = list_empty(&t->same) ? NULL : LIST_ENTRY(t->same.next, struct timer, same);
    list_del(&t->same);
    t->armed = false;
    if (!t->in_tree)
        return;
    tree_remove(&q->tree, &t->node);
    if (next) {
        next->in_tree = true;
        tree_insert(&q->tree, &next->node);
    }
}

void timer_program(struct cpu *self, uint64_t next, uint64_t now)
{
    const struct timer_queue *q = &queues[self->id];
    if (next >= self->timer_programmed)
        return;
    self->timer_programmed = next;
    if (next < q->quiet_until)
        next = q->quiet_until;
    lapic_timer_oneshot(next > now + MIN_INTERVAL_NS ? next - now : MIN_INTERVAL_NS);
}

/*
 * The queue that t is to be armed in, locked, with t not armed: this CPU's. Others may arm it at the same time. A timer whose
 * fire is under way on another CPU stays in that one's queue: timer_cancel waits there for its end, and that CPU sets its
 * hardware when it is done.
 */
static struct timer_queue *take_over(struct timer *t, const struct cpu *self)
{
    for (;;) {
        struct timer_queue *q = lock_queue(t);
        if (t->armed)
            remove(q, t);
        if (q == &queues[self->id] || q->running == t)
            return q;
        __atomic_store_n(&t->cpu, self->id, __ATOMIC_RELAXED);
        spin_unlock(&q->lock);
    }
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    uint64_t flags = irq_save();
    struct cpu *self = this_cpu();
    struct timer_queue *q = take_over(t, self);
    insert(q, t, deadline);
    if (q == &queues[self->id])
        timer_program(self, deadline, clock_ns());
    spin_unlock(&q->lock);
    irq_restore(flags);
}

void timer_cancel(struct timer *t)
{
    struct timer_queue *q = lock_queue(t);
    while (q->running == t) {
        spin_unlock(&q->lock);
        cpu_pause();
        q = lock_queue(t);
    }
    if (t->armed)
        remove(q, t);
    spin_unlock(&q->lock);
}

/*
 * However many timers programs set, threads get as much of the CPU as the timers: an interrupt fires a limited number,
 * and the next one comes no sooner than this one took.
 */
void timer_interrupt(void *arg)
{
    struct cpu *self = this_cpu();
    struct timer_queue *q = &queues[self->id];
    unsigned left = FIRE_AT_ONCE;
    (void)arg;
    spin_lock(&q->lock);
    self->timer_programmed = UINT64_MAX;
    uint64_t begin = clock_ns(), now;
    struct tree_node *n;
    for (; left && (n = tree_first(&q->tree)) && n->key <= begin; left--) {
        struct timer *t = CONTAINER(n, struct timer, node);
        remove(q, t);
        q->running = t;
        spin_unlock(&q->lock);
        t->fire(t);
        spin_lock(&q->lock);
        q->running = NULL;
    }
    now = clock_ns();
    q->quiet_until = now + (now - begin);
    if (self->slice_end <= now) {
        self->slice_end = UINT64_MAX;
        thread_want_resched();
    }
    n = tree_first(&q->tree);
    timer_program(self, min_u64(n ? n->key : UINT64_MAX, self->slice_end), now);
    spin_unlock(&q->lock);
}
