/* Failures on demand (fail.h). */
#include "proc/fail.h"

#ifdef DEBUG
#include "mm/refuse.h"

enum { WHO_NOBODY, WHO_THREAD, WHO_PROCESS, WHO_CHILD };

/* Read while locks of any rank are held: it has none of its own. */
static struct {
    uint32_t who;     /* [a] WHO_ */
    uint32_t nth;     /* [a] */
    uint32_t counted; /* [a] */
    uint64_t id;      /* [a] of the thread or process; WHO_CHILD: of the parent */
} plan;

static bool is_meant(const struct thread *t)
{
    switch (__atomic_load_n(&plan.who, __ATOMIC_ACQUIRE)) {
    case WHO_THREAD: return t->id == __atomic_load_n(&plan.id, __ATOMIC_RELAXED);
    case WHO_PROCESS: return t->process->pid == __atomic_load_n(&plan.id, __ATOMIC_RELAXED);
    default: return false;
    }
}

static bool refuse(void)
{
    if (LIKELY(!__atomic_load_n(&plan.who, __ATOMIC_RELAXED)) || this_cpu()->irq_depth)
        return false;
    struct thread *t = current_thread();
    if (!t || !t->process || t->user_fault || !is_meant(t))
        return false;
    return __atomic_add_fetch(&plan.counted, 1, __ATOMIC_RELAXED) ==
           __atomic_load_n(&plan.nth, __ATOMIC_RELAXED);
}

void fail_init(void)
{
    memory_refuser = refuse;
}

void fail_child(const struct process *p)
{
    if (__atomic_load_n(&plan.who, __ATOMIC_ACQUIRE) != WHO_CHILD ||
        p->ppid != __atomic_load_n(&plan.id, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&plan.id, p->pid, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.who, WHO_PROCESS, __ATOMIC_RELEASE);
}

int64_t fail_plan(const struct process *p, uint32_t nth, uint32_t flags)
{
    __atomic_store_n(&plan.who, WHO_NOBODY, __ATOMIC_RELEASE);
    uint32_t counted = __atomic_exchange_n(&plan.counted, 0, __ATOMIC_RELAXED);
    uint32_t before = __atomic_exchange_n(&plan.nth, nth, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.id, flags & FAIL_THREAD ? current_thread()->id : p->pid,
                     __ATOMIC_RELAXED);
    uint32_t who = flags & FAIL_THREAD ? WHO_THREAD : flags & FAIL_CHILD ? WHO_CHILD : WHO_PROCESS;
    __atomic_store_n(&plan.who, nth ? who : WHO_NOBODY, __ATOMIC_RELEASE);
    return (before && counted >= before ? FAIL_FIRED : 0) | counted;
}
#else
int64_t fail_plan(const struct process *p, uint32_t nth, uint32_t flags)
{
    (void)p, (void)nth, (void)flags;
    return -EOPNOTSUPP;
}
#endif
