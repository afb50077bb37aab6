/* Sleeping and waking (thread.h tells the protocol). */
#include "sched/sched.h"
#include "x86/clock.h"

enum { STILL_ASLEEP = 1 };

/* Become a sleeper, unless a kill came first and may end the sleep. */
static bool go_to_sleep(struct thread *t, bool interruptible)
{
    spin_lock(&t->lock);
    bool sleep = !(interruptible && thread_killed(t));
    if (sleep) {
        t->wait_result = STILL_ASLEEP;
        t->wait_interruptible = interruptible;
        t->state = THREAD_BLOCKED;
    }
    spin_unlock(&t->lock);
    return sleep;
}

static int sleep_on(struct wait_queue *q, struct spinlock *lock, uint64_t deadline,
                    bool interruptible)
{
    struct thread *t = current_thread();
    ASSERT(spin_held(lock));
    if (deadline != WAIT_FOREVER && deadline <= clock_ns())
        return -ETIMEDOUT;
    list_add_tail(&q->threads, &t->wait_node);
    uint64_t flags = irq_save(); /* no preemption between becoming a sleeper and the switch */
    if (!go_to_sleep(t, interruptible)) {
        irq_restore(flags);
        list_del(&t->wait_node);
        return -EINTR;
    }
    if (deadline != WAIT_FOREVER)
        timer_arm(&t->wait_timer, deadline);
    uint64_t lock_flags = lock->flags;
    lock->flags = 0; /* keep interrupts off across the unlock */
    spin_unlock(lock);
    schedule();
    if (deadline != WAIT_FOREVER)
        timer_cancel(&t->wait_timer);
    irq_restore(lock_flags);
    spin_lock(lock);
    list_del(&t->wait_node);
    return t->wait_result;
}

int wait_sleep(struct wait_queue *q, struct spinlock *lock, uint64_t deadline)
{
    return sleep_on(q, lock, deadline, true);
}

int wait_sleep_uninterruptible(struct wait_queue *q, struct spinlock *lock, uint64_t deadline)
{
    return sleep_on(q, lock, deadline, false);
}

bool thread_wake(struct thread *t, int result)
{
    spin_lock(&t->lock);
    bool first = t->state == THREAD_BLOCKED && t->wait_result == STILL_ASLEEP;
    if (first) {
        t->wait_result = result;
        t->state = THREAD_READY;
        ready_enqueue(t);
    }
    spin_unlock(&t->lock);
    return first;
}

void thread_kill(struct thread *t)
{
    spin_lock(&t->lock);
    __atomic_fetch_or(&t->work, WORK_KILL, __ATOMIC_SEQ_CST);
    if (t->state == THREAD_BLOCKED && t->wait_result == STILL_ASLEEP && t->wait_interruptible) {
        t->wait_result = -EINTR;
        t->state = THREAD_READY;
        ready_enqueue(t);
    }
    spin_unlock(&t->lock);
}

struct thread *wait_wake_one(struct wait_queue *q, int result)
{
    for (struct list *n; (n = list_pop(&q->threads));) {
        struct thread *t = LIST_ENTRY(n, struct thread, wait_node);
        if (thread_wake(t, result))
            return t;
    }
    return NULL;
}

void wait_wake_all(struct wait_queue *q, int result)
{
    while (wait_wake_one(q, result))
        ;
}

uint64_t deadline_from(int64_t timeout_ns)
{
    uint64_t now = clock_ns(), deadline;
    if (timeout_ns < 0 || __builtin_add_overflow(now, (uint64_t)timeout_ns, &deadline))
        return WAIT_FOREVER;
    return deadline;
}
