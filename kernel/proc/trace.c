/* Traces (trace.h). */
#include "proc/trace.h"
#include "mm/heap.h"
#include "object/account.h"

static struct trace *from(struct object *o)
{
    return CONTAINER(o, struct trace, obj);
}

static void destroy(struct object *o)
{
    struct trace *t = from(o);
    for (uint32_t i = 0; i < t->npages; i++)
        kfree(t->pages[i]);
    account_uncharge(t->account, JOB_MEMORY, (uint64_t)t->npages * PAGE_SIZE);
    object_put(t->account->owner);
    object_put(&t->process->obj);
    kfree(t);
}

/* Nobody will read any more: the process runs as it did before. */
static void last_handle(struct object *o)
{
    struct trace *t = from(o);
    struct process *p = t->process;
    spin_lock(&p->lock);
    if (p->trace == t) {
        p->trace = NULL;
        process_set_direct(p, true);
    }
    spin_unlock(&p->lock);
    spin_lock(&t->lock);
    wait_wake_all(&t->readers, -EBADF);
    spin_unlock(&t->lock);
}

static void describe(struct object *o, struct object_facts *f)
{
    f->peer = from(o)->process->pid;
}

static const struct object_ops ops = { destroy, last_handle, describe };

/* Pages for the ring; what was got before memory ran out goes with the trace. */
static bool make_ring(struct trace *t, uint32_t npages)
{
    if (!account_charge(t->account, JOB_MEMORY, (uint64_t)npages * PAGE_SIZE))
        return false;
    for (uint32_t i = 0; i < npages; i++)
        if (!(t->pages[t->npages] = kzalloc(PAGE_SIZE)))
            break;
        else
            t->npages++;
    account_uncharge(t->account, JOB_MEMORY, (uint64_t)(npages - t->npages) * PAGE_SIZE);
    return t->npages == npages;
}

static status_t attach(struct trace *t, struct process *p)
{
    spin_lock(&p->lock);
    status_t st = p->state >= PROC_DYING ? -ESRCH : p->trace ? -EBUSY : OK;
    if (st == OK) {
        p->trace = t;
        process_set_direct(p, false);
    }
    spin_unlock(&p->lock);
    return st;
}

struct trace *trace_create(struct process *p, uint32_t records, struct account *a, status_t *st)
{
    struct trace *t = kzalloc(sizeof *t);
    *st = -ENOMEM;
    if (!t)
        return NULL;
    object_init(&t->obj, OBJ_TRACE, &ops);
    spin_init(&t->lock, RANK_TRACE);
    wait_queue_init(&t->readers);
    object_get(&p->obj);
    t->process = p;
    object_get(a->owner);
    t->account = a;
    if (make_ring(t, (uint32_t)((records + TRACE_PER_PAGE - 1) / TRACE_PER_PAGE))) {
        t->capacity = t->npages * (uint32_t)TRACE_PER_PAGE;
        *st = attach(t, p);
    }
    if (*st == OK)
        return t;
    object_put(&t->obj);
    return NULL;
}

struct trace *trace_of(struct process *p)
{
    spin_lock(&p->lock);
    struct trace *t = p->trace;
    if (t)
        object_get(&t->obj);
    spin_unlock(&p->lock);
    return t;
}

static struct trace_record *record_at(struct trace *t, uint32_t i)
{
    uint32_t at = (t->first + i) % t->capacity;
    return &t->pages[at / TRACE_PER_PAGE][at % TRACE_PER_PAGE];
}

void trace_add(struct trace *t, const struct trace_record *r)
{
    spin_lock(&t->lock);
    if (t->count == t->capacity) {
        t->lost++;
    } else {
        *record_at(t, t->count) = *r;
        if (t->count++ == 0)
            object_signal(&t->obj, 0, EV_READABLE);
        (void)wait_wake_one(&t->readers, 0);
    }
    spin_unlock(&t->lock);
}

/* Wait until there is a record; t is locked. */
static int await_record(struct trace *t, uint64_t deadline)
{
    while (t->count == 0) {
        if (t->ended)
            return -EPIPE;
        int st = deadline ? wait_sleep(&t->readers, &t->lock, deadline) : -ETIMEDOUT;
        if (st < 0)
            return st;
    }
    return OK;
}

int trace_take(struct trace *t, struct trace_record *out, uint32_t n, uint64_t deadline,
               uint64_t *lost)
{
    uint32_t taken = 0;
    spin_lock(&t->lock);
    int st = n ? await_record(t, deadline) : OK;
    for (; st == OK && taken < n && t->count; taken++, t->count--) {
        out[taken] = *record_at(t, 0);
        t->first = (t->first + 1) % t->capacity;
    }
    if (t->count == 0)
        object_signal(&t->obj, EV_READABLE, 0);
    *lost = t->lost;
    spin_unlock(&t->lock);
    return st == OK ? (int)taken : st;
}

void trace_process_ended(struct process *p)
{
    struct trace *t = trace_of(p);
    if (!t)
        return;
    spin_lock(&t->lock);
    t->ended = true;
    wait_wake_all(&t->readers, 0);
    object_signal(&t->obj, 0, EV_HUP);
    spin_unlock(&t->lock);
    object_put(&t->obj);
}
