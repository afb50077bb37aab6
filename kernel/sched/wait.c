/* Sleeping and waking (thread.h tells the protocol). */
#include "sched/sched.h"
#include "x86/clock.h"
#include "x86/smp.h"

/*
 * Most sleeps with a deadline end before it, and the next one's is later. So a thread's timer stays as it is when a sleep
 * ends, and is armed only for what is earlier: when it fires, the deadline of the sleep then decides.
 */
void sleep_timed(struct thread *t)
{
    const struct timer *timer = &t->wait_timer;
    if (!__atomic_load_n(&timer->armed, __ATOMIC_RELAXED) ||
        __atomic_load_n(&timer->deadline, __ATOMIC_RELAXED) > t->wait_deadline)
        timer_arm(&t->wait_timer, t->wait_deadline);
}

/* Run others, without the lock. Interrupts stay off: no preemption between becoming a sleeper and the switch. */
static inline void switch_away(struct spinlock *lock)
{
    uint64_t flags = lock->flags;
    spin_release(lock);
    schedule();
    spin_acquire(lock);
    lock->flags = flags;
}

int wait_sleep(struct wait_queue *q, struct spinlock *lock, uint64_t deadline)
{
    return wait_sleep_heeding(q, lock, deadline, WORK_KILL | WORK_UPCALL);
}

int wait_sleep_heeding(struct wait_queue *q, struct spinlock *lock, uint64_t deadline,
                       uint32_t heed)
{
    struct thread *t = current_thread();
    ASSERT(spin_held(lock));
    if (deadline != WAIT_FOREVER && deadline <= clock_ns())
        return -ETIMEDOUT;
    wait_queue_add(q, t);
    if (!go_to_sleep(t, deadline, heed)) {
        prio_del(&t->wait_node);
        return -EINTR;
    }
    switch_away(lock);
    prio_del(&t->wait_node);
    return t->wait_result;
}

/* Whether t still slept; it is ready then, with that result. Its lock is held. */
static bool end_sleep(struct thread *t, int result, bool next)
{
    if (t->state != THREAD_BLOCKED || t->wait_result != STILL_ASLEEP)
        return false;
    t->wait_result = result;
    t->state = THREAD_READY;
    ready_enqueue(t, next);
    return true;
}

void sleep_timeout(struct timer *timer)
{
    struct thread *t = CONTAINER(timer, struct thread, wait_timer);
    spin_lock(&t->lock);
    if (t->state == THREAD_BLOCKED && t->wait_deadline != WAIT_FOREVER) {
        if (t->wait_deadline <= clock_ns())
            (void)end_sleep(t, -ETIMEDOUT, false);
        else
            sleep_timed(t);
    }
    spin_unlock(&t->lock);
}

static bool wake(struct thread *t, int result, bool next)
{
    spin_acquire(&t->lock);
    bool first = end_sleep(t, result, next);
    spin_release(&t->lock);
    return first;
}

bool thread_wake(struct thread *t, int result)
{
    return wake(t, result, false);
}

bool thread_wake_next(struct thread *t, int result)
{
    return wake(t, result, true);
}

bool thread_give_work(struct thread *t, uint32_t bits)
{
    ASSERT(spin_held(&t->lock));
    __atomic_fetch_or(&t->work, bits, __ATOMIC_SEQ_CST);
    return (t->wait_heed & bits) && end_sleep(t, -EINTR, false);
}

void thread_notify(struct thread *t, uint32_t bits)
{
    spin_lock(&t->lock);
    if (!thread_give_work(t, bits) && t->on_cpu && t != current_thread())
        smp_send_resched(&cpus[t->cpu]); /* it looks at its work on its way out */
    spin_unlock(&t->lock);
}

struct thread *wait_wake_one(struct wait_queue *q, int result)
{
    for (struct thread *t; (t = wait_queue_first(q));) {
        prio_del(&t->wait_node);
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

int thread_sleep(uint64_t ns)
{
    struct spinlock lock = SPINLOCK_INIT(RANK_WAITQ);
    struct wait_queue q;
    uint64_t deadline;
    wait_queue_init(&q);
    if (__builtin_add_overflow(clock_ns(), ns, &deadline))
        deadline = WAIT_FOREVER;
    spin_lock(&lock);
    int st = wait_sleep(&q, &lock, deadline);
    spin_unlock(&lock);
    return st == -ETIMEDOUT ? OK : st;
}

uint64_t deadline_from(int64_t timeout_ns)
{
    uint64_t deadline;
    if (timeout_ns < 0 || __builtin_add_overflow(clock_ns(), (uint64_t)timeout_ns, &deadline))
        return WAIT_FOREVER;
    return deadline;
}
