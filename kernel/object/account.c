/* Accounts (account.h). */
#include "object/account.h"

/*
 * What an object costs beside what it holds: its structure, for a thread its stack and register save area as well, for
 * a process the report of its crash.
 */
#define OBJECT_COST  512u
#define PROCESS_COST 4096u
#define THREAD_COST  (2 * PAGE_SIZE + 2048u)

void account_init(struct account *a, struct account *parent, struct object *owner)
{
    *a = (struct account){ .parent = parent, .owner = owner };
    for (unsigned kind = 0; kind < JOB_KINDS; kind++)
        a->count[kind].limit = JOB_UNLIMITED;
}

static void note_peak(struct account_count *c, uint64_t used)
{
    uint64_t peak = __atomic_load_n(&c->peak, __ATOMIC_RELAXED);
    while (UNLIKELY(used > peak) &&
           !__atomic_compare_exchange_n(&c->peak, &peak, used, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        ;
}

/* Never above the limit, not even for a moment: a neighbour's charge must not fail because of one that fails. */
static bool count_up(struct account_count *c, uint64_t n, uint64_t spare)
{
    uint64_t used = __atomic_load_n(&c->used, __ATOMIC_RELAXED);
    do {
        uint64_t limit = __atomic_load_n(&c->limit, __ATOMIC_RELAXED);
        if (UNLIKELY(used > limit || limit - used < n + spare))
            return false;
    } while (UNLIKELY(!__atomic_compare_exchange_n(&c->used, &used, used + n, true,
                                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED)));
    note_peak(c, used + n);
    return true;
}

static void count_down(struct account_count *c, uint64_t n)
{
    uint64_t before = __atomic_fetch_sub(&c->used, n, __ATOMIC_RELAXED);
    ASSERT(before >= n);
}

/* As account_charge; spare: so much must be left everywhere after it. */
static bool charge(struct account *a, uint32_t kind, uint64_t n, uint64_t spare)
{
    for (struct account *at = a; at; at = at->parent) {
        if (LIKELY(count_up(&at->count[kind], n, spare)))
            continue;
        for (; a != at; a = a->parent)
            count_down(&a->count[kind], n);
        return false;
    }
    return true;
}

bool account_charge(struct account *a, uint32_t kind, uint64_t n)
{
    return charge(a, kind, n, 0);
}

uint64_t account_room(const struct account *a, uint32_t kind)
{
    uint64_t room = UINT64_MAX;
    for (; a; a = a->parent) {
        const struct account_count *c = &a->count[kind];
        uint64_t used = __atomic_load_n(&c->used, __ATOMIC_RELAXED);
        uint64_t limit = __atomic_load_n(&c->limit, __ATOMIC_RELAXED);
        room = min_u64(room, used < limit ? limit - used : 0);
    }
    return room;
}

void account_uncharge(struct account *a, uint32_t kind, uint64_t n)
{
    for (; a; a = a->parent)
        count_down(&a->count[kind], n);
}

status_t account_pay(struct account *a, uint64_t n)
{
    if (!account_charge(a, JOB_MEMORY, n))
        return -ENOMEM;
    object_get(a->owner);
    return OK;
}

void account_refund(struct account *a, uint64_t n)
{
    account_uncharge(a, JOB_MEMORY, n);
    object_put(a->owner);
}

/* ---- purses ---- */

void purse_init(struct purse *p, struct account *a, uint32_t kind, uint32_t batch)
{
    *p = (struct purse){ .account = a, .kind = kind, .batch = batch };
}

/* Advance payment only where there is plenty: it must not be what others lack. */
bool purse_fill(struct purse *p, uint64_t n)
{
    if (charge(p->account, p->kind, n + p->batch, 16ull * p->batch)) {
        p->saved += n + p->batch;
        return true;
    }
    if (!charge(p->account, p->kind, n - p->saved, 0))
        return false;
    p->saved = n;
    return true;
}

void purse_empty(struct purse *p, bool all)
{
    uint64_t back = all ? p->saved : p->saved - p->batch;
    p->saved -= back;
    account_uncharge(p->account, p->kind, back);
}

/* ---- objects ---- */

static uint64_t cost_of(uint32_t type)
{
    return type == OBJ_THREAD ? THREAD_COST : type == OBJ_PROCESS ? PROCESS_COST : OBJECT_COST;
}

/* The kind an object counts as beside its memory; JOB_KINDS: none. */
static uint32_t kind_of(uint32_t type)
{
    switch (type) {
    case OBJ_THREAD: return JOB_THREADS;
    case OBJ_PROCESS: return JOB_PROCESSES;
    case OBJ_SESSION: return JOB_SESSIONS;
    default: return JOB_KINDS;
    }
}

/* Charge what an object of a type costs. */
static status_t pay_for(struct account *a, uint32_t type)
{
    uint32_t kind = kind_of(type);
    if (kind != JOB_KINDS && !account_charge(a, kind, 1))
        return type == OBJ_SESSION ? -EMFILE : -EAGAIN;
    if (account_charge(a, JOB_MEMORY, cost_of(type))) {
        object_get(a->owner);
        return OK;
    }
    if (kind != JOB_KINDS)
        account_uncharge(a, kind, 1);
    return -ENOMEM;
}

status_t object_charge(struct object *o, struct account *a)
{
    ASSERT(!o->account);
    status_t st = pay_for(a, o->type);
    if (st == OK)
        __atomic_store_n(&o->account, a, __ATOMIC_RELEASE);
    return st;
}

status_t object_adopt(struct object *o, struct account *a)
{
    if (o->type != OBJ_SESSION || __atomic_load_n(&o->account, __ATOMIC_ACQUIRE) == a ||
        __atomic_exchange_n(&o->adopted, true, __ATOMIC_ACQ_REL))
        return OK;
    status_t st = pay_for(a, o->type);
    if (st == OK)
        account_object_gone(__atomic_exchange_n(&o->account, a, __ATOMIC_ACQ_REL), o->type);
    else
        __atomic_store_n(&o->adopted, false, __ATOMIC_RELEASE);
    return st;
}

void account_object_gone(struct account *a, uint32_t type)
{
    uint32_t kind = kind_of(type);
    if (!a)
        return;
    account_uncharge(a, JOB_MEMORY, cost_of(type));
    if (kind != JOB_KINDS)
        account_uncharge(a, kind, 1);
    object_put(a->owner);
}
