/*
 * Who owns which physical memory. Two lists: the ranges as the firmware gave them, and the claims
 * that the shim laid on parts of the free ones. What is free is always worked out from the two.
 */
#include "shim.h"

#include "entry/limine.h"

#define MAX_RANGES   256
#define MAX_CLAIMS   64
#define LOADER_CHUNK (UINT64_C(128) * 1024)
#define LOWEST_ALLOC (UINT64_C(1) << 20) /* below lie the BIOS's things and the next CPU's start */

static struct mem_range ranges[MAX_RANGES];
static uint32_t range_count;
static struct mem_range claims[MAX_CLAIMS];
static uint32_t claim_count;

static uint64_t page_down(uint64_t address)
{
    return address & -PAGE_SIZE;
}

static uint64_t page_up(uint64_t address)
{
    return (address + PAGE_SIZE - 1) & -PAGE_SIZE;
}

void mem_add(uint64_t base, uint64_t length, uint64_t type)
{
    if (length == 0)
        return;
    if (range_count == MAX_RANGES)
        fail("the firmware's memory map has more than %u entries", (uint64_t)MAX_RANGES);
    uint64_t end = base + length < base ? page_down(UINT64_MAX) : base + length;
    ranges[range_count++] = (struct mem_range){ .base = base, .end = end, .type = type };
}

void mem_claim(uint64_t base, uint64_t size, uint64_t type)
{
    if (size == 0)
        return;
    if (claim_count == MAX_CLAIMS)
        fail("out of memory claims");
    claims[claim_count++] =
        (struct mem_range){ .base = page_down(base), .end = page_up(base + size), .type = type };
}

/* The lower of `best` (may be null) and r, if r overlaps [base, end). */
static const struct mem_range *lower(const struct mem_range *best, const struct mem_range *r,
                                     uint64_t base, uint64_t end)
{
    if (r->end <= base || r->base >= end)
        return best;
    return best == NULL || r->base < best->base ? r : best;
}

/* The lowest range in [base, end) that is not free; null if all of it is. */
static const struct mem_range *first_taken(uint64_t base, uint64_t end)
{
    const struct mem_range *best = NULL;

    for (uint32_t i = 0; i < claim_count; i++)
        best = lower(best, &claims[i], base, end);
    for (uint32_t i = 0; i < range_count; i++) {
        if (ranges[i].type != LIMINE_MEMMAP_USABLE)
            best = lower(best, &ranges[i], base, end);
    }
    return best;
}

/* The lowest place for `size` bytes in the range r, or 0. */
static uint64_t place_in(const struct mem_range *r, uint64_t size)
{
    uint64_t base = page_up(r->base < LOWEST_ALLOC ? LOWEST_ALLOC : r->base);
    uint64_t end = r->end < TOP_OF_LOW ? r->end : TOP_OF_LOW;

    while (base < end && end - base >= size) {
        const struct mem_range *taken = first_taken(base, base + size);
        if (taken == NULL)
            return base;
        base = page_up(taken->end);
    }
    return 0;
}

void *mem_alloc(uint64_t size, uint64_t type)
{
    uint64_t best = 0;

    size = page_up(size);
    for (uint32_t i = 0; i < range_count; i++) {
        uint64_t base = ranges[i].type == LIMINE_MEMMAP_USABLE ? place_in(&ranges[i], size) : 0;
        if (base != 0 && (best == 0 || base < best))
            best = base;
    }
    if (best == 0)
        fail("no free memory below 4 GiB for %u KiB", size / 1024);
    mem_claim(best, size, type);
    return (void *)best;
}

void *loader_alloc(uint64_t size)
{
    static uint64_t next, end;
    uint64_t align = size >= PAGE_SIZE ? PAGE_SIZE : 16;

    next = (next + align - 1) & -align;
    if (next + size > end) {
        uint64_t chunk = size > LOADER_CHUNK ? page_up(size) : LOADER_CHUNK;
        next = (uint64_t)mem_alloc(chunk, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE);
        end = next + chunk;
    }
    void *place = (void *)next;
    next += size;
    return place;
}

uint64_t mem_top(void)
{
    uint64_t top = 0;

    for (uint32_t i = 0; i < range_count; i++) {
        if (ranges[i].type != LIMINE_MEMMAP_RESERVED && ranges[i].type != LIMINE_MEMMAP_BAD_MEMORY)
            top = ranges[i].end > top ? ranges[i].end : top;
    }
    return top;
}

struct map_writer {
    struct mem_range *out;
    uint32_t count, max;
};

static void map_put(struct map_writer *w, uint64_t base, uint64_t end, uint64_t type)
{
    uint32_t i = w->count;

    if (base >= end)
        return;
    if (w->count == w->max)
        fail("the memory map has more than %u entries", (uint64_t)w->max);
    for (; i > 0 && w->out[i - 1].base > base; i--)
        w->out[i] = w->out[i - 1];
    w->out[i] = (struct mem_range){ .base = base, .end = end, .type = type };
    w->count++;
}

/* The parts of a usable range that nothing else covers. Page 0 is never given out as usable. */
static void map_put_free(struct map_writer *w, const struct mem_range *r)
{
    uint64_t base = page_up(r->base == 0 ? 1 : r->base);
    uint64_t end = page_down(r->end);

    while (base < end) {
        const struct mem_range *taken = first_taken(base, end);
        if (taken == NULL) {
            map_put(w, base, end, LIMINE_MEMMAP_USABLE);
            return;
        }
        map_put(w, base, page_down(taken->base), LIMINE_MEMMAP_USABLE);
        base = page_up(taken->end);
    }
}

uint32_t mem_map(struct mem_range *out, uint32_t max)
{
    struct map_writer w = { .out = out, .count = 0, .max = max };

    for (uint32_t i = 0; i < range_count; i++) {
        if (ranges[i].type == LIMINE_MEMMAP_USABLE)
            map_put_free(&w, &ranges[i]);
        else
            map_put(&w, ranges[i].base, ranges[i].end, ranges[i].type);
    }
    for (uint32_t i = 0; i < claim_count; i++)
        map_put(&w, claims[i].base, claims[i].end, claims[i].type);
    return w.count;
}
