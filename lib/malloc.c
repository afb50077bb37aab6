/*
 * The heap. Memory comes in chunks of 1 MiB, aligned to 1 MiB, so that a pointer tells its chunk.
 * A chunk's first pages describe the others; a page is free, part of a run (an allocation of whole
 * pages), or a slab: objects of one size class with a bit for each that is in use. So free() knows
 * exactly whether a pointer is one that malloc gave and that is still in use. What does not fit a
 * chunk is a mapping of its own, equally aligned, with its own header page. Pages that were never
 * used are never touched.
 */
#include "heap_pages.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 4096,
    CHUNK = 1 << 20,
    CHUNK_PAGES = CHUNK / PAGE,
    SLAB_MAX = 2048,         /* largest object in a slab */
    RUN_MAX = CHUNK / 2,     /* largest run */
    NCLASSES = 23,
};

#define CHUNK_MAGIC 0x6b6e756863706165ull
#define LARGE_MAGIC 0x656772616c706165ull

static const uint16_t class_size[NCLASSES] = { 16,  32,  48,  64,   80,   96,   112, 128,
                                               160, 192, 224, 256,  320,  384,  448, 512,
                                               640, 768, 896, 1024, 1344, 1696, 2048 };

enum page_use { PAGE_FREE = 0, PAGE_RUN, PAGE_MORE, PAGE_SLAB, PAGE_HEADER };

struct slab {
    struct slab *next, **link; /* in the list of its class while it has room */
    uint16_t room;             /* free objects */
    uint16_t class;
    uint32_t reserved;
    uint64_t used[4]; /* bit i: object i is in use; bits without object are set */
};

struct chunk {
    uint64_t magic;
    struct chunk *next, *prev;
    uint32_t free_pages;
    uint32_t reserved;
    uint8_t use[CHUNK_PAGES];       /* enum page_use */
    uint16_t run[CHUNK_PAGES];      /* at the first page of a run: its pages */
    struct slab slab[CHUNK_PAGES]; /* at a slab's page */
};

enum { HEADER_PAGES = (sizeof(struct chunk) + PAGE - 1) / PAGE };

struct large {
    uint64_t magic;
    size_t map_size; /* bytes of the whole mapping */
    size_t offset;   /* of the memory given out */
};

static struct chunk *chunks;
static struct slab *with_room[NCLASSES];

/* ---- chunks and runs of pages ---- */

static struct chunk *chunk_new(void)
{
    struct chunk *c = heap_pages_map(CHUNK, CHUNK);

    if (c == NULL)
        return NULL;
    c->magic = CHUNK_MAGIC;
    memset(c->use, PAGE_HEADER, HEADER_PAGES);
    c->free_pages = CHUNK_PAGES - HEADER_PAGES;
    c->next = chunks;
    if (chunks != NULL)
        chunks->prev = c;
    chunks = c;
    return c;
}

static void chunk_drop(struct chunk *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        chunks = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->magic = 0;
    heap_pages_unmap(c, CHUNK);
}

/* First page of n free ones in a row, or 0. */
static uint32_t run_find(const struct chunk *c, uint32_t n)
{
    uint32_t have = 0;

    for (uint32_t i = HEADER_PAGES; i < CHUNK_PAGES; i++) {
        have = c->use[i] == PAGE_FREE ? have + 1 : 0;
        if (have == n)
            return i + 1 - n;
    }
    return 0;
}

static char *run_take(uint32_t n, enum page_use first)
{
    struct chunk *c;
    uint32_t at = 0;

    for (c = chunks; c != NULL; c = c->next)
        if (c->free_pages >= n && (at = run_find(c, n)) != 0)
            break;
    if (c == NULL) {
        c = chunk_new();
        if (c == NULL)
            return NULL;
        at = HEADER_PAGES;
    }
    memset(c->use + at, PAGE_MORE, n);
    c->use[at] = (uint8_t)first;
    c->run[at] = (uint16_t)n;
    c->free_pages -= n;
    return (char *)c + (size_t)at * PAGE;
}

static void run_release(struct chunk *c, uint32_t at)
{
    uint32_t n = c->run[at];

    memset(c->use + at, PAGE_FREE, n);
    c->free_pages += n;
    if (c->free_pages == CHUNK_PAGES - HEADER_PAGES && (c->next != NULL || c->prev != NULL))
        chunk_drop(c);
}

/* ---- slabs ---- */

static uint32_t class_of(size_t size)
{
    uint32_t i = 0;

    while (class_size[i] < size)
        i++;
    return i;
}

static void slab_link(struct slab *s)
{
    struct slab **head = &with_room[s->class];

    s->next = *head;
    s->link = head;
    if (s->next != NULL)
        s->next->link = &s->next;
    *head = s;
}

static void slab_unlink(struct slab *s)
{
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
}

static struct chunk *chunk_of(const void *p)
{
    return (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
}

static uint32_t page_of(const void *p)
{
    return (uint32_t)((uintptr_t)p & (CHUNK - 1)) / PAGE;
}

static struct slab *slab_new(uint32_t class)
{
    char *page = run_take(1, PAGE_SLAB);
    struct slab *s;

    if (page == NULL)
        return NULL;
    s = &chunk_of(page)->slab[page_of(page)];
    s->class = (uint16_t)class;
    s->room = (uint16_t)(PAGE / class_size[class]);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t objects = s->room > i * 64 ? s->room - i * 64u : 0;
        s->used[i] = objects >= 64 ? 0 : ~0ull << objects;
    }
    slab_link(s);
    return s;
}

static void *slab_take(struct slab *s)
{
    struct chunk *c = chunk_of(s);
    uint32_t word = 0, bit;

    while (s->used[word] == ~0ull)
        word++;
    bit = (uint32_t)__builtin_ctzll(~s->used[word]);
    s->used[word] |= 1ull << bit;
    if (--s->room == 0)
        slab_unlink(s);
    return (char *)c + (size_t)(s - c->slab) * PAGE +
           (size_t)(word * 64 + bit) * class_size[s->class];
}

static void slab_give(struct chunk *c, uint32_t page, const char *p)
{
    struct slab *s = &c->slab[page];
    uint32_t size = class_size[s->class], offset = (uint32_t)(uintptr_t)p % PAGE;
    uint32_t i = offset / size;

    if (offset % size != 0 || i >= PAGE / size)
        heap_broken("free() of a pointer into the middle of an object");
    if ((s->used[i / 64] & 1ull << i % 64) == 0)
        heap_broken("free() of memory that is free already");
    s->used[i / 64] &= ~(1ull << i % 64);
    if (s->room++ == 0)
        slab_link(s);
    if (s->room == PAGE / size && (s->next != NULL || s->link != &with_room[s->class])) {
        slab_unlink(s);
        run_release(c, page);
    }
}

/* ---- mappings of their own ---- */

static void *large_take(size_t size, size_t align)
{
    size_t offset = align > PAGE ? align : PAGE, map_size;
    struct large *l;

    if (offset >= CHUNK || __builtin_add_overflow(size, offset + PAGE - 1, &map_size))
        return NULL;
    map_size &= ~(size_t)(PAGE - 1);
    l = heap_pages_map(map_size, CHUNK);
    if (l == NULL)
        return NULL;
    *l = (struct large){ LARGE_MAGIC, map_size, offset };
    return (char *)l + offset;
}

/* ---- the interface ---- */

static void *take(size_t size, size_t align)
{
    if (size <= SLAB_MAX && align <= 16) {
        uint32_t class = class_of(size);
        struct slab *s = with_room[class] != NULL ? with_room[class] : slab_new(class);
        return s != NULL ? slab_take(s) : NULL;
    }
    if (size <= RUN_MAX && align <= PAGE)
        return run_take((uint32_t)((size + PAGE - 1) / PAGE), PAGE_RUN);
    return large_take(size, align);
}

static void *allocate(size_t size, size_t align)
{
    void *p;

    heap_lock();
    p = take(size > 0 ? size : 1, align);
    heap_unlock();
    if (p == NULL)
        errno = ENOMEM;
    return p;
}

void *malloc(size_t size)
{
    return allocate(size, 16);
}

void *calloc(size_t n, size_t size)
{
    size_t bytes;
    void *p;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    p = malloc(bytes);
    if (p != NULL && chunk_of(p)->magic == CHUNK_MAGIC) /* a mapping of its own is zero */
        memset(p, 0, bytes);
    return p;
}

/* Sizes that are powers of two lie at multiples of themselves in their slabs. */
void *aligned_alloc(size_t align, size_t size)
{
    if (align == 0 || (align & (align - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    if (align > 16 && size <= align && align <= SLAB_MAX)
        return allocate(align, 16);
    return allocate(size, align);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    int saved = errno;
    void *p =
        align < sizeof(void *) || (align & (align - 1)) != 0 ? NULL : aligned_alloc(align, size);

    errno = saved;
    if (p == NULL)
        return align < sizeof(void *) || (align & (align - 1)) != 0 ? EINVAL : ENOMEM;
    *out = p;
    return 0;
}

/* Gives p back; the caller holds the lock. */
static void give(char *p)
{
    struct chunk *c = chunk_of(p);
    struct large *l = (struct large *)c;
    uint32_t page = page_of(p);

    if (l->magic == LARGE_MAGIC) {
        if ((size_t)(p - (char *)l) != l->offset)
            heap_broken("free() of a pointer into the middle of an object");
        l->magic = 0;
        heap_pages_unmap(l, l->map_size);
        return;
    }
    if (c->magic != CHUNK_MAGIC)
        heap_broken("free() of a pointer that malloc() did not give");
    if (c->use[page] == PAGE_SLAB)
        slab_give(c, page, p);
    else if (c->use[page] == PAGE_RUN && (uintptr_t)p % PAGE == 0)
        run_release(c, page);
    else if (c->use[page] == PAGE_FREE)
        heap_broken("free() of memory that is free already");
    else
        heap_broken("free() of a pointer into the middle of an object");
}

void free(void *p)
{
    if (p == NULL)
        return;
    heap_lock();
    give(p);
    heap_unlock();
}

/* Bytes that p may be used for. */
static size_t usable(const char *p)
{
    const struct chunk *c = chunk_of(p);
    const struct large *l = (const struct large *)c;

    if (l->magic == LARGE_MAGIC)
        return l->map_size - l->offset;
    if (c->magic != CHUNK_MAGIC)
        heap_broken("realloc() of a pointer that malloc() did not give");
    uint32_t page = page_of(p);
    if (c->use[page] == PAGE_SLAB)
        return class_size[c->slab[page].class];
    return (size_t)c->run[page] * PAGE;
}

void *realloc(void *p, size_t size)
{
    size_t have;
    void *moved;

    if (p == NULL)
        return malloc(size);
    have = usable(p);
    if (size <= have && (size > have / 2 || have <= 64))
        return p;
    moved = malloc(size);
    if (moved == NULL)
        return size <= have ? p : NULL;
    memcpy(moved, p, size < have ? size : have);
    free(p);
    return moved;
}

void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, bytes);
}
