/* Jobs (process.h). One lock guards the whole tree: it changes when processes come and go, not on hot paths. */
#include "klib/string.h"
#include "mm/heap.h"
#include "proc/job.h"

static struct spinlock lock = SPINLOCK_INIT(RANK_JOB);
static struct job *root;
/* The job that was chosen to end because memory is out, until it has; holds a reference. [lock] */
static struct job *victim;

static void destroy(struct object *o)
{
    struct job *j = CONTAINER(o, struct job, obj);
    ASSERT(list_empty(&j->children) && list_empty(&j->processes));
    if (j->parent) {
        spin_lock(&lock);
        list_del(&j->sibling);
        spin_unlock(&lock);
        object_put(&j->parent->obj);
    }
    kfree(j);
}

static const struct object_ops ops = { .destroy = destroy };

/* Enter j into its parent, which the caller has a reference on. The lock is held. */
static status_t enter(struct job *j, struct job *parent)
{
    if (parent->killed)
        return -ESRCH;
    if (parent->depth == JOB_DEPTH_MAX)
        return -ENOMEM;
    object_get(&parent->obj);
    j->parent = parent;
    j->depth = parent->depth + 1;
    for (unsigned kind = 0; kind < JOB_KINDS; kind++)
        j->account.count[kind].limit = parent->inner[kind];
    list_add_tail(&parent->children, &j->sibling);
    return OK;
}

struct job *job_create(struct job *parent, status_t *st)
{
    struct job *j = kzalloc(sizeof *j);
    *st = -ENOMEM;
    if (!j)
        return NULL;
    object_init(&j->obj, OBJ_JOB, &ops);
    list_init(&j->children);
    list_init(&j->sibling);
    list_init(&j->processes);
    account_init(&j->account, parent ? &parent->account : NULL, &j->obj);
    for (unsigned kind = 0; kind < JOB_KINDS; kind++)
        j->inner[kind] = JOB_UNLIMITED;
    *st = parent ? object_charge(&j->obj, &parent->account) : OK;
    if (*st == OK && parent) {
        spin_lock(&lock);
        *st = enter(j, parent);
        spin_unlock(&lock);
    }
    if (*st == OK)
        return j;
    object_put(&j->obj);
    return NULL;
}

void job_init(void)
{
    status_t st;
    root = job_create(NULL, &st);
    if (!root)
        panic(PANIC_MEMORY, "no memory for the root job");
}

struct job *job_root(void)
{
    return root;
}

status_t job_add_process(struct job *j, struct process *p)
{
    spin_lock(&lock);
    status_t st = j->killed ? -ESRCH : OK;
    if (st == OK) {
        list_add_tail(&j->processes, &p->job_node);
        for (struct job *at = j; at; at = at->parent)
            if (at->population++ == 0)
                object_signal(&at->obj, EV_EXITED, 0);
    }
    spin_unlock(&lock);
    return st;
}

void job_remove_process(struct job *j, struct process *p)
{
    struct job *over = NULL;
    spin_lock(&lock);
    list_del(&p->job_node);
    for (; j; j = j->parent) {
        if (--j->population)
            continue;
        object_signal(&j->obj, 0, EV_EXITED);
        if (j == victim) {
            over = victim;
            victim = NULL;
        }
    }
    spin_unlock(&lock);
    if (over)
        object_put(&over->obj);
}

/* The job after j in a walk over `top` and all jobs in it, each before those in it; NULL: that was the last. The lock is held. */
static struct job *next_in(const struct job *top, struct job *j)
{
    if (!list_empty(&j->children))
        return LIST_ENTRY(j->children.next, struct job, sibling);
    for (; j != top; j = j->parent)
        if (j->sibling.next != &j->parent->children)
            return LIST_ENTRY(j->sibling.next, struct job, sibling);
    return NULL;
}

/* Call fn on the processes of j and below until it returns true; that process, or NULL. The lock is held. */
static struct process *each(struct job *j, bool (*fn)(struct process *p, void *arg), void *arg)
{
    for (struct job *at = j; at; at = next_in(j, at)) {
        LIST_FOR (n, &at->processes) {
            struct process *p = LIST_ENTRY(n, struct process, job_node);
            if (fn(p, arg))
                return p;
        }
    }
    return NULL;
}

static void mark_killed(struct job *j)
{
    for (struct job *at = j; at; at = next_in(j, at))
        at->killed = true;
}

/* A process that is not ending yet and can be referred to; its last reference may be going right now. */
static bool take_living(struct process *p, void *arg)
{
    (void)arg;
    if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) >= PROC_DYING)
        return false;
    object_get(&p->obj);
    return true;
}

void job_kill(struct job *j)
{
    spin_lock(&lock);
    mark_killed(j);
    for (struct process *p; (p = each(j, take_living, NULL));) {
        spin_unlock(&lock);
        process_kill(p, 9);
        object_put(&p->obj);
        spin_lock(&lock);
    }
    if (j->population == 0)
        object_signal(&j->obj, 0, EV_EXITED);
    spin_unlock(&lock);
}

struct listing {
    uint64_t after;
    uint64_t *pids;
    size_t room, count, all;
};

static bool list_one(struct process *p, void *arg)
{
    struct listing *l = arg;
    size_t at = l->count;
    l->all++;
    while (at > 0 && l->pids[at - 1] > p->pid)
        at--;
    if (p->pid <= l->after || at == l->room)
        return false;
    l->count += l->count < l->room;
    memmove(&l->pids[at + 1], &l->pids[at], (l->count - at - 1) * sizeof *l->pids);
    l->pids[at] = p->pid;
    return false;
}

size_t job_list(struct job *j, uint64_t after, uint64_t *pids, size_t n, size_t *all)
{
    struct listing l = { .after = after, .pids = pids, .room = n };
    spin_lock(&lock);
    each(j, list_one, &l);
    spin_unlock(&lock);
    *all = l.all;
    return l.count;
}

static bool has_pid(struct process *p, void *arg)
{
    if (p->pid != *(uint64_t *)arg)
        return false;
    object_get(&p->obj);
    return true;
}

struct process *job_find(struct job *j, uint64_t pid)
{
    spin_lock(&lock);
    struct process *p = each(j, has_pid, &pid);
    spin_unlock(&lock);
    return p;
}

/* Put what there is to tell of j among the n lowest; how many there are now. */
static size_t insert_record(const struct job *j, struct job_record *out, size_t count, size_t n)
{
    size_t at = count;
    while (at > 0 && out[at - 1].number > j->obj.number)
        at--;
    if (at == n)
        return n;
    count += count < n;
    memmove(&out[at + 1], &out[at], (count - at - 1) * sizeof *out);
    out[at] = (struct job_record){
        .number = j->obj.number,
        .parent = j->parent ? j->parent->obj.number : 0,
        .processes = j->population,
        .depth = j->depth,
        .killed = j->killed,
    };
    return count;
}

size_t job_jobs(struct job *j, uint64_t after, struct job_record *out, size_t n)
{
    size_t count = 0;
    spin_lock(&lock);
    for (struct job *at = j; at; at = next_in(j, at))
        if (at->obj.number > after)
            count = insert_record(at, out, count, n);
    spin_unlock(&lock);
    for (size_t i = 0; i < count; i++)
        if (out[i].number == j->obj.number)
            out[i].parent = 0;
    return count;
}

struct job *job_find_job(struct job *j, uint64_t number)
{
    spin_lock(&lock);
    struct job *at = j;
    while (at && (at->obj.number != number || !object_get_living(&at->obj)))
        at = next_in(j, at);
    spin_unlock(&lock);
    return at;
}

/* ---- accounts ---- */

/* Whether the calling process is in j or in a job in it. */
static bool lives_in(const struct job *j)
{
    const struct job *at = process_current()->job;
    while (at && at != j)
        at = at->parent;
    return at != NULL;
}

status_t job_limit(struct job *j, uint32_t kind, uint64_t value)
{
    bool inner = kind & JOB_LIMIT_INNER;
    kind &= ~JOB_LIMIT_INNER;
    if (kind >= JOB_KINDS)
        return -EINVAL;
    bool lower_only = lives_in(j);
    spin_lock(&lock);
    uint64_t *limit = inner ? &j->inner[kind] : &j->account.count[kind].limit;
    status_t st = lower_only && value > *limit ? -EPERM : OK;
    if (st == OK)
        __atomic_store_n(limit, value, __ATOMIC_RELAXED);
    spin_unlock(&lock);
    return st;
}

/* Take off what a process has paid for in advance. */
static bool take_off(struct process *p, void *arg)
{
    struct job_info *info = arg;
    spin_lock(&p->lock);
    info->used[JOB_HANDLES] -= p->handles.purse.saved;
    if (p->state < PROC_DYING)
        info->used[JOB_MEMORY] -= p->aspace->purse.saved;
    spin_unlock(&p->lock);
    return false;
}

void job_describe(struct job *j, struct job_info *info)
{
    *info = (struct job_info){ .depth = j->depth };
    spin_lock(&lock);
    info->killed = j->killed;
    info->processes = j->population;
    for (unsigned kind = 0; kind < JOB_KINDS; kind++) {
        const struct account_count *c = &j->account.count[kind];
        info->used[kind] = __atomic_load_n(&c->used, __ATOMIC_RELAXED);
        info->limit[kind] = __atomic_load_n(&c->limit, __ATOMIC_RELAXED);
        info->peak[kind] = __atomic_load_n(&c->peak, __ATOMIC_RELAXED);
        info->inner[kind] = j->inner[kind];
    }
    each(j, take_off, info);
    spin_unlock(&lock);
}

/* ---- memory is out ---- */

static uint64_t memory_of(const struct job *j)
{
    return account_used(&j->account, JOB_MEMORY);
}

/* The job among those of a list with most memory and with processes; the older of two. */
static struct job *biggest(struct list *jobs, struct job *best)
{
    LIST_FOR (n, jobs) {
        struct job *j = LIST_ENTRY(n, struct job, sibling);
        if (j->population && (!best || memory_of(j) > memory_of(best)))
            best = j;
    }
    return best;
}

/* The lock is held. */
static struct job *choose(void)
{
    struct job *best = NULL;
    LIST_FOR (n, &root->children)
        best = biggest(&LIST_ENTRY(n, struct job, sibling)->children, best);
    for (struct job *in = best; in;) {
        in = biggest(&in->children, NULL);
        if (in && memory_of(in) <= memory_of(best) / 2)
            break;
        if (in)
            best = in;
    }
    return best;
}
_Static_assert(CORE_DEPTH == 1, "choose() begins below the children of the root");

static bool copy_first(struct process *p, void *arg)
{
    struct job_victim *v = arg;
    v->pid = p->pid;
    memcpy(v->name, p->name, sizeof v->name);
    return true;
}

bool job_choose_victim(struct job_victim *v)
{
    *v = (struct job_victim){ 0 };
    spin_lock(&lock);
    bool waiting = victim != NULL;
    if (!waiting)
        victim = v->job = choose();
    if (v->job) {
        object_get(&v->job->obj); /* the caller's */
        object_get(&v->job->obj); /* victim's */
        v->bytes = memory_of(v->job);
        v->processes = v->job->population;
        each(v->job, copy_first, v);
    }
    spin_unlock(&lock);
    return waiting || v->job;
}
