/*
 * Page frames.
 *
 * Memory nobody has used costs nothing: each range of the loader's memory map has a mark up to which frames were
 * handed out once, and the frame database (struct frame for each frame, at FRAMEDB_BASE) is mapped only up to it.
 * Freed frames are used again first. Each CPU keeps some of them at hand, so that CPUs seldom wait for each other; they
 * count as free, and when there are no others they are taken from where they are.
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "klib/types.h"
#include "x86/layout.h"

/* What is known of a frame that was handed out. While it is free only `next` counts. */
struct frame {
    union {
        uint32_t users; /* heap: objects in use */
        uint32_t
            pins; /* [a] of user memory: copies and requests under way that use it, FRAME_FREED */
    };
    union {
        struct {
            uint16_t kind; /* index of the object size, and the CPU whose it is (mm/heap.c) */
            uint16_t fresh; /* where in the page objects begin that were never handed out */
        } slab; /* of the heap */
        struct {
            uint16_t low, end; /* present entries have an index in [low, end) */
        } table; /* page table of a user half */
    };
    void *free; /* heap: first free object */
    struct frame *next, *prev;
#ifdef DEBUG
    uint64_t used[2], guarded[2]; /* heap: a bit for each object (mm/poison.c) */
#endif
};
#define FRAME_FREED 0x80000000u /* freed while it was pinned */
_Static_assert(PAGE_SIZE % sizeof(struct frame) == 0, "entries fill a page");

static inline void *phys_to_virt(paddr_t p)
{
    return (void *)(HHDM_BASE + p);
}
/* Only for addresses from phys_to_virt. */
static inline paddr_t virt_to_phys(const void *v)
{
    return (uintptr_t)v - HHDM_BASE;
}
/* The entry of a frame that is in use. */
static inline struct frame *frame_of(paddr_t p)
{
    return (struct frame *)FRAMEDB_BASE + (p >> PAGE_SHIFT);
}

/* Hand a page-aligned range of RAM over to the allocator. Ranges do not overlap. */
void frame_add_range(paddr_t base, uint64_t length);
/*
 * Frames that only the kernel's own threads and the core services (svcman and what it starts) may use: when a
 * program has eaten the rest, they go on working. A thread's floor is in struct cpu while it runs.
 */
#define FRAME_RESERVE 512u

/* A frame with undefined contents, or 0 when memory is out (for the running thread). */
paddr_t frame_alloc(void);
/* A frame of zeros, or 0. */
paddr_t frame_alloc_zeroed(void);
/* Once it is not pinned any more, if it is. */
void frame_free(paddr_t p);
/* Frames to be freed together; starts as all zero. */
struct frame_list {
    struct frame *first, *last;
    uint32_t count;
    bool pinned; /* some of them may be */
};
/* Put a frame that is in use on the list; nobody pins it any more. */
void frame_list_add(struct frame_list *l, paddr_t p);
/* Free them all; the list is empty then. */
void frame_list_free(struct frame_list *l);
/*
 * Keep a frame that is in use from being used for anything else, whatever its owner does; paired with frame_unpin.
 * Whoever pins sees to it that the owner doesn't free it just then (by the owner's lock).
 */
void frame_pin(paddr_t p);
void frame_unpin(paddr_t p);
/* Fill a frame with zeros. */
void frame_zero(paddr_t p);

struct frame_totals {
    uint64_t total, free;
    uint64_t
        kept; /* that the database of frames has taken: it grows with what was in use at once */
};
/* Exact when nothing is being allocated or freed meanwhile. Free are also frames that wait somewhere to be used again. */
struct frame_totals frame_totals(void);

#endif
