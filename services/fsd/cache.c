/* Block cache; the contract is in cache.h. */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

/* Under AddressSanitizer, forbidden bytes between the blocks show who runs over a block's end. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RED_ZONE 64u
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define RED_ZONE 64u
#endif
#ifdef RED_ZONE
#include <sanitizer/asan_interface.h>
#else
#define RED_ZONE                                  0u
#define ASAN_POISON_MEMORY_REGION(start, bytes)   ((void)(start))
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes) ((void)(start))
#endif

enum {
    MIN_BUFS = 128,
    MAX_SEGS = 64,              /* blocks in one disk request */
    MAX_BEYOND = 128 * 1024,    /* bytes read beyond a short request */
    NEAR = 8,                   /* blocks between two requests that follow one another */
    MAX_REQUEST = 256 * 1024,   /* bytes in one disk request */
};

/* ---- Lists and the hash table -------------------------------------------------------------- */

static void list_push(struct buf_list *list, struct buf *b)
{
    b->prev = NULL;
    b->next = list->first;
    if (list->first)
        list->first->prev = b;
    else
        list->last = b;
    list->first = b;
}

static void list_remove(struct buf_list *list, struct buf *b)
{
    *(b->prev ? &b->prev->next : &list->first) = b->next;
    *(b->next ? &b->next->prev : &list->last) = b->prev;
    b->prev = b->next = NULL;
}

static struct buf **hash_slot(struct cache *c, uint64_t block)
{
    return &c->hash[(block * 0x9E3779B97F4A7C15u >> 32) & c->hash_mask];
}

static struct buf *hash_find(struct cache *c, uint64_t block)
{
    struct buf *b = *hash_slot(c, block);
    while (b && b->block != block)
        b = b->hash_next;
    return b;
}

static void hash_add(struct cache *c, struct buf *b, uint64_t block)
{
    struct buf **slot = hash_slot(c, block);
    b->block = block;
    b->hash_next = *slot;
    b->hashed = true;
    *slot = b;
}

static void hash_remove(struct cache *c, struct buf *b)
{
    if (!b->hashed)
        return;
    struct buf **link = hash_slot(c, b->block);
    while (*link != b)
        link = &(*link)->hash_next;
    *link = b->hash_next;
    b->hashed = false;
}

/* ---- Setting up ---------------------------------------------------------------------------- */

static int alloc_tables(struct cache *c, size_t bytes, void *memory)
{
    unsigned slots = 1;
    while (slots < c->nbufs)
        slots *= 2;
    c->hash_mask = slots - 1;
    c->hash = calloc(slots, sizeof(struct buf *));
    c->bufs = calloc(c->nbufs, sizeof(struct buf));
    c->stride = c->block_size;
    if (!memory) {
        c->stride += RED_ZONE;
        c->own_bytes = bytes + (size_t)c->nbufs * RED_ZONE + c->block_size;
        c->own_memory = malloc(c->own_bytes);
        if (c->own_memory) {
            uintptr_t start = (uintptr_t)c->own_memory;
            memory = c->own_memory + (-start & (c->block_size - 1));
            ASAN_POISON_MEMORY_REGION(c->own_memory, c->own_bytes);
        }
    }
    c->memory = memory;
    return c->hash && c->bufs && c->memory ? 0 : -ENOMEM;
}

int cache_init(struct cache *c, struct disk *disk, const struct fs_env *env, uint32_t block_size,
               size_t bytes, void *memory)
{
    memset(c, 0, sizeof *c);
    c->disk = disk;
    if (env)
        c->env = *env;
    c->block_size = block_size;
    c->blocks = disk->sectors / (block_size / DISK_SECTOR);
    if (bytes / block_size < MIN_BUFS) {
        bytes = (size_t)MIN_BUFS * block_size;
        memory = NULL;
    }
    if (bytes / block_size > UINT32_MAX / 4)
        return -ENOMEM;
    c->nbufs = (unsigned)(bytes / block_size);
    int err = alloc_tables(c, bytes, memory);
    if (err)
        cache_destroy(c);
    return err;
}

void cache_destroy(struct cache *c)
{
    if (c->own_memory)
        ASAN_UNPOISON_MEMORY_REGION(c->own_memory, c->own_bytes);
    free(c->hash);
    free(c->bufs);
    free(c->own_memory);
    memset(c, 0, sizeof *c);
}

/* ---- Pins ---------------------------------------------------------------------------------- */

static void pin(struct cache *c, struct buf *b)
{
    if (b->pins++ == 0 && !b->dirty) {
        list_remove(&c->lru, b);
        c->nidle--;
    }
}

/* To the LRU list; one that is of no use to the end where it is taken first. */
static void make_idle(struct cache *c, struct buf *b)
{
    c->nidle++;
    if (b->valid || !c->lru.last) {
        list_push(&c->lru, b);
        return;
    }
    b->next = NULL;
    b->prev = c->lru.last;
    c->lru.last->next = b;
    c->lru.last = b;
}

void buf_put(struct cache *c, struct buf *b)
{
    if (!b || --b->pins > 0)
        return;
    if (!b->valid)
        hash_remove(c, b);
    if (!b->dirty)
        make_idle(c, b);
}

/* A buffer for new contents, pinned and in no list; NULL if there is none now. */
static struct buf *take_buffer(struct cache *c)
{
    struct buf *b;
    if (c->nused < c->nbufs) {
        b = &c->bufs[c->nused];
        b->data = c->memory + (size_t)c->nused * c->stride;
        ASAN_UNPOISON_MEMORY_REGION(b->data, c->block_size);
        c->nused++;
    } else {
        b = c->lru.last;
        if (!b)
            return NULL;
        list_remove(&c->lru, b);
        c->nidle--;
        hash_remove(c, b);
    }
    b->pins = 1;
    b->valid = b->reading = false;
    b->error = 0;
    return b;
}

static void wait_for(struct cache *c, const void *chan)
{
    c->env.wait(c->env.ctx, chan);
}

static void wake(struct cache *c, const void *chan)
{
    if (c->env.wake)
        c->env.wake(c->env.ctx, chan);
}

/*
 * The buffer of `block`, pinned: found (*found) or newly taken and put into the table. When all
 * are in use but some wait for the disk, wait with them; else there is no hope: -ENOMEM.
 */
static int get_buffer(struct cache *c, uint64_t block, struct buf **out, bool *found)
{
    if (block >= c->blocks)
        return -EUCLEAN;
    for (;;) {
        struct buf *b = hash_find(c, block);
        *found = b != NULL;
        if (b) {
            pin(c, b);
        } else {
            b = take_buffer(c);
            if (b)
                hash_add(c, b, block);
        }
        if (b) {
            *out = b;
            return 0;
        }
        if (c->nreading == 0 || !c->env.wait)
            return -ENOMEM;
        wait_for(c, c);
    }
}

/* ---- Reading ------------------------------------------------------------------------------- */

static uint64_t sector_of(const struct cache *c, uint64_t block)
{
    return block * (c->block_size / DISK_SECTOR);
}

/* Fill `n` buffers of consecutive blocks, pinned and marked as reading, with one request. */
static int read_run(struct cache *c, struct buf **run, unsigned n)
{
    struct disk_seg segs[MAX_SEGS];
    for (unsigned i = 0; i < n; i++)
        segs[i] = (struct disk_seg){ run[i]->data, c->block_size };
    c->nreading++;
    c->stats.reads++;
    int err = c->disk->read(c->disk, sector_of(c, run[0]->block), segs, n);
    c->nreading--;
    for (unsigned i = 0; i < n; i++) {
        run[i]->reading = false;
        run[i]->valid = err == 0;
        run[i]->error = err;
        if (err)
            hash_remove(c, run[i]);
        wake(c, run[i]);
    }
    wake(c, c);
    return err;
}

static int wait_valid(struct cache *c, struct buf *b)
{
    while (b->reading)
        wait_for(c, b);
    return b->valid ? 0 : b->error;
}

int cache_read(struct cache *c, uint64_t block, struct buf **out)
{
    struct buf *b;
    bool found;
    int err = get_buffer(c, block, &b, &found);
    if (err)
        return err;
    if (found) {
        c->stats.hits++;
        err = wait_valid(c, b);
    } else {
        c->stats.misses++;
        b->reading = true;
        err = read_run(c, &b, 1);
    }
    if (err) {
        buf_put(c, b);
        return err;
    }
    *out = b;
    return 0;
}

int cache_claim(struct cache *c, uint64_t block, struct buf **out)
{
    struct buf *b;
    bool found;
    int err = get_buffer(c, block, &b, &found);
    if (err)
        return err;
    while (b->reading)
        wait_for(c, b);
    if (!b->hashed)             /* the read that was under way has failed */
        hash_add(c, b, block);
    *out = b;
    return 0;
}

bool cache_has(struct cache *c, uint64_t block)
{
    return hash_find(c, block) != NULL;
}

/* Buffers for blocks not cached yet, from `block` on, at most `max`; stops at the first cached. */
static unsigned gather_missing(struct cache *c, uint64_t block, unsigned max, struct buf **run)
{
    unsigned n = 0;
    while (n < max && block + n < c->blocks && !hash_find(c, block + n)) {
        /* A quarter of the cache is for those who can't do without. */
        if (c->nbufs - c->nused + c->nidle <= c->nbufs / 4)
            break;
        struct buf *b = take_buffer(c);
        if (!b)
            break;
        hash_add(c, b, block + n);
        b->reading = true;
        run[n++] = b;
    }
    return n;
}

static unsigned max_run(const struct cache *c)
{
    size_t bytes = MAX_REQUEST;
    if (c->disk->max_request && c->disk->max_request < bytes)
        bytes = c->disk->max_request;
    size_t n = bytes / c->block_size;
    return n < 1 ? 1 : n > MAX_SEGS ? MAX_SEGS : (unsigned)n;
}

/*
 * How many blocks to read beyond a short request: more each time while requests follow one another
 * on the disk, as they do when the small files of a directory are read in turn.
 */
static unsigned read_beyond(struct cache *c, uint64_t block, unsigned count)
{
    unsigned most = MAX_BEYOND / c->block_size;
    if (block - c->miss_end >= NEAR)
        c->beyond = 0;
    else if (c->beyond < most)
        c->beyond += c->beyond + most / 8;
    unsigned n = count < most / 2 ? c->beyond : 0;
    c->miss_end = block + count + n;
    return n;
}

void cache_prefetch(struct cache *c, uint64_t block, unsigned count)
{
    struct buf *run[MAX_SEGS];
    count += read_beyond(c, block, count);
    unsigned limit = max_run(c);
    for (uint64_t end = block + count; block < end;) {
        if (hash_find(c, block)) {
            block++;
            continue;
        }
        unsigned max = end - block < limit ? (unsigned)(end - block) : limit;
        unsigned n = gather_missing(c, block, max, run);
        if (n == 0)
            return;
        c->stats.misses += n;
        int err = read_run(c, run, n);
        for (unsigned i = 0; i < n; i++)
            buf_put(c, run[i]);
        if (err)
            return;
        block += n;
    }
}

/* ---- Dirty buffers ------------------------------------------------------------------------- */

void buf_set_dirty(struct cache *c, struct buf *b, enum buf_kind kind)
{
    b->kind = (uint8_t)kind;
    if (b->dirty)
        return;
    b->dirty = true;            /* pinned: so it is on no list now */
    list_push(&c->dirty, b);
    c->ndirty++;
}

void buf_set_clean(struct cache *c, struct buf *b)
{
    if (!b->dirty)
        return;
    b->dirty = false;
    list_remove(&c->dirty, b);
    c->ndirty--;
    if (b->pins == 0)
        make_idle(c, b);
}

void cache_forget(struct cache *c, uint64_t block)
{
    struct buf *b = hash_find(c, block);
    if (!b || b->reading)
        return;
    buf_set_clean(c, b);
    if (b->pins == 0) {
        list_remove(&c->lru, b);
        c->nidle--;
        hash_remove(c, b);
        b->valid = false;
        make_idle(c, b);
    }
}

/* Merge sort by block number of a list that is linked by `next` only. */
static struct buf *sort_by_block(struct buf *list)
{
    if (!list || !list->next)
        return list;
    struct buf *slow = list;
    for (struct buf *fast = list->next; fast && fast->next; fast = fast->next->next)
        slow = slow->next;
    struct buf *b = sort_by_block(slow->next);
    slow->next = NULL;
    struct buf *a = sort_by_block(list);
    struct buf *head = NULL, **tail = &head;
    while (a && b) {
        struct buf **least = a->block < b->block ? &a : &b;
        *tail = *least;
        tail = &(*least)->next;
        *least = *tail;
    }
    *tail = a ? a : b;
    return head;
}

/* Sort the dirty list, so that neighbours on the disk are neighbours in it. */
static void sort_dirty(struct cache *c)
{
    c->dirty.first = sort_by_block(c->dirty.first);
    struct buf *prev = NULL;
    for (struct buf *b = c->dirty.first; b; b = b->next) {
        b->prev = prev;
        prev = b;
    }
    c->dirty.last = prev;
}

/* Write `n` pinned dirty buffers of consecutive blocks with one request. */
static int write_run(struct cache *c, struct buf **run, unsigned n)
{
    struct disk_seg segs[MAX_SEGS];
    for (unsigned i = 0; i < n; i++)
        segs[i] = (struct disk_seg){ run[i]->data, c->block_size };
    c->stats.writes++;
    int err = c->disk->write(c->disk, sector_of(c, run[0]->block), segs, n);
    for (unsigned i = 0; i < n; i++) {
        if (!err)
            buf_set_clean(c, run[i]);
        buf_put(c, run[i]);
    }
    return err;
}

/* Pin the run of neighbours of one kind that starts at `b`; returns its length. */
static unsigned gather_dirty(struct cache *c, struct buf *b, struct buf **run, unsigned max)
{
    unsigned n = 0;
    enum buf_kind kind = b->kind;
    for (uint64_t block = b->block; n < max && b; b = b->next) {
        if (b->kind != kind || b->block != block + n)
            break;
        pin(c, b);
        run[n++] = b;
    }
    return n;
}

int cache_write_back(struct cache *c, enum buf_kind kind)
{
    struct buf *run[MAX_SEGS];
    unsigned limit = max_run(c);
    int status = 0;
    sort_dirty(c);
    for (struct buf *b = c->dirty.first; b;) {
        if (b->kind != kind) {
            b = b->next;
            continue;
        }
        unsigned n = gather_dirty(c, b, run, limit);
        struct buf *after = run[n - 1]->next;
        int err = write_run(c, run, n);
        if (err && !status)
            status = err;
        b = after;
    }
    return status;
}

int cache_flush(struct cache *c)
{
    return c->disk->flush ? c->disk->flush(c->disk) : 0;
}
