/* Timers: one tree of deadlines on the one-shot LAPIC timer (declared in thread.h). */
#include "sched/sched.h"
#include "x86/apic.h"
#include "x86/clock.h"

/* Shortest interval the hardware is set to; a deadline in the past fires after it. */
#define MIN_INTERVAL_NS 1000
/* Timers fired in one interrupt. */
#define FIRE_AT_ONCE 64u

static struct {
    struct spinlock lock;
    struct tree
        tree; /* [lock] armed timers by deadline; of those with the same one only the first */
    struct timer *running; /* [lock] its fire is under way */
    uint64_t programmed; /* [lock] when the hardware will interrupt; UINT64_MAX: never */
    uint64_t quiet_until; /* [lock] no interrupt before, whatever is due */
    uint64_t
        slice_end; /* [lock] when the running thread's slice ends; UINT64_MAX: nobody waits for the CPU */
} queue = { .lock = SPINLOCK_INIT(RANK_TIMER), .programmed = UINT64_MAX, .slice_end = UINT64_MAX };

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    *t = (struct timer){ .fire = fire };
    list_init(&t->same);
}

/* The lock is held for these two. */
static void insert(struct timer *t, uint64_t deadline)
{
    struct tree_node *first = tree_find(&queue.tree, deadline);
    t->deadline = t->node.key = deadline;
    t->armed = true;
    t->in_tree = !first;
    if (first)
        list_add_tail(&CONTAINER(first, struct timer, node)->same, &t->same);
    else
        tree_insert(&queue.tree, &t->node);
}

static void remove(struct timer *t)
{
    struct timer *next = list_empty(&t->same) ? NULL : LIST_ENTRY(t->same.next, struct timer, same);
    list_del(&t->same);
    t->armed = false;
    if (!t->in_tree)
        return;
    tree_remove(&queue.tree, &t->node);
    if (next) {
        next->in_tree = true;
        tree_insert(&queue.tree, &next->node);
    }
}

/* Set the hardware to the next thing to do, if that is earlier than what it is set to. */
static void program(uint64_t now)
{
    struct tree_node *n = tree_first(&queue.tree);
    uint64_t next = min_u64(n ? n->key : UINT64_MAX, queue.slice_end);
    if (next >= queue.programmed)
        return;
    queue.programmed = next;
    if (next < queue.quiet_until)
        next = queue.quiet_until;
    lapic_timer_oneshot(next > now + MIN_INTERVAL_NS ? next - now : MIN_INTERVAL_NS);
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    spin_lock(&queue.lock);
    if (t->armed)
        remove(t);
    insert(t, deadline);
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
    if (t->armed)
        remove(t);
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

/*
 * However many timers programs set, threads get as much of the CPU as the timers: an interrupt fires a limited number,
 * and the next one comes no sooner than this one took.
 */
void timer_interrupt(void *arg)
{
    unsigned left = FIRE_AT_ONCE;
    (void)arg;
    spin_lock(&queue.lock);
    queue.programmed = UINT64_MAX;
    uint64_t begin = clock_ns(), now;
    for (struct tree_node *n; left && (n = tree_first(&queue.tree)) && n->key <= begin; left--) {
        struct timer *t = CONTAINER(n, struct timer, node);
        remove(t);
        queue.running = t;
        spin_unlock(&queue.lock);
        t->fire(t);
        spin_lock(&queue.lock);
        queue.running = NULL;
    }
    now = clock_ns();
    queue.quiet_until = now + (now - begin);
    if (queue.slice_end <= now) {
        queue.slice_end = UINT64_MAX;
        thread_want_resched();
    }
    program(now);
    spin_unlock(&queue.lock);
}
