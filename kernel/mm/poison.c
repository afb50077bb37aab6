/* Patterns in free memory (poison.h). */
#include "mm/poison.h"

#ifdef DEBUG
#include "klib/assert.h"
#include "mm/refuse.h"

bool (*memory_refuser)(void);

#define GUARD 0xfdu

static void fill(void *at, size_t bytes, uint64_t pattern)
{
    uint64_t *word = at;
    for (size_t i = 0; i < bytes / sizeof *word; i++)
        word[i] = pattern;
}

/* A word that is not the pattern, or NULL. */
static const uint64_t *find_other(const void *at, size_t bytes, uint64_t pattern)
{
    const uint64_t *word = at;
    for (size_t i = 0; i < bytes / sizeof *word; i++)
        if (word[i] != pattern)
            return &word[i];
    return NULL;
}

/* ---- objects of the heap ---- */

static unsigned index_of(const struct heap_object *o)
{
    uintptr_t offset = (uintptr_t)o->at & PAGE_MASK;
    if (offset % o->size)
        panic(PANIC_DOUBLE_FREE, "%p was never allocated (objects of %u bytes)", o->at, o->size);
    return (unsigned)(offset / o->size);
}

static bool test_bit(const uint64_t *bits, unsigned n)
{
    return bits[n / 64] >> (n % 64) & 1;
}
static void flip_bit(uint64_t *bits, unsigned n)
{
    bits[n / 64] ^= 1ull << (n % 64);
}

void poison_slab(paddr_t page)
{
    fill(phys_to_virt(page), PAGE_SIZE, POISON_FREE);
}

/* The guard ends with the size that was asked for. */
static uint16_t *asked_size(const struct heap_object *o)
{
    return (uint16_t *)((char *)o->at + o->size) - 1;
}

static void set_guard(const struct heap_object *o, size_t n)
{
    for (unsigned char *at = (unsigned char *)o->at + n; at < (unsigned char *)asked_size(o); at++)
        *at = GUARD;
    *asked_size(o) = (uint16_t)n;
}

static void check_guard(const struct heap_object *o)
{
    size_t n = *asked_size(o);
    bool intact = n + sizeof(uint16_t) <= o->size;
    for (size_t i = n; intact && i < o->size - sizeof(uint16_t); i++)
        intact = ((unsigned char *)o->at)[i] == GUARD;
    if (!intact)
        panic(PANIC_OVERRUN, "%p: written past its end (object of %u bytes)", o->at, o->size);
}

void poison_object_taken(const struct heap_object *o, size_t n)
{
    unsigned index = index_of(o);
    /* The first word of a free object links it with the next. */
    const uint64_t *bad =
        find_other((uint64_t *)o->at + 1, o->size - sizeof(uint64_t), POISON_FREE);
    if (bad || test_bit(o->slab->used, index))
        panic(PANIC_USE_AFTER_FREE, "%p: written after it was freed (object %p of %u bytes)",
              bad ? (const void *)bad : o->at, o->at, o->size);
    flip_bit(o->slab->used, index);
    fill(o->at, o->size, POISON_FRESH);
    if (n + sizeof(uint64_t) > o->size)
        return;
    flip_bit(o->slab->guarded, index);
    set_guard(o, n);
}

void poison_object_freed(const struct heap_object *o)
{
    unsigned index = index_of(o);
    if (!test_bit(o->slab->used, index))
        panic(PANIC_DOUBLE_FREE, "%p: freed twice (object of %u bytes)", o->at, o->size);
    flip_bit(o->slab->used, index);
    if (test_bit(o->slab->guarded, index)) {
        check_guard(o);
        flip_bit(o->slab->guarded, index);
    }
    fill(o->at, o->size, POISON_FREE);
}

/* ---- page frames ---- */

#define KIND_FREE 0xffffu /* kind of a free frame */

void poison_frame_taken(paddr_t p)
{
    const uint64_t *bad = find_other(phys_to_virt(p), PAGE_SIZE, POISON_FREE);
    if (bad)
        panic(PANIC_USE_AFTER_FREE, "frame 0x%lx: written at %p after it was freed", p,
              (const void *)bad);
}

void poison_frame_freed(paddr_t p)
{
    struct frame *f = frame_of(p);
    if (f->slab.kind == KIND_FREE)
        panic(PANIC_DOUBLE_FREE, "frame 0x%lx: freed twice", p);
    f->slab.kind = KIND_FREE;
    fill(phys_to_virt(p), PAGE_SIZE, POISON_FREE);
}

void poison_list_freed(const struct frame_list *l)
{
    for (struct frame *f = l->first; f; f = f == l->last ? NULL : f->next)
        poison_frame_freed((paddr_t)(f - (struct frame *)FRAMEDB_BASE) << PAGE_SHIFT);
}
#endif
