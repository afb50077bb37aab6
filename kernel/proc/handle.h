/*
 * Handle tables.
 *
 * A table has two ranges: low numbers (file descriptors), given lowest free first, and high ones, which carry a
 * generation so that a stale number is caught. An entry keeps a reference and counts as a handle of its object.
 */
#ifndef PROC_HANDLE_H
#define PROC_HANDLE_H

#include "object/account.h"

#define HANDLE_CHUNK       128u                 /* entries in one page */
#define HANDLE_LOW_CHUNKS  (HANDLE_FD_MAX / HANDLE_CHUNK)
#define HANDLE_HIGH_CHUNKS 128u           /* at most 16384 high handles */

/* High handle: HANDLE_HIGH | generation << 14 | index. */
#define HANDLE_INDEX_BITS 14
#define HANDLE_INDEX_MASK ((1u << HANDLE_INDEX_BITS) - 1)

struct process;

/* Something that ends when a handle is closed (a port's registration). */
struct handle_link {
    struct handle_link *next;
    void (*closed)(struct handle_link *l); /* the handle is gone; no spinlock held */
};

struct handle_entry {
    struct object *obj;          /* NULL: free */
    uint32_t rights;             /* 0 when free */
    uint16_t generation;         /* high range */
    uint16_t next_free;          /* high range: index + 1 of the next free entry */
    struct handle_link *links;
    uint64_t reserved;
};
_Static_assert(sizeof(struct handle_entry) * HANDLE_CHUNK == PAGE_SIZE, "a chunk is a page");

struct handle_table {
    struct spinlock lock;
    struct handle_entry *low[HANDLE_LOW_CHUNKS];
    struct handle_entry *high[HANDLE_HIGH_CHUNKS];
    uint64_t low_used[HANDLE_FD_MAX / 64]; /* bit set: number in use */
    uint32_t high_count;                   /* high entries made so far */
    uint32_t high_free;                    /* index + 1 of the first free one */
    uint32_t open;                         /* handles in use */
    struct purse purse; /* pays for handles; its account for the chunks as well */
    bool closed; /* the process is ending: nothing can be added */
};

/* An object with rights, on its way between tables: keeps a reference and counts as a handle. */
struct grant {
    struct object *obj;
    uint32_t rights;
};

/* The entry of a number that is in use, or NULL; the table is locked. */
static inline struct handle_entry *handle_entry_of(struct handle_table *t, handle_t h)
{
    struct handle_entry *e;
    if (h & HANDLE_HIGH) {
        uint32_t index = (uint32_t)h & HANDLE_INDEX_MASK;
        if (h < 0 || index >= t->high_count)
            return NULL;
        e = &t->high[index / HANDLE_CHUNK][index % HANDLE_CHUNK];
        if (e->generation != (uint16_t)((uint32_t)h >> HANDLE_INDEX_BITS))
            return NULL;
    } else {
        if ((uint32_t)h >= HANDLE_FD_MAX || !t->low[(uint32_t)h / HANDLE_CHUNK])
            return NULL;
        e = &t->low[(uint32_t)h / HANDLE_CHUNK][(uint32_t)h % HANDLE_CHUNK];
    }
    return e->obj ? e : NULL;
}

/* a: who pays for what is in the table. */
void handle_table_init(struct handle_table *t, struct account *a);
/* Close everything, for good, and free the table's memory. */
void handle_table_destroy(struct handle_table *t);

/*
 * Add a handle to obj (the caller keeps its own reference). flags and at: handle_flags of the ABI.
 * Returns the number, -EMFILE (also: the job's limit), -ENOMEM, -EINVAL (flags), -ESRCH (table closed). An object that
 * nobody pays for yet is charged to the table's account first.
 */
handle_t handle_add(struct handle_table *t, struct object *obj, uint32_t rights, uint32_t flags,
                    int32_t at) MUST_CHECK;
/* The same from a grant, which is used up on success. */
handle_t handle_add_grant(struct handle_table *t, struct grant *g) MUST_CHECK;
/* The last handle of o is gone, and its reference is passed in: tell o. */
void handle_orphaned(struct object *o);
/* Drop a handle count and a reference. */
static inline void handle_drop(struct object *o)
{
    if (UNLIKELY(object_handle_removed(o)))
        handle_orphaned(o);
    else
        object_put(o);
}
/* Let go of a grant that was not used. */
void grant_drop(struct grant *g);

/* Close a handle; -EBADF. */
status_t handle_close_in(struct handle_table *t, handle_t h);
/* Close h only if it still stands for obj (a moved handle). */
void handle_close_if(struct handle_table *t, handle_t h, const struct object *obj);

/*
 * Look a handle of the calling process up: -EBADF, then -ENODEV (wrong type; type 0 takes any), then -EACCES.
 * *out gets a reference.
 */
status_t handle_get(handle_t h, uint32_t type, uint32_t rights, struct object **out) MUST_CHECK;
/* The same, and the rights it has, for passing it on. The grant keeps the reference. */
status_t handle_get_grant(handle_t h, uint32_t type, uint32_t need, struct grant *g) MUST_CHECK;
/* Type and rights; -EBADF. */
status_t handle_inspect(handle_t h, uint32_t *type, uint32_t *rights) MUST_CHECK;
/* A look at one handle: the object with a reference, and what is known without asking it. */
struct handle_look {
    struct object *obj;
    handle_t handle;
    uint32_t rights, position;
};
/* Look at up to n handles of any table at positions from `from` on, in rising order; how many. */
size_t handle_look_at(struct handle_table *t, uint32_t from, struct handle_look *out, size_t n);
/* As handle_get in the table of any process. */
status_t handle_get_in(struct handle_table *t, handle_t h, uint32_t type, uint32_t rights,
                       struct object **out) MUST_CHECK;
/* Hang l on a handle of the calling process that still stands for obj; -EBADF. */
status_t handle_link_add(handle_t h, const struct object *obj, struct handle_link *l) MUST_CHECK;
/* Take l off again; false: the handle's closing has got it already. */
bool handle_link_remove(struct process *p, handle_t h, struct handle_link *l);

/* Whether a handle with rights `wanted` may be made from one with `has`: -EINVAL (unknown bits), -EACCES. */
static inline status_t rights_check(uint32_t wanted, uint32_t has)
{
    return wanted & ~RIGHT_ALL ? -EINVAL : wanted & ~has ? -EACCES : OK;
}

/* Add a handle to a new object in the calling process; drops the caller's reference in any case. */
handle_t handle_give(struct object *obj, uint32_t rights) MUST_CHECK;
/* Open handles in all processes. */
uint64_t handle_total(void);

#endif
