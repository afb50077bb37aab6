/* The head of every kernel object (object.h). */
#include "object/account.h"

#define OBJECT_TYPES 16
#define ALWAYS       (EV_HUP | EV_ERR)

static uint64_t counts[OBJECT_TYPES]; /* [a] */
static uint64_t last_number;          /* [a] */

void object_init(struct object *o, uint32_t type, const struct object_ops *ops)
{
    ASSERT(type < OBJECT_TYPES);
    o->type = type;
    o->refs = 1;
    o->ops = ops;
    o->number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
    o->handles = 0;
    o->events = 0;
    o->silent = false;
    o->orphaned = false;
    o->adopted = false;
    o->account = NULL;
    o->next_orphan = NULL;
    spin_init(&o->watch_lock, RANK_WATCH);
    list_init(&o->watches);
    __atomic_fetch_add(&counts[type], 1, __ATOMIC_RELAXED);
}

void object_end(struct object *o)
{
    ASSERT(list_empty(&o->watches));
    __atomic_fetch_sub(&counts[o->type], 1, __ATOMIC_RELAXED);
    struct account *account = o->account;
    uint32_t type = o->type;
    o->ops->destroy(o);
    account_object_gone(account, type);
}

void object_signal(struct object *o, uint32_t clear, uint32_t set)
{
    spin_lock(&o->watch_lock);
    o->events = (o->events & ~clear) | set;
    if (set)
        LIST_FOR (n, &o->watches) {
            struct watch *w = LIST_ENTRY(n, struct watch, node);
            uint32_t hit = set & (w->events | ALWAYS);
            if (hit)
                w->fire(w, hit);
        }
    spin_unlock(&o->watch_lock);
}

void object_watch(struct object *o, struct watch *w)
{
    spin_lock(&o->watch_lock);
    list_add_tail(&o->watches, &w->node);
    uint32_t hit = o->events & (w->events | ALWAYS);
    if (hit)
        w->fire(w, hit);
    spin_unlock(&o->watch_lock);
}

void object_unwatch(struct object *o, struct watch *w)
{
    spin_lock(&o->watch_lock);
    list_del(&w->node);
    spin_unlock(&o->watch_lock);
}

uint64_t object_count(uint32_t type)
{
    return type < OBJECT_TYPES ? __atomic_load_n(&counts[type], __ATOMIC_RELAXED) : 0;
}
