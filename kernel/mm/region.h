/*
 * The regions of an address space: found by address, by what is free between them, and on their way out. Within mm only.
 *
 * They are in a tree and in a list by start address. Each knows how much is free behind it at most in its part of the
 * tree, so that a gap of some size is found without looking at all of them.
 */
#ifndef MM_REGION_H
#define MM_REGION_H

#include "mm/vm.h"

/* Regions of an address space: bounds what it costs the kernel. */
#define REGIONS_MAX 65536u
/* Bytes that are charged for a region. */
#define REGION_COST 128u
/*
 * How much is done with an address space locked once, which is how long an interrupt may have to wait. Looking at a
 * page-table entry counts as one, a region as WORK_REGION.
 */
#define WORK_AT_ONCE 1024u
#define WORK_REGION  16u

struct region {
    struct tree_node node;      /* [v] key: start */
    struct region *prev, *next; /* [v] by address */
    uintptr_t end;              /* [v] */
    uint64_t
        most_room; /* [v] no region of the tree from this one down has more room behind it; it may be less */
    uint8_t prot; /* [v] VM_READ … */
    uint8_t max_prot; /* [I] what vm_protect may give */
    bool copy; /* [I] what is written goes to copies of the object's pages */
    bool used; /* [v] pages may have come to it */
    uint32_t gone_at; /* [v] low bits of aspace.generation once it is empty */
    uintptr_t
        gone; /* [v] being unmapped: it has no pages below this any more; 0: nothing was taken yet */
    struct aspace *as; /* [I] */
    struct shm *shm; /* [I] holds a reference; NULL: anonymous */
    struct list shm_node; /* [shm->maps_lock] */
    uint32_t shm_page; /* [v] index of the object's page at start */
    uint32_t
        sweep; /* [shm->maps_lock] the last walk over the mappings of the object that is done with it */
};
_Static_assert(sizeof(struct region) <= REGION_COST, "a region pays for itself");
_Static_assert(SHM_MAX_PAGES <= UINT32_MAX, "struct region.shm_page");

/*
 * A range that a thread is unmapping; on its stack while it does. All of it is as good as gone for everybody, and stays
 * occupied: nothing is mapped there until no CPU remembers what was.
 */
struct leaving {
    struct leaving *next; /* [v] */
    uintptr_t start, end; /* [I] */
};

static inline uintptr_t start_of(const struct region *r)
{
    return r->node.key;
}

static inline struct region *region_from(struct tree_node *n)
{
    return n ? CONTAINER(n, struct region, node) : NULL;
}

/* Bytes that are free behind r. */
static inline uint64_t region_room(const struct region *r)
{
    return (r->next ? start_of(r->next) : USER_MAX) - r->end;
}

/* as has none yet, and has none any more. */
void regions_init(struct aspace *as);
void regions_end(struct aspace *as);

/* ---- finding; the lock is held ---- */

/* The last region that starts at or below va, or NULL. */
struct region *region_floor_slowly(struct aspace *as, uintptr_t va);
static inline struct region *region_floor(struct aspace *as, uintptr_t va)
{
    struct region *r = as->recent;
    if (LIKELY(r && start_of(r) <= va && (!r->next || va < start_of(r->next))))
        return r;
    return region_floor_slowly(as, va);
}

/* The region that holds va, or NULL; it may be on its way out. */
static inline struct region *region_at(struct aspace *as, uintptr_t va)
{
    struct region *r = region_floor(as, va);
    return r && va < r->end ? r : NULL;
}

/* The first region that ends above va, or NULL. */
static inline struct region *region_above(struct aspace *as, uintptr_t va)
{
    struct region *r = region_floor(as, va);
    return !r ? as->first : va < r->end ? r : r->next;
}

/* The range on its way out that has a place in [start, end), or NULL. */
struct leaving *leaving_in(const struct aspace *as, uintptr_t start, uintptr_t end);
static inline bool region_is_leaving(const struct region *r)
{
    return UNLIKELY(r->as->leaving) && leaving_in(r->as, start_of(r), r->end);
}

/* The region that holds va and is there to stay, or NULL. */
static inline struct region *live_region_at(struct aspace *as, uintptr_t va)
{
    struct region *r = region_at(as, va);
    return r && !region_is_leaving(r) ? r : NULL;
}

/* Whether nothing has a place in [addr, addr + len). */
bool range_free(struct aspace *as, uintptr_t addr, uint64_t len);
/*
 * Where len bytes are free, as low as can be from `from` on; 0: nowhere, or *work, which is counted down, came to 0
 * before that was known. What was found out by then is not lost.
 */
uintptr_t region_gap(struct aspace *as, uintptr_t from, uint64_t len, unsigned *work);

static inline bool range_valid(uintptr_t addr, uint64_t len)
{
    return len && !((addr | len) & PAGE_MASK) && user_range_ok(addr, len);
}

/* ---- what they are ---- */

/* On x86 what can be written or executed can be read. */
static inline uint32_t effective_prot(uint32_t prot)
{
    return prot & (VM_WRITE | VM_EXEC) ? prot | VM_READ : prot;
}

/* Whether it is one, and not writable and executable. */
static inline bool prot_valid(uint32_t prot)
{
    return !(prot & ~(VM_READ | VM_WRITE | VM_EXEC)) &&
           (prot & (VM_WRITE | VM_EXEC)) != (VM_WRITE | VM_EXEC);
}

/* Whether an access, or a protection, lets others see what is written. */
static inline bool writes_shared(const struct region *r, uint32_t prot)
{
    return (prot & VM_WRITE) && r->shm && !r->copy;
}

static inline bool write_stopped(const struct shm *s)
{
    return __atomic_load_n(&s->write_stop, __ATOMIC_RELAXED);
}

/* ---- coming and going; the lock is held ---- */

/* Pay for n regions more; false: too many, or over the limit. */
static inline bool regions_pay(struct aspace *as, uint32_t n)
{
    return as->region_count + n <= REGIONS_MAX && purse_take(&as->purse, n * REGION_COST);
}

/* Memory for a region, empty but for its address space; or NULL. One that nobody uses any more is kept for next time. */
struct region *region_new(struct aspace *as);
void region_free(struct region *r);
/* Make r, paid for and filled in, one of its address space and of its object's mappings; false: that is not to be written. */
bool region_link(struct region *r) MUST_CHECK;
/* Take r, which has no pages any more, out of its address space; if it has an object it is trash then. */
void region_remove(struct region *r, struct list *trash);
/* The same for the first one of an address space that ends, and where nothing will be looked for any more. */
void region_remove_first(struct aspace *as, struct list *trash);
/* Free regions that had an object, without a lock: it may go with them. */
void trash_free_some(struct list *trash);
static inline void trash_free(struct list *trash)
{
    if (UNLIKELY(!list_empty(trash)))
        trash_free_some(trash);
}
/* Cut regions so that none crosses addr or end. -ENOMEM, and nothing has changed. */
status_t cut_at_ends(struct aspace *as, uintptr_t addr, uintptr_t end) MUST_CHECK;
/* Make r and the region before it one if they may as well be. Returns what r is part of. */
struct region *region_join(struct region *r);

#endif
