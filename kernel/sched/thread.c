/* Threads and the scheduler (thread.h). */
#include "sched/thread.h"
#include "klib/string.h"
#include "mm/heap.h"
#include "mm/pagetable.h"
#include "mm/vm.h"
#include "sched/sched.h"
#include "x86/clock.h"
#include "x86/fpu.h"
#include "x86/gdt.h"
#include "x86/irq.h"
#include "x86/switch.h"
#include "x86/trapframe.h"

static struct {
    struct spinlock lock;
    struct list threads; /* [lock] ready threads, first to run next */
    bool timed;          /* [lock] the running thread's slice is being timed */
} ready = { .lock = SPINLOCK_INIT(RANK_RUNQUEUE), .threads = LIST_INIT(ready.threads) };

static struct thread boot_thread;
static uint64_t next_id = 1;         /* [a] */
static struct thread *dying;         /* on this CPU: its stack may go once another thread runs */
static void (*kill_handler)(void);   /* [I] */

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

static void wait_timeout(struct timer *timer)
{
    thread_wake(CONTAINER(timer, struct thread, wait_timer), -ETIMEDOUT);
}

static void init(struct thread *t, const char *name)
{
    object_init(&t->obj, OBJ_THREAD, &ops);
    spin_init(&t->lock, RANK_THREAD);
    list_init(&t->ready_node);
    list_init(&t->process_node);
    list_init(&t->wait_node);
    timer_init(&t->wait_timer, wait_timeout);
    t->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
    str_copy(t->name, name, sizeof t->name);
}

static void thread_main(void);

struct thread *thread_create_kernel(const char *name, void (*entry)(void *), void *arg)
{
    struct thread *t = kzalloc(sizeof *t);
    if (!t)
        return NULL;
    init(t, name);
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
    irq_disable();
    spin_lock(&t->lock);
    t->state = THREAD_DEAD;
    spin_unlock(&t->lock);
    object_signal(&t->obj, 0, EV_EXITED);
    schedule();
    panic(PANIC_ASSERT, "a dead thread ran");
}

/* ---- choosing ---- */

void thread_want_resched(void)
{
    __atomic_fetch_or(&current_thread()->work, WORK_RESCHED, __ATOMIC_RELAXED);
}

void ready_enqueue(struct thread *t, bool next)
{
    spin_lock(&ready.lock);
    if (next)
        list_add_head(&ready.threads, &t->ready_node);
    else
        list_add_tail(&ready.threads, &t->ready_node);
    if (current_thread() == this_cpu()->idle) {
        thread_want_resched();
    } else if (!ready.timed) {
        ready.timed = true;
        timer_slice(clock_ns() + SLICE_NS);
    }
    spin_unlock(&ready.lock);
}

/* The thread that runs next; its slice is timed only if others wait. */
static struct thread *choose(uint64_t now)
{
    spin_lock(&ready.lock);
    struct list *n = list_pop(&ready.threads);
    bool others = !list_empty(&ready.threads);
    if (others)
        timer_slice(now + SLICE_NS);
    else if (ready.timed)
        timer_slice(UINT64_MAX);
    ready.timed = others;
    spin_unlock(&ready.lock);
    return n ? LIST_ENTRY(n, struct thread, ready_node) : this_cpu()->idle;
}

/* Make the CPU's state that of next: page tables, stack for traps, FPU, FS base. */
static void load_state(struct thread *prev, struct thread *next)
{
    struct cpu *cpu = this_cpu();
    cpu->current = next;
    cpu->frame_floor = next->frame_floor;
    aspace_switch(next->aspace);
    gdt_set_kernel_stack(cpu, next->kstack);
    if (prev->fpu && prev->state != THREAD_DEAD)
        fpu_save(prev->fpu);
    if (next->fpu) {
        fpu_restore(next->fpu);
        wrmsr(MSR_FS_BASE, next->fs_base);
    }
}

/* The first thing a thread does after a switch to it: let a dead predecessor go. */
static void switched(void)
{
    struct thread *t = dying;
    dying = NULL;
    if (t)
        object_put(&t->obj);
}

void schedule(void)
{
    struct thread *prev = current_thread();
    uint64_t now = clock_ns();
    ASSERT(this_cpu()->lock_rank == RANK_NONE);
    __atomic_fetch_and(&prev->work, ~WORK_RESCHED, __ATOMIC_RELAXED);
    if (prev->state == THREAD_RUNNING && prev != this_cpu()->idle) {
        prev->state = THREAD_READY;
        ready_enqueue(prev, false);
    }
    struct thread *next = choose(now);
    next->state = THREAD_RUNNING;
    if (next == prev)
        return;
    prev->cpu_ns += now - prev->started;
    prev->started = next->started = now;
    CPU_COUNT(switches);
    if (prev->state == THREAD_DEAD)
        dying = prev;
    load_state(prev, next);
    context_switch(&prev->context, next->context);
    switched();
}

/* First code of every thread, entered from context_switch with interrupts off. */
static void thread_main(void)
{
    struct thread *t = current_thread();
    switched();
    irq_enable();
    t->entry(t->entry_arg);
    thread_exit();
}

void thread_yield(void)
{
    irq_disable();
    schedule();
    irq_enable();
}

void thread_preempt(void)
{
    if (__atomic_load_n(&current_thread()->work, __ATOMIC_RELAXED) & WORK_RESCHED)
        schedule();
}

void thread_set_kill_handler(void (*fn)(void))
{
    kill_handler = fn;
}

void thread_user_work(void)
{
    if (thread_killed(current_thread()))
        kill_handler();
    irq_disable();
    if (current_thread()->work & WORK_RESCHED)
        schedule();
    irq_enable();
}

uint64_t thread_cpu_ns(const struct thread *t)
{
    return t->cpu_ns + (t == current_thread() ? clock_ns() - t->started : 0);
}

uint64_t sched_idle_ns(void)
{
    return thread_cpu_ns(this_cpu()->idle);
}

/* ---- start ---- */

static void idle_loop(void *arg)
{
    (void)arg;
    for (;;) {
        irq_disable();
        if (current_thread()->work & WORK_RESCHED)
            schedule();
        else
            cpu_wait_for_irq();
    }
}

void sched_init(void)
{
    struct cpu *cpu = this_cpu();
    init(&boot_thread, "boot");
    boot_thread.state = THREAD_RUNNING;
    boot_thread.started = clock_ns();
    object_get(&boot_thread.obj); /* static: never freed */
    cpu->current = &boot_thread;
    cpu->idle = thread_create_kernel("idle", idle_loop, NULL);
    if (!cpu->idle)
        panic(PANIC_MEMORY, "no memory for the idle thread");
    irq_set(VEC_TIMER, timer_interrupt, NULL);
}
