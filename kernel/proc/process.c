/* Processes (process.h). */
#include "klib/printf.h"
#include "klib/string.h"
#include "mm/clock_page.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "proc/fail.h"
#include "proc/job.h"
#include "proc/upcall.h"
#include "proc/trace.h"
#include "x86/clock.h"
#include "x86/switch.h"

static uint64_t next_pid = 1; /* [a] */
static void (*thread_exit_hook)(struct thread *t);
static uint64_t direct_calls; /* [I] */

static void destroy(struct object *o)
{
    struct process *p = CONTAINER(o, struct process, obj);
    ASSERT(p->state == PROC_DEAD && !p->aspace && list_empty(&p->job_node));
    object_put(&p->job->obj);
    kfree(p->crash);
    kfree(p);
}

/* Nobody can give it a first thread any more. */
static void last_handle(struct object *o)
{
    struct process *p = CONTAINER(o, struct process, obj);
    spin_lock(&p->lock);
    bool unborn = p->state == PROC_NEW;
    spin_unlock(&p->lock);
    if (unborn)
        process_kill(p, 9);
}

static void describe(struct object *o, struct object_facts *f)
{
    f->peer = CONTAINER(o, struct process, obj)->pid;
}

static const struct object_ops ops = { destroy, last_handle, describe };

/* What a process consists of before it is in its job. */
static struct process *make(struct job *j, status_t *st)
{
    struct process *p = kzalloc(sizeof *p);
    *st = -ENOMEM;
    if (!p)
        return NULL;
    object_init(&p->obj, OBJ_PROCESS, &ops);
    spin_init(&p->lock, RANK_PROCESS);
    list_init(&p->job_node);
    handle_table_init(&p->handles, &j->account);
    object_get(&j->obj);
    p->job = j;
    *st = object_charge(&p->obj, &j->account);
    if (*st == OK && !(p->aspace = aspace_create(&j->account)))
        *st = -ENOMEM;
    if (*st == OK)
        return p;
    p->state = PROC_DEAD;
    object_put(&p->obj);
    return NULL;
}

/* What is handed down, and may be changed meanwhile by others. */
static uint8_t own_priority(const struct thread *t)
{
    return __atomic_load_n(&t->priority, __ATOMIC_RELAXED);
}

static uint32_t own_affinity(const struct thread *t)
{
    return __atomic_load_n(&t->affinity, __ATOMIC_RELAXED);
}

struct process *process_create(struct job *j, const char *name, struct process *maker, status_t *st)
{
    struct process *p = make(j, st);
    if (!p)
        return NULL;
    str_copy(p->name, name, sizeof p->name);
    p->pid = __atomic_fetch_add(&next_pid, 1, __ATOMIC_RELAXED);
    p->ppid = maker ? maker->pid : 0;
    p->priority = maker ? own_priority(current_thread()) : PRIORITY_FIRST;
    p->affinity = maker ? own_affinity(current_thread()) : UINT32_MAX;
    p->start_ns = clock_ns();
    *st = job_add_process(j, p);
    if (*st == OK) {
        fail_child(p);
        return p;
    }
    aspace_destroy(p->aspace);
    p->aspace = NULL;
    p->state = PROC_DEAD;
    object_put(&p->obj);
    return NULL;
}

/* ---- threads ---- */

static void enter_user(void *arg)
{
    struct thread *t = current_thread();
    (void)arg;
    if (thread_killed(t))
        process_thread_exit();
    user_enter(t->user_entry, t->user_stack, t->user_arg);
}

static void inherit(struct thread *t, const struct process *p)
{
    const struct thread *maker = current_thread();
    bool ours = maker->process == p;
    t->priority_max = (uint8_t)__atomic_load_n(&p->priority, __ATOMIC_RELAXED);
    t->priority = ours ? (uint8_t)min_u64(own_priority(maker), t->priority_max) : t->priority_max;
    t->affinity = ours ? own_affinity(maker) : p->affinity;
}

struct thread *process_thread_create(struct process *p, const struct user_start *s, status_t *st)
{
    struct thread *t = thread_create_user(p->name, p->aspace, enter_user, NULL);
    *st = t ? object_charge(&t->obj, &p->job->account) : -ENOMEM;
    if (*st != OK) {
        if (t)
            object_put(&t->obj);
        return NULL;
    }
    t->user_entry = s->entry;
    t->user_stack = s->stack;
    t->user_arg = s->arg;
    t->fs_base = s->tls;
    t->upcalls.mask = s->mask;
    inherit(t, p);
    t->frame_floor = p->job->depth > CORE_DEPTH ? FRAME_RESERVE : 0;
    return t;
}

void process_set_priority(struct process *p, uint32_t priority)
{
    spin_lock(&p->lock);
    p->priority = priority;
    PROCESS_THREADS (t, p)
        thread_set_priority_max(t, priority);
    spin_unlock(&p->lock);
}

/* Let t be p's and run, unless p is further than state `before`; the process is locked, and not on return. */
static status_t start_thread(struct process *p, struct thread *t, uint32_t before)
{
    status_t st = p->state >= PROC_DYING ? -ESRCH : p->state > before ? -EBUSY : OK;
    if (st == OK) {
        object_get(&p->obj);
        t->process = p;
        t->direct_calls = p->trace ? 0 : direct_calls;
        p->state = PROC_RUNNING;
        p->thread_count++;
        t->process_node.key = t->id;
        tree_insert(&p->threads, &t->process_node);
        if (p->upcalls.pending)
            upcall_offer(p);
        if (t->priority_max != p->priority) /* changed since it was made */
            thread_set_priority_max(t, p->priority);
    }
    spin_unlock(&p->lock);
    if (st == OK)
        thread_start(t);
    return st;
}

status_t process_thread_start(struct process *p, struct thread *t)
{
    spin_lock(&p->lock);
    return start_thread(p, t, PROC_RUNNING);
}

status_t process_thread_start_first(struct process *p, struct thread *t, uintptr_t image)
{
    spin_lock(&p->lock);
    if (p->state == PROC_NEW)
        __atomic_store_n(&p->image, image, __ATOMIC_RELAXED);
    return start_thread(p, t, PROC_NEW);
}

/* Give back all that the process had; its threads are gone. */
static void take_down(struct process *p)
{
    struct aspace *as = p->aspace;
    handle_table_destroy(&p->handles);
    p->aspace = NULL;
    aspace_destroy(as);
    if (p->critical)
        panic(PANIC_SVCMAN, "%s ended with status 0x%x", p->name, p->status);
    spin_lock(&p->lock);
    p->state = PROC_DEAD;
    spin_unlock(&p->lock);
    trace_process_ended(p);
    job_remove_process(p->job, p);
    object_signal(&p->obj, 0, EV_EXITED);
}

/* Who keeps the address space from being taken down. The lock is held. */
static uint32_t users(const struct process *p)
{
    return p->thread_count + p->holds;
}

void process_kill(struct process *p, uint32_t status)
{
    spin_lock(&p->lock);
    bool first = p->state < PROC_DYING;
    bool empty = users(p) == 0;
    if (first) {
        p->state = PROC_DYING;
        p->status = status;
        PROCESS_THREADS (t, p)
            thread_kill(t);
    }
    spin_unlock(&p->lock);
    if (first && empty)
        take_down(p);
}

status_t process_hold(struct process *p)
{
    spin_lock(&p->lock);
    status_t st = p->state < PROC_DYING ? OK : -ESRCH;
    if (st == OK)
        p->holds++;
    spin_unlock(&p->lock);
    return st;
}

void process_release(struct process *p)
{
    spin_lock(&p->lock);
    p->holds--;
    bool last = users(p) == 0 && p->state == PROC_DYING;
    spin_unlock(&p->lock);
    if (last)
        take_down(p);
}

void process_thread_exit(void)
{
    struct thread *t = current_thread();
    struct process *p = t->process;
    if (thread_exit_hook)
        thread_exit_hook(t);
    spin_lock(&p->lock);
    t->aspace = NULL; /* it may go as soon as the last thread is out of the count */
    tree_remove(&p->threads, &t->process_node);
    p->cpu_ns += thread_cpu_ns(t);
    p->thread_count--;
    if (p->thread_count == 0 && p->state == PROC_RUNNING)
        p->state = PROC_DYING; /* its last thread ended by itself: status 0 */
    bool last = users(p) == 0;
    if (p->upcalls.pending)
        upcall_offer(p); /* it may have been this thread that was to take it */
    spin_unlock(&p->lock);
    if (last)
        take_down(p);
    t->process = NULL;
    object_put(&p->obj);
    thread_exit();
}

void process_set_thread_exit_hook(void (*fn)(struct thread *t))
{
    thread_exit_hook = fn;
}

void process_init(void)
{
    job_init();
    fail_init();
    clock_page_init();
    thread_set_kill_handler(process_thread_exit);
}

/* ---- looking at them ---- */

void process_describe(struct process *p, struct process_info *info)
{
    *info = (struct process_info){
        .pid = p->pid, .ppid = p->ppid, .start_ns = p->start_ns, .job = p->job->obj.number
    };
    str_copy((char *)info->name, p->name, sizeof info->name);
    spin_lock(&p->lock);
    info->state = p->state;
    info->status = p->state == PROC_DEAD ? p->status : 0;
    info->threads = p->thread_count;
    info->handles = p->handles.open;
    info->pages = p->state < PROC_DYING ? p->aspace->pages : 0;
    info->cpu_ns = p->cpu_ns;
    PROCESS_THREADS (t, p)
        info->cpu_ns += thread_cpu_ns(t);
    spin_unlock(&p->lock);
}

void process_set_calls(uint64_t n)
{
    direct_calls = n;
}

void process_set_direct(struct process *p, bool direct)
{
    ASSERT(spin_held(&p->lock));
    PROCESS_THREADS (t, p)
        __atomic_store_n(&t->direct_calls, direct ? direct_calls : 0, __ATOMIC_RELAXED);
}

void process_set_crash(struct process *p, struct crash_info *crash)
{
    spin_lock(&p->lock);
    bool first = !p->crash;
    if (first)
        p->crash = crash;
    spin_unlock(&p->lock);
    if (!first)
        kfree(crash);
}

status_t process_get_crash(struct process *p, struct crash_info *out)
{
    spin_lock(&p->lock);
    status_t st = p->crash ? OK : -ENOENT;
    if (st == OK)
        *out = *p->crash;
    spin_unlock(&p->lock);
    return st;
}

size_t process_threads(struct process *p, uint64_t after, struct thread_info *out, size_t n)
{
    size_t count = 0;
    spin_lock(&p->lock);
    struct tree_node *at = tree_floor(&p->threads, after);
    at = at ? tree_next(at) : tree_first(&p->threads);
    for (; at && count < n; at = tree_next(at))
        thread_describe(process_thread_of(at), &out[count++]);
    spin_unlock(&p->lock);
    return count;
}

status_t process_get(handle_t h, uint32_t rights, struct process **out)
{
    if (h == HANDLE_SELF) {
        *out = process_current();
        object_get(&(*out)->obj);
        return OK;
    }
    struct object *o;
    status_t st = handle_get(h, OBJ_PROCESS, rights, &o);
    if (st == OK)
        *out = CONTAINER(o, struct process, obj);
    return st;
}
