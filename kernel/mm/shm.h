/*
 * Memory objects: pages that address spaces map and devices use.
 *
 * A page is made (zeroed) at its first use and stays what it is while the object lives, unless the object is made smaller
 * (shm_resize); a device that works on pages keeps that from happening (shm_pin). Who pays for the object pays for its
 * pages. The list of mappings is the reverse map: from a page's object and index to every place it is seen at. get_page
 * is the pager hook: a later kind of object can fetch its pages.
 */
#ifndef MM_SHM_H
#define MM_SHM_H

#include "object/account.h"

#define SHM_MAX_PAGES (1ull << 22) /* 16 GiB */

struct shm;

struct shm_ops {
    /* Physical address of page index, or 0: there is no memory, or no such page any more. */
    paddr_t (*get_page)(struct shm *s, uint64_t index);
    /* Give up all pages. */
    void (*release)(struct shm *s);
    /* Give up the pages from index first on, which nobody sees any more; NULL: the size is fixed. */
    void (*shrink)(struct shm *s, uint64_t first, uint64_t end);
};

struct shm {
    struct object obj;
    const struct shm_ops *ops; /* [I] */
    uint64_t pages; /* [a] size; written with s held */
    struct spinlock maps_lock; /* m */
    struct list mappings; /* [m] struct region.shm_node */
    uint32_t mapping_count; /* [m] */
    uint32_t sweep; /* [m] number of the last walk over the mappings */
    bool write_stop; /* [a] sealed against writing, or being sealed; set with m held */
    struct spinlock lock; /* s */
    uint32_t seals; /* [s] enum shm_seals */
    bool busy; /* [s] being resized or sealed */
    uint32_t pins,
        write_pins; /* [s] requests under way on its pages, and those that write to them */
    paddr_t **
        *tables; /* [s] two levels of 512 page addresses each below the root; anonymous objects */
    paddr_t base; /* [I] contiguous objects */
    uint64_t reach; /* [s] no page from it on was ever made, nor a table for one */
    uint64_t resident; /* [s] pages made so far */
    uint64_t paid; /* [s] bytes charged for them and for tables */
};

/* An object of zero pages, filled on demand; size in bytes is rounded up. NULL: too big, 0, or out of memory. */
struct shm *shm_create(uint64_t size);
/* An object over existing memory (a boot module), which it never frees. size in bytes; the object's size is rounded up. */
struct shm *shm_create_contiguous(paddr_t base, uint64_t size);
static inline uint64_t shm_size_of(const struct shm *s)
{
    return __atomic_load_n(&s->pages, __ATOMIC_RELAXED) << PAGE_SHIFT;
}
/* Whether its memory is none of the frame allocator's, and never freed. */
static inline bool shm_is_static(const struct shm *s)
{
    return s->base;
}
/* Physical address of a page, made if missing. -ENXIO: past the end; -ENOMEM. */
static inline status_t shm_get_page(struct shm *s, uint64_t index, paddr_t *p)
{
    *p = index < shm_size_of(s) >> PAGE_SHIFT ? s->ops->get_page(s, index) : 0;
    if (LIKELY(*p))
        return OK;
    return index < shm_size_of(s) >> PAGE_SHIFT ? -ENOMEM : -ENXIO;
}
/* The same for who knows that it is there; 0 when memory is out. */
static inline paddr_t shm_page(struct shm *s, uint64_t index)
{
    return s->ops->get_page(s, index);
}

/*
 * Make it size bytes (rounded up). What is cut off is unmapped everywhere; what is added is zero. -EINVAL: 0 or too big;
 * -EPERM: sealed against it; -EOPNOTSUPP: memory of fixed size; -EBUSY: a request works on its pages, or another resize
 * or seal is under way.
 */
status_t shm_resize(struct shm *s, uint64_t size) MUST_CHECK;
/* Add seals. -EPERM: sealed against it; -EBUSY: as above, or (SHM_SEAL_WRITE) somebody can write to it. */
status_t shm_seal(struct shm *s, uint32_t seals) MUST_CHECK;
void shm_describe(struct shm *s, struct shm_info *info);
/*
 * Keep its pages while a device works on them; write: changes them. -EPERM: sealed. Pages that shm_get_page gives after
 * this stay until shm_unpin, also when they are unmapped everywhere and the last handle is closed.
 */
status_t shm_pin(struct shm *s, bool write) MUST_CHECK;
void shm_unpin(struct shm *s, bool write);

#endif
