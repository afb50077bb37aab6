/* Threads and the scheduler (thread.h). */
#include "sched/thread.h"
#include "klib/string.h"
#include "mm/heap.h"
#include "mm/pagetable.h"
#include "sched/run.h"

static uint64_t next_id = 1;       /* [a] */
static void (*kill_handler)(void); /* [I] */

/* ---- making and unmaking ---- */

static void destroy(struct object *o)
{
    struct thread *t = CONTAINER(o, struct thread, obj);
    ASSERT(t->state == THREAD_DEAD || t->state == THREAD_NEW);
    if (t->kstack)
        kstack_free(t->kstack);
    kfree(t->fpu);
    kfree(t);
}

static void describe(struct object *o, struct object_facts *f)
{
    f->peer = CONTAINER(o, struct thread, obj)->id;
}

static const struct object_ops ops = { .destroy = destroy, .describe = describe };

void thread_init(struct thread *t, const char *name)
{
    object_init(&t->obj, OBJ_THREAD, &ops);
    spin_init(&t->lock, RANK_THREAD);
    list_init(&t->ready_node);
    prio_node_init(&t->wait_node);
    timer_init(&t->wait_timer, sleep_timeout);
    t->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
    t->cpu = this_cpu()->id;
    t->affinity = UINT32_MAX;
    t->priority = t->priority_max = PRIORITY_KERNEL;
    str_copy(t->name, name, sizeof t->name);
}

static void thread_main(void);

struct thread *thread_create_kernel(const char *name, void (*entry)(void *), void *arg)
{
    struct thread *t = kzalloc(sizeof *t);
    if (!t)
        return NULL;
    thread_init(t, name);
    t->kstack = kstack_alloc();
    if (!t->kstack) {
        object_put(&t->obj);
        return NULL;
    }
    t->entry = entry;
    t->entry_arg = arg;
    t->context = context_prepare(t->kstack, thread_main);
    return t;
}

struct thread *thread_create_user(const char *name, struct aspace *as, void (*entry)(void *),
                                  void *arg)
{
    struct thread *t = thread_create_kernel(name, entry, arg);
    if (!t)
        return NULL;
    t->aspace = as;
    t->fpu = kmalloc(
        fpu_size() <= 1024 ? 1024 : PAGE_SIZE); /* sizes whose slabs are aligned to FPU_ALIGN */
    if (!t->fpu) {
        object_put(&t->obj);
        return NULL;
    }
    fpu_reset(t->fpu);
    return t;
}

void thread_start(struct thread *t)
{
    spin_lock(&t->lock);
    ASSERT(t->state == THREAD_NEW);
    object_get(&t->obj); /* the scheduler's own, dropped after the last switch away */
    t->state = THREAD_READY;
    ready_enqueue(t, false);
    spin_unlock(&t->lock);
}

void thread_exit(void)
{
    struct thread *t = current_thread();
    if (t->wait_timer.deadline) /* it may be armed, or firing */
        timer_cancel(&t->wait_timer);
    irq_disable();
    spin_lock(&t->lock);
    t->state = THREAD_DEAD;
    spin_unlock(&t->lock);
    object_signal(&t->obj, 0, EV_EXITED);
    schedule();
    panic(PANIC_ASSERT, "a dead thread ran");
}

/* First code of every thread, entered from context_switch with interrupts off. */
static void thread_main(void)
{
    struct thread *t = current_thread();
    schedule_arrived();
    irq_enable();
    t->entry(t->entry_arg);
    thread_exit();
}

/* ---- on the way to user mode ---- */

void thread_set_kill_handler(void (*fn)(void))
{
    kill_handler = fn;
}

void thread_user_work(void)
{
    if (thread_killed(current_thread()))
        kill_handler();
    __atomic_fetch_and(&current_thread()->work, ~WORK_PRIORITY, __ATOMIC_RELAXED);
    irq_disable();
    if (current_thread()->work & WORK_RESCHED)
        schedule();
    irq_enable();
}

/* ---- time, priority, affinity ---- */

uint64_t thread_cpu_ns(const struct thread *t)
{
    uint64_t now = clock_ns(), started = t->started;
    return t->cpu_ns + (t->on_cpu && now > started ? now - started : 0);
}

uint64_t sched_idle_ns(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < __atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE); i++)
        sum += thread_cpu_ns(cpus[i].idle);
    return sum;
}

bool thread_set_affinity(struct thread *t, uint32_t mask)
{
    if (!(mask & cpu_mask_all()))
        return false;
    spin_lock(&t->lock);
    t->affinity = mask;
    ready_changed(t);
    spin_unlock(&t->lock);
    return true;
}

/* t, which is locked, has another priority. Who is in a call learns of it: it lends another one on. */
static void priority_changed(struct thread *t)
{
    ready_changed(t);
    if (t != current_thread())
        (void)thread_give_work(t, WORK_PRIORITY);
}

bool thread_set_priority(struct thread *t, uint32_t priority)
{
    spin_lock(&t->lock);
    bool allowed = priority <= t->priority_max;
    if (allowed) {
        t->priority = (uint8_t)priority;
        priority_changed(t);
    }
    spin_unlock(&t->lock);
    return allowed;
}

void thread_set_priority_max(struct thread *t, uint32_t priority)
{
    spin_lock(&t->lock);
    t->priority = t->priority_max = (uint8_t)priority;
    priority_changed(t);
    spin_unlock(&t->lock);
}

/* The greatest priority lent to t, which is locked. */
static uint8_t greatest_lent(const struct thread *t)
{
    unsigned p = PRIORITY_MAX;
    while (p && !t->lenders[p])
        p--;
    return (uint8_t)p;
}

static void change_lenders(struct thread *t, uint32_t priority, uint32_t by)
{
    t->lenders[priority] += by;
    uint8_t lent = greatest_lent(t);
    if (lent == t->lent)
        return;
    t->lent = lent;
    priority_changed(t);
}

bool thread_lend(struct thread *t, uint32_t priority)
{
    spin_lock(&t->lock);
    bool lends = priority > t->priority;
    if (lends)
        change_lenders(t, priority, 1);
    spin_unlock(&t->lock);
    return lends;
}

void thread_take_back(struct thread *t, uint32_t priority)
{
    spin_lock(&t->lock);
    change_lenders(t, priority, -1u);
    spin_unlock(&t->lock);
}

uint32_t thread_set_floor(uint32_t floor)
{
    uint64_t flags = irq_save();
    uint32_t before = current_thread()->frame_floor;
    current_thread()->frame_floor = floor;
    this_cpu()->frame_floor = floor;
    irq_restore(flags);
    return before;
}
