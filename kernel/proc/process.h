/*
 * Jobs and processes.
 *
 * A job is a folder of processes and jobs; killing it ends all that is in it. A process is an address space, a
 * handle table and threads. It ends when its last thread has: that thread takes the process down (handles, memory),
 * then EV_EXITED is signalled. A thread keeps a reference on its process; a job keeps none on its processes.
 */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include "mm/vm.h"
#include "proc/handle.h"
#include "sched/thread.h"

#define JOB_DEPTH_MAX 32u /* what is charged is charged in all jobs around it */
/* svcman runs in the root job, its services one level below; programs are deeper, leave them a reserve of memory, and are
 * ended when it is out. */
#define CORE_DEPTH 1u

struct job {
    struct object obj;
    uint32_t depth; /* [I] 0: the root */
    struct job *parent; /* [I] holds a reference; NULL: the root */
    struct list children; /* [jobs lock] struct job.sibling */
    struct list sibling;
    struct list processes; /* [jobs lock] struct process.job_node */
    uint64_t population; /* [jobs lock] processes in it and the jobs in it */
    bool killed; /* [jobs lock] nothing can be made in it any more */
    uint64_t inner[JOB_KINDS]; /* [jobs lock] limits that jobs made in it start with */
    struct account account;
};

/* Upcalls of a process (upcall.h). Number n is bit n-1. */
struct process_upcalls {
    uintptr_t entry; /* [a] 0: none */
    uint64_t handled; /* [a] numbers with UPCALL_HANDLE; written with p held */
    uint64_t ignored; /* [a] numbers with UPCALL_IGNORE; written with p held */
    uint64_t pending; /* [a] sent to the process, not taken by a thread yet */
};

struct trace;

struct process {
    struct object obj;
    uint64_t pid, ppid; /* [I] */
    char name[NAME_LEN]; /* [I] */
    struct job *job; /* [I] holds a reference */
    struct aspace *aspace; /* [I] until the end */
    struct spinlock lock; /* p */
    uint32_t state; /* [p] enum process_state */
    uint32_t status; /* [p] exit status in Linux's wait encoding */
    uint32_t thread_count; /* [p] */
    uint32_t holds; /* [p] calls of other processes at work on the address space */
    struct tree threads; /* [p] struct thread.process_node, by number */
    struct list job_node; /* [jobs lock] */
    uint32_t priority; /* [p] of its threads, at most */
    uint32_t affinity; /* [I] CPUs of who made it: where threads begin that others make for it */
    uint64_t cpu_ns; /* [p] of threads that have ended */
    uint64_t start_ns; /* [I] */
    struct trace *trace; /* [p] that records its calls; it takes itself out before it goes */
    struct crash_info *crash; /* [p] the fault that ended it; kept, once it is there */
    uintptr_t image; /* [a] where its program was loaded, if who made it has said so */
    bool critical; /* [I] its end is the machine's */
    struct process_upcalls upcalls;
    struct handle_table handles;
};

/* Make the root job and prepare for processes. */
void process_init(void);
struct job *job_root(void);
/* NULL with *st: -ENOMEM (also: nested too deep, the parent's limit), or -ESRCH when the parent was killed. */
struct job *job_create(struct job *parent, status_t *st);
void job_kill(struct job *j);
/* -EINVAL: kind; -EPERM: the caller lives in j and would raise its own limit. */
status_t job_limit(struct job *j, uint32_t kind, uint64_t value) MUST_CHECK;
void job_describe(struct job *j, struct job_info *info);
/* Store up to n process numbers above `after` of the job and the jobs in it, lowest first; how many. *all: how many there are. */
size_t job_list(struct job *j, uint64_t after, uint64_t *pids, size_t n, size_t *all);
/* Describe up to n jobs, j and those in it, with a number above `after`, lowest first; how many. */
size_t job_jobs(struct job *j, uint64_t after, struct job_record *out, size_t n);
/* The job with that number, j or one in it, with a reference, or NULL. */
struct job *job_find_job(struct job *j, uint64_t number);
/* The process with that number in the job or below, with a reference, or NULL. */
struct process *job_find(struct job *j, uint64_t pid);

/*
 * A process without threads. maker: the calling thread's process; the new one gets that thread's own priority and its CPUs.
 * NULL: the kernel makes it. NULL with *st: -ENOMEM, -EAGAIN (the job has all the processes it may), -ESRCH (it was killed).
 */
struct process *process_create(struct job *j, const char *name, struct process *maker,
                               status_t *st);
/* A thread for p that will begin in user mode at entry; not part of p yet. It has the priority and CPUs of the calling
 * thread when that is p's too, else p's. NULL with *st: -ENOMEM, -EAGAIN (p's job has all the threads it may). */
struct user_start {
    uintptr_t entry, stack, tls;
    uint64_t arg, mask; /* mask: upcalls that are masked */
};
struct thread *process_thread_create(struct process *p, const struct user_start *s, status_t *st);
/* Make it one of p's threads and let it run; -ESRCH: p is ending, and t will never run. */
status_t process_thread_start(struct process *p, struct thread *t) MUST_CHECK;
/* The same, if p has never had a thread, with its program loaded at image; -EBUSY. */
status_t process_thread_start_first(struct process *p, struct thread *t,
                                    uintptr_t image) MUST_CHECK;
/* The thread of a node of p->threads, NULL for NULL. */
static inline struct thread *process_thread_of(struct tree_node *n)
{
    return n ? CONTAINER(n, struct thread, process_node) : NULL;
}
/* All threads of p, which is locked, by number. */
#define PROCESS_THREADS(t, p)                                                \
    for (struct thread *t = process_thread_of(tree_first(&(p)->threads)); t; \
         t = process_thread_of(tree_next(&t->process_node)))
/* Keep p's address space from ending while another process works on it; -ESRCH: it is ending. Paired with process_release. */
status_t process_hold(struct process *p) MUST_CHECK;
void process_release(struct process *p);
/* Set the priority of p, of its threads, and of those to come. */
void process_set_priority(struct process *p, uint32_t priority);
/* End p with a status in wait encoding; harmless when it is ending already. */
void process_kill(struct process *p, uint32_t status);
/* End the calling thread; the last one takes the process down. */
void process_thread_exit(void) NORETURN;
/*
 * Bring in the page at va for the calling thread, as vm_fault; when the machine's memory is out another job may be ended
 * for it (oom.c). May sleep.
 */
status_t process_fault(struct aspace *as, uintptr_t va, uint32_t access) MUST_CHECK;
/* What a room above has to clean up when a user thread ends; called in that thread. */
void process_set_thread_exit_hook(void (*fn)(struct thread *t));
void process_describe(struct process *p, struct process_info *info);
/* How many system calls there are: threads that are not traced call them directly. */
void process_set_calls(uint64_t n);
/* Let all threads of p, and those to come, call directly or by way of the trace; p is locked. */
void process_set_direct(struct process *p, bool direct);
/* Keep what is told of the fault that ends p (from the heap, p's from now on), unless there is such already. */
void process_set_crash(struct process *p, struct crash_info *crash);
/* -ENOENT: no fault has ended it. */
status_t process_get_crash(struct process *p, struct crash_info *out) MUST_CHECK;
/* Describe up to n threads with a number above `after`, lowest first; how many. */
size_t process_threads(struct process *p, uint64_t after, struct thread_info *out, size_t n);
static inline struct process *process_current(void)
{
    return current_thread()->process;
}
/* The process a handle stands for (HANDLE_SELF: the caller), with a reference. */
status_t process_get(handle_t h, uint32_t rights, struct process **out) MUST_CHECK;

/* ---- the first process (first.c) ---- */

/*
 * Load the program `path` of the initrd (cpio newc at phys, size bytes) as the first process and start it with the
 * given handles as its start handles. Panics when that cannot be done: there is no system without it.
 */
struct first_handle {
    uint32_t kind; /* enum start_kind */
    struct object *obj;
    uint32_t rights;
};
void process_start_first(const char *path, const void *initrd, uint64_t size,
                         const struct first_handle *h, size_t n);

#endif
