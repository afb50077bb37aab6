/* Timers: one tree of deadlines on the one-shot LAPIC timer (declared in thread.h). */
#include "sched/sched.h"
#include "x86/apic.h"
#include "x86/clock.h"

/* Shortest interval the hardware is set to; a deadline in the past fires after it. */
#define MIN_INTERVAL_NS 1000

static struct {
    struct spinlock lock;
    struct tree tree;      /* [lock] armed timers by deadline */
    struct timer *running; /* [lock] its fire is under way */
    uint64_t programmed;   /* [lock] when the hardware will interrupt; UINT64_MAX: never */
    uint64_t slice_end;    /* [lock] when the running thread's slice ends; UINT64_MAX: nobody waits for the CPU */
} queue = {.lock = SPINLOCK_INIT(RANK_TIMER), .programmed = UINT64_MAX, .slice_end = UINT64_MAX};

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    *t = (struct timer){.fire = fire};
}

/* Set the hardware to the next thing to do, if that is earlier than what it is set to. */
static void program(uint64_t now)
{
    struct tree_node *n = tree_first(&queue.tree);
    uint64_t next = min_u64(n ? n->key : UINT64_MAX, queue.slice_end);
    if (next >= queue.programmed)
        return;
    queue.programmed = next;
    lapic_timer_oneshot(next > now + MIN_INTERVAL_NS ? next - now : MIN_INTERVAL_NS);
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    spin_lock(&queue.lock);
    if (t->armed)
        tree_remove(&queue.tree, &t->node);
    t->deadline = deadline;
    for (t->node.key = deadline; tree_find(&queue.tree, t->node.key); t->node.key++)
        ;
    t->armed = true;
    tree_insert(&queue.tree, &t->node);
    program(clock_ns());
    spin_unlock(&queue.lock);
}

void timer_cancel(struct timer *t)
{
    spin_lock(&queue.lock);
    while (queue.running == t) {
        spin_unlock(&queue.lock);
        cpu_pause();
        spin_lock(&queue.lock);
    }
    if (t->armed) {
        tree_remove(&queue.tree, &t->node);
        t->armed = false;
    }
    spin_unlock(&queue.lock);
}

void timer_slice(uint64_t end)
{
    spin_lock(&queue.lock);
    queue.slice_end = end;
    if (end != UINT64_MAX)
        program(clock_ns());
    spin_unlock(&queue.lock);
}

void timer_interrupt(void *arg)
{
    (void)arg;
    spin_lock(&queue.lock);
    queue.programmed = UINT64_MAX;
    uint64_t now = clock_ns();
    for (struct tree_node *n; (n = tree_first(&queue.tree)) && n->key <= now;) {
        struct timer *t = CONTAINER(n, struct timer, node);
        tree_remove(&queue.tree, n);
        t->armed = false;
        queue.running = t;
        spin_unlock(&queue.lock);
        t->fire(t);
        spin_lock(&queue.lock);
        queue.running = NULL;
    }
    now = clock_ns();
    if (queue.slice_end <= now) {
        queue.slice_end = UINT64_MAX;
        thread_want_resched();
    }
    program(now);
    spin_unlock(&queue.lock);
}
