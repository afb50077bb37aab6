/*
 * Memory objects: pages that address spaces map and devices use.
 *
 * A page is made (zeroed) at its first use and never moves or goes away while the object lives: who holds a
 * reference may let a device work on the pages. Who pays for the object pays for its pages. The list of mappings is the reverse map: from a page's object and
 * index to every place it is seen at. get_page is the pager hook: a later kind of object can fetch its pages.
 */
#ifndef MM_SHM_H
#define MM_SHM_H

#include "object/account.h"

#define SHM_MAX_PAGES (1ull << 22) /* 16 GiB */

struct shm;

struct shm_ops {
    /* Physical address of page index, or 0 when there is no memory. */
    paddr_t (*get_page)(struct shm *s, uint64_t index);
    /* Give up all pages. */
    void (*release)(struct shm *s);
};

struct shm {
    struct object obj;
    const struct shm_ops *ops;   /* [I] */
    uint64_t pages;              /* [I] size */
    struct spinlock maps_lock;   /* m */
    struct list mappings;        /* [m] struct region.shm_node */
    struct spinlock lock;        /* s */
    paddr_t **
        *tables; /* [s] two levels of 512 page addresses each below the root; anonymous objects */
    paddr_t base; /* [I] contiguous objects */
    uint64_t resident; /* [s] pages made so far */
    uint64_t paid; /* [s] bytes charged for them and for tables */
};

/* An object of zero pages, filled on demand; size in bytes is rounded up. NULL: too big, 0, or out of memory. */
struct shm *shm_create(uint64_t size);
/* An object over existing memory (a boot module), which it never frees. size in bytes; the object's size is rounded up. */
struct shm *shm_create_contiguous(paddr_t base, uint64_t size);
static inline uint64_t shm_size_of(const struct shm *s)
{
    return s->pages << PAGE_SHIFT;
}
/* Whether its memory is none of the frame allocator's, and never freed. */
static inline bool shm_is_static(const struct shm *s)
{
    return s->base;
}
/* Physical address of a page (index < pages), made if missing; 0 when memory is out. */
static inline paddr_t shm_page(struct shm *s, uint64_t index)
{
    return s->ops->get_page(s, index);
}

#endif
