/*
 * Checks of memory in a kernel with DEBUG: what is free is filled with a pattern, which must still be there when it is
 * used again; objects of the heap end in a guard where their size leaves room for one, and know whether they are in use.
 * In an ordinary kernel all of this is nothing.
 */
#ifndef MM_POISON_H
#define MM_POISON_H

#include "mm/frame.h"

#define POISON_FREE  0xddddddddddddddddull /* not canonical: whoever follows it faults */
#define POISON_FRESH 0xa5a5a5a5a5a5a5a5ull /* handed out and not written yet */

/* What is said of an object of the heap when something is wrong with it. */
struct heap_object {
    struct frame *slab;
    void *at;
    uint32_t size; /* of its class */
};

#ifdef DEBUG
#define POISONS true /* whether any of this is done */
/*
 * Bytes that a request of n is rounded up to, so that a guard follows; powers of two keep their alignment instead. A
 * slab has no more objects than struct frame has bits for.
 */
static inline size_t poison_room(size_t n)
{
    size_t room = n & (n - 1) ? n + sizeof(uint64_t) : n;
    if (room < PAGE_SIZE / 128)
        return PAGE_SIZE / 128;
    return room > PAGE_SIZE ? n : room;
}
/* All objects of a fresh slab are free. */
void poison_slab(paddr_t page);
/* o, found on a free list, is handed out for n bytes. */
void poison_object_taken(const struct heap_object *o, size_t n);
/* o is given back: it must be in use. */
void poison_object_freed(const struct heap_object *o);
/* A frame leaves the list of free ones, or is about to go there. */
void poison_frame_taken(paddr_t p);
void poison_frame_freed(paddr_t p);
void poison_list_freed(const struct frame_list *l);
#else
#define POISONS false
static inline size_t poison_room(size_t n)
{
    return n;
}
static inline void poison_slab(paddr_t page)
{
    (void)page;
}
static inline void poison_object_taken(const struct heap_object *o, size_t n)
{
    (void)o, (void)n;
}
static inline void poison_object_freed(const struct heap_object *o)
{
    (void)o;
}
static inline void poison_frame_taken(paddr_t p)
{
    (void)p;
}
static inline void poison_frame_freed(paddr_t p)
{
    (void)p;
}
static inline void poison_list_freed(const struct frame_list *l)
{
    (void)l;
}
#endif

#endif
