/*
 * Threads, the scheduler and sleeping.
 *
 * Each CPU has a run queue of ready threads. The one with the highest level runs, those of one level in turns, for at
 * most SLICE_NS while others are ready. A thread's level is twice its priority (its own, or one lent to it), and one
 * more while it is fresh: a thread that has slept is, until it has used as much CPU time as it slept, FRESH_MAX_NS at
 * most. So who waits for keys or packets runs before who computes, at equal priority, and can't starve it: when
 * others of its priority have waited for a slice's length beside fresh ones, one of them counts as fresh.
 *
 * A thread that wakes goes to the CPU it ran on last; if that is busy, to an idle one, or to one that runs something of
 * a lower level. An idle CPU steals from the others' queues. A thread whose registers are still in a CPU (on_cpu) is
 * only ever put into that CPU's queue, and never stolen: so nobody waits for registers to be saved.
 *
 * The timer is one-shot: with one runnable thread and no time-out nothing ticks.
 *
 * Sleeping. The state that a sleeper waits for is guarded by a spinlock of its owner (endpoint, port, device). The
 * sleeper links itself into a wait queue under that lock and calls wait_sleep(), which lets go of the lock and takes
 * it again after waking. Wakers hold the lock too, take a thread from the queue and thread_wake() it. A time-out
 * or a kill wakes the thread without that lock: whoever wakes first decides the result (thread->wait_result), and
 * the sleeper, once it has the lock again, takes itself out of the queue if it is still in it. Hence a waker that
 * finds a thread in a queue must check that its thread_wake() succeeded.
 */
#ifndef SCHED_THREAD_H
#define SCHED_THREAD_H

#include "klib/prio_queue.h"
#include "klib/tree.h"
#include "object/object.h"

#define SLICE_NS     10000000ull
#define FRESH_MAX_NS 2500000ull

/* Of kernel threads, and of the first process. */
#define PRIORITY_KERNEL 14u
#define PRIORITY_FIRST  12u

struct process;
struct aspace;
struct trap_frame;

enum { STILL_ASLEEP = 1 };
enum thread_state { THREAD_NEW, THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED, THREAD_DEAD };

/* Bits of thread->work, seen to before the thread returns to user mode. */
#define WORK_RESCHED 1u /* another thread should run */
#define WORK_KILL    2u /* the thread must end */
#define WORK_UPCALL  4u /* an upcall waits to be delivered */
#define WORK_RETURN  8u /* it goes on as upcalls.returning says */
#define WORK_PRIORITY \
    16u /* its priority has changed: of interest to a thread that waits for an answer (ipc/lend.c) */

/* ---- timers (timer.c) ---- */

struct timer {
    struct tree_node node; /* [timer queue] key: deadline */
    struct list same; /* [timer queue] the ring of those with the same deadline */
    uint32_t cpu; /* whose timer queue it was armed in last */
    bool in_tree; /* [timer queue] it stands for its ring there */
    bool armed; /* [timer queue] */
    uint64_t deadline; /* ns of clock_ns */
    void (*fire)(
        struct timer *t); /* interrupts off, timer queue unlocked; t may be armed again there */
};
void timer_init(struct timer *t, void (*fire)(struct timer *t));
/* Arm (again) for deadline in ns of clock_ns(), on this CPU. When several callers meet, the last one's counts. */
void timer_arm(struct timer *t, uint64_t deadline);
/* Disarm; fire is not running any more when this returns. Not from fire itself. */
void timer_cancel(struct timer *t);

/* ---- threads ---- */

/* The most important first: by the priority that counted when it went to sleep. */
struct wait_queue {
    struct prio_queue threads; /* struct thread.wait_node; guarded by the owner's lock */
};

/* Upcalls of a thread (proc/upcall.c). Number n is bit n-1. */
struct thread_upcalls {
    uint64_t mask; /* [a] written by the thread itself */
    uint64_t pending; /* [a] sent to this thread */
    uintptr_t stack; /* base; the thread's own */
    uint64_t stack_len; /* [a] 0: none; written by the thread itself */
    uintptr_t returning; /* user address of the context, with WORK_RETURN; the thread's own */
};

struct thread {
    struct object obj;
    uint32_t work; /* [a] WORK_ bits; the assembly in entry/ reads it */
    uint32_t state; /* [t] enum thread_state */
    uint64_t direct_calls; /* [a] calls with a number below go straight to their handlers */
    uint32_t cpu; /* [t, run queue] whose queue it is in, or where it runs or ran last */
    bool on_cpu; /* [a] its registers are in that CPU, or being saved */
    bool fresh; /* [t, or the CPU it runs on] */
    uint8_t level; /* [run queue] it was queued at */
    uint8_t priority; /* [t] its own */
    uint8_t priority_max; /* [t] its process's */
    uint8_t lent; /* [t] the greatest lent to it; 0: none */
    uint32_t affinity; /* [t] CPUs it may run on, a bit each */
    uint64_t credit; /* [the CPU it runs on] time it may be fresh, ns */
    uintptr_t context; /* saved stack pointer while not running */
    uintptr_t kstack; /* [I] top of the kernel stack */
    struct aspace *aspace; /* [I] NULL: kernel thread */
    struct process *process; /* [I] NULL: kernel thread; holds a reference */
    void *fpu; /* save area, NULL: kernel thread */
    uint64_t fs_base; /* of user mode */
    uint32_t
        frame_floor; /* free page frames it must leave to others; changed by itself (thread_set_floor) */
    uint64_t id; /* [I] unique, never used again */
    struct spinlock lock; /* t */
    struct list ready_node; /* [run queue] */
    struct tree_node process_node; /* [process] key: id */
    struct prio_node wait_node; /* [owner of the wait queue] */
    int wait_result; /* [t] while asleep: STILL_ASLEEP; then what ended the sleep, 0 or a negative errno */
    uint32_t wait_heed; /* [t] while asleep: WORK_ bits that end the sleep */
    uint64_t wait_deadline; /* [t] while asleep: clock_ns, or WAIT_FOREVER */
    struct timer wait_timer; /* [t] armed for the deadline of a sleep or an earlier time (wait.c) */
    uint64_t cpu_ns, started; /* time used, and clock_ns at the last switch to it or from it */
    void (*entry)(void *arg); /* kernel entry */
    void *entry_arg;
    uintptr_t user_entry, user_stack; /* [I] where user mode begins */
    uint64_t user_arg; /* [I] */
    struct msg_slot *msg; /* [I] once made: message buffer and call state, owned by ipc */
    struct object
        *orphans; /* objects whose last handle it closed, each with a reference (proc/handle.c) */
    bool burying; /* it works on that list */
    struct thread_upcalls upcalls;
    bool user_fault; /* DEBUG: a page fault of its program is being handled (proc/fail.c) */
    uint32_t lenders[PRIORITY_MAX + 1]; /* [t] how many lend it that priority */
    char name[NAME_LEN];
};
#include "sched/thread_offsets.h"
_Static_assert(offsetof(struct thread, work) == THREAD_WORK_OFFSET, "entry/syscall.S");
_Static_assert(offsetof(struct thread, direct_calls) == THREAD_DIRECT_CALLS_OFFSET,
               "entry/syscall.S");
_Static_assert((WORK_UPCALL | WORK_RETURN) == THREAD_WORK_FRAME, "entry/syscall.S");

/* Make the run queue and the idle thread of the boot CPU; the caller becomes a thread itself. */
void sched_init(void);
/*
 * Start the processors with these APIC ids (but the calling one), as far as MAX_CPUS and limit go. low: SMP_LOW_PAGES
 * pages below 1 MiB. setup is called on each with its tables loaded, before it runs threads. Says who did not come.
 */
void sched_start_cpus(const uint8_t *apic_ids, uint32_t count, uint32_t limit, paddr_t low,
                      void (*setup)(void));
/* A kernel thread that will run entry(arg); started by thread_start. NULL when memory is out. */
struct thread *thread_create_kernel(const char *name, void (*entry)(void *), void *arg);
/*
 * A thread of a process (the caller links it into the process and gives thread->process its reference), which begins
 * in the kernel at entry(arg) and goes to user mode from there.
 */
struct thread *thread_create_user(const char *name, struct aspace *as, void (*entry)(void *),
                                  void *arg);
void thread_start(struct thread *t);
/* End the calling thread. Its maker's reference is not dropped here. */
void thread_exit(void) NORETURN;
/* Let another ready thread run; returns when this one is chosen again. */
void thread_yield(void);
/*
 * Set work bits (WORK_KILL, WORK_UPCALL) of a thread: they are seen to at its next way out of the kernel. A sleep of it
 * ends with -EINTR; one that runs in user mode is brought into the kernel.
 */
void thread_notify(struct thread *t, uint32_t bits);
/* Ask a thread to end at its next way out of the kernel; wakes it from its sleep. */
static inline void thread_kill(struct thread *t)
{
    thread_notify(t, WORK_KILL);
}
static inline bool thread_killed(const struct thread *t)
{
    return __atomic_load_n(&t->work, __ATOMIC_ACQUIRE) & WORK_KILL;
}
/* Called with interrupts on when a thread with work bits is about to return to user mode (entry/): ends it or lets others run. */
void thread_user_work(void);
/* What thread_user_work calls for WORK_KILL; set by proc, does not return. */
void thread_set_kill_handler(void (*fn)(void));
/* Called by entry/trap.c at the end of an interrupt that may preempt: interrupts were on, no lock is held. */
void thread_preempt(void);
/* From now on the calling thread must leave that many page frames to others; what it was before. */
uint32_t thread_set_floor(uint32_t floor);
/* Time the CPUs were idle, all added up, ns. */
uint64_t sched_idle_ns(void);
/* Let it run only on the CPUs of the mask; false: none of them is there. A running thread moves at once. */
bool thread_set_affinity(struct thread *t, uint32_t mask) MUST_CHECK;
/* Change its own priority (0 … PRIORITY_MAX); false: that is above its process's. */
bool thread_set_priority(struct thread *t, uint32_t priority) MUST_CHECK;
/* Change its process's, and its own to the same. */
void thread_set_priority_max(struct thread *t, uint32_t priority);
/* Lend it a priority, if that is above its own (false: it is not), until that is taken back; the greatest lent one counts. */
bool thread_lend(struct thread *t, uint32_t priority) MUST_CHECK;
void thread_take_back(struct thread *t, uint32_t priority);
/* What counts: the greater of the two. */
static inline uint32_t thread_priority(const struct thread *t)
{
    return t->lent > t->priority ? t->lent : t->priority;
}
/* CPU time used by a thread, ns. */
uint64_t thread_cpu_ns(const struct thread *t);

/* What there is to tell of a thread of a process (inspect.c); the fields on messages are left to ipc. */
void thread_describe(struct thread *t, struct thread_info *info);

/* ---- sleeping (wait.c) ---- */

static inline void wait_queue_init(struct wait_queue *q)
{
    prio_queue_init(&q->threads);
}
#define WAIT_FOREVER UINT64_MAX
/*
 * Sleep on q until woken. lock guards q and is held, and is held again on return. deadline: clock_ns or WAIT_FOREVER.
 * Returns what the waker passed (0 and up or its errno), -ETIMEDOUT, or -EINTR when the thread is to be killed or has an
 * upcall to see to: then it goes back to user mode soon, and no sleep before that lasts.
 */
int wait_sleep(struct wait_queue *q, struct spinlock *lock, uint64_t deadline) MUST_CHECK;
/* The same, but -EINTR comes only for work of the kinds `heed` (WORK_ bits), 0: for none. */
int wait_sleep_heeding(struct wait_queue *q, struct spinlock *lock, uint64_t deadline,
                       uint32_t heed);
/*
 * Make a sleeping thread ready with a result (0 or negative). False: something else woke it already.
 * The caller holds a reference or a lock that keeps t alive (being in a queue counts); interrupts are off.
 */
bool thread_wake(struct thread *t, int result);
/*
 * The same, and t runs on this CPU as soon as the caller lets go of it, before all others that are ready: for a caller
 * that is about to sleep until t has worked for it.
 */
bool thread_wake_next(struct thread *t, int result);
/* Put t, about to sleep, into q. */
static inline void wait_queue_add(struct wait_queue *q, struct thread *t)
{
    prio_add(&q->threads, &t->wait_node, thread_priority(t));
}
/* The thread that is woken first, or NULL. */
static inline struct thread *wait_queue_first(const struct wait_queue *q)
{
    struct prio_node *n = prio_first(&q->threads);
    return n ? LIST_ENTRY(n, struct thread, wait_node) : NULL;
}
/* Wake the first thread of q that still sleeps; it is taken out. NULL if there is none. */
struct thread *wait_wake_one(struct wait_queue *q, int result);
void wait_wake_all(struct wait_queue *q, int result);
/* Sleep for ns; -EINTR when something ended it before. */
int thread_sleep(uint64_t ns);
/* Deadline from a relative time-out in ns as system calls have it: negative is never. */
uint64_t deadline_from(int64_t timeout_ns);

#endif
