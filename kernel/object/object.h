/*
 * The head of every kernel object: type, references, readiness.
 *
 * Lifetime, told once. Whoever keeps a pointer holds a reference: a handle, a queue, a sleeping thread, a local
 * variable of a system call. object_get and object_put pair up in one function, or the structure that keeps the
 * pointer says so. A new object has one reference, its maker's. At 0 ops->destroy frees it.
 *
 * Handles are counted beside references: when the last handle of all processes closes, ops->last_handle tells the
 * object that no program can reach it any more (a session's server hears of it); the memory may live on.
 *
 * Readiness (enum event) is kept here so that one port can wait for any object. Watchers are called with the
 * object's watch lock held, and only take locks of higher rank (port, thread, run queue).
 */
#ifndef OBJECT_OBJECT_H
#define OBJECT_OBJECT_H

#include "klib/list.h"
#include "klib/spinlock.h"

struct object;
struct account;

/* What an object tells to who looks at a handle of it (struct handle_record says what is what). */
struct object_facts {
    uint64_t peer, size, detail;
};

struct object_ops {
    void (*destroy)(struct object *o);     /* free it; nothing refers to it any more */
    void (*last_handle)(struct object *o); /* may be NULL */
    /* Fill in what there is to tell; no spinlock is held. May be NULL. */
    void (*describe)(struct object *o, struct object_facts *f);
};

struct object {
    uint32_t type;               /* [I] enum object_type */
    uint32_t refs;               /* [a] */
    const struct object_ops *ops; /* [I] */
    uint64_t number;             /* [I] no two objects have the same; it opens nothing */
    uint32_t handles;            /* [a] handles in all processes, and in messages under way */
    uint32_t events;             /* [w] readiness that holds now */
    bool silent;                 /* [I] ports refuse it: it will never have events */
    bool orphaned;               /* [a] in a list of orphans (proc/handle.c) */
    bool adopted;                /* [a] a session that a client pays for (account.h) */
    struct account *account;     /* [a] who pays for it; NULL: nobody yet, or the kernel */
    struct object *next_orphan;  /* [the thread whose list it is in] */
    struct spinlock watch_lock;  /* w */
    struct list watches;         /* [w] struct watch.node */
};

/* A registration for edges of an object's readiness. */
struct watch {
    struct list node;  /* [w] of the object */
    uint32_t events;   /* [I] bits it is called for, and EV_HUP and EV_ERR always */
    void (*fire)(struct watch *w, uint32_t events);
};

void object_init(struct object *o, uint32_t type, const struct object_ops *ops);

/* Far more than there can be: a count above it was dropped below 0, or read from freed memory. */
#define OBJECT_COUNT_MAX (1u << 30)

static inline void object_check_count(const struct object *o, uint32_t count)
{
#ifdef DEBUG
    if (count == 0 || count > OBJECT_COUNT_MAX)
        panic(PANIC_REFERENCES, "object %p of type %u: a count is 0x%x", (const void *)o, o->type,
              count);
#else
    (void)o, (void)count;
#endif
}

static inline void object_get(struct object *o)
{
    object_check_count(o, __atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED));
}
/* The same for who has found it in a list that keeps no reference; false: its last one has gone. */
MUST_CHECK static inline bool object_get_living(struct object *o)
{
    uint32_t refs = __atomic_load_n(&o->refs, __ATOMIC_RELAXED);
    while (refs && !__atomic_compare_exchange_n(&o->refs, &refs, refs + 1, true, __ATOMIC_RELAXED,
                                                __ATOMIC_RELAXED))
        ;
    return refs != 0;
}
/* Nothing refers to it any more: free it. */
void object_end(struct object *o);
/* Drop a reference; may destroy. NULL is allowed. No spinlock is held. */
static inline void object_put(struct object *o)
{
    if (!o)
        return;
    uint32_t before = __atomic_fetch_sub(&o->refs, 1, __ATOMIC_ACQ_REL);
    object_check_count(o, before);
    if (before == 1)
        object_end(o);
}

static inline void object_handle_added(struct object *o)
{
    object_check_count(o, __atomic_add_fetch(&o->handles, 1, __ATOMIC_RELAXED));
}
/* A handle is gone. True: it was the last, and the caller has to see that ops->last_handle is called. */
MUST_CHECK static inline bool object_handle_removed(struct object *o)
{
    uint32_t before = __atomic_fetch_sub(&o->handles, 1, __ATOMIC_ACQ_REL);
    object_check_count(o, before);
    return before == 1 && o->ops->last_handle;
}

/* Clear, then set readiness bits; each bit set is an edge, also if it was set already. */
void object_signal(struct object *o, uint32_t clear, uint32_t set);
/* Start watching; fires at once for bits that hold already. The watch and the object outlive the registration. */
void object_watch(struct object *o, struct watch *w);
void object_unwatch(struct object *o, struct watch *w);

/* Objects that exist, by type (machine_info). */
uint64_t object_count(uint32_t type);

#endif
