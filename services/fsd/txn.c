/* The transaction layer; the contract is in txn.h. */
#include "txn.h"

#include <stdlib.h>
#include <string.h>

struct txn_buf {
    struct buf *buf;
    bool was_dirty, fresh, keep;    /* fresh: a new block; keep: stays dirty at an abort */
    uint8_t old_kind;
};

struct txn_range {
    uint64_t block;
    uint32_t count;
};
struct txn_undo {
    void *where;
    size_t len;
};

enum { FULL_BUFS = 24 };

void txn_init(struct txn *t, struct cache *cache, int (*mark_unclean)(void *arg), void *arg)
{
    memset(t, 0, sizeof *t);
    t->cache = cache;
    t->mark_unclean = mark_unclean;
    t->arg = arg;
}

void txn_destroy(struct txn *t)
{
    free(t->bufs);
    free(t->freed);
    free(t->undo);
    memset(t, 0, sizeof *t);
}

/* Make room for one more element in an array that grows by doubling. */
static int grow(void *array, unsigned count, unsigned *size, size_t element)
{
    void **p = array;
    if (count < *size)
        return 0;
    unsigned n = *size ? *size * 2 : 32;
    void *bigger = realloc(*p, n * element);
    if (!bigger)
        return -ENOMEM;
    *p = bigger;
    *size = n;
    return 0;
}

int txn_begin(struct txn *t)
{
    if (t->cache->ndirty > t->cache->nbufs / 2) {
        int err = txn_write_back(t);
        if (err)
            return err;
    }
    t->active = true;
    t->id++;
    t->nbufs = t->nfreed = 0;
    t->undo_len = 0;
    return 0;
}

int txn_save(struct txn *t, void *memory, size_t len)
{
    struct txn_undo record = { memory, len };
    size_t need = t->undo_len + len + sizeof record;
    if (need > t->undo_size) {
        size_t size = need * 2 + 1024;
        uint8_t *bigger = realloc(t->undo, size);
        if (!bigger)
            return -ENOMEM;
        t->undo = bigger;
        t->undo_size = size;
    }
    memcpy(t->undo + t->undo_len, memory, len);
    memcpy(t->undo + t->undo_len + len, &record, sizeof record);
    t->undo_len = need;
    return 0;
}

/* Put back what txn_save() noted, the last first. */
static void undo(struct txn *t)
{
    while (t->undo_len > 0) {
        struct txn_undo record;
        t->undo_len -= sizeof record;
        memcpy(&record, t->undo + t->undo_len, sizeof record);
        t->undo_len -= record.len;
        memcpy(record.where, t->undo + t->undo_len, record.len);
    }
}

/* Make the buffer part of the transaction, pinned until its end. */
static int join(struct txn *t, struct buf *b, enum buf_kind kind, bool fresh, bool keep)
{
    if (b->txn == t->id && b->dirty) {
        b->kind = (uint8_t)kind;
        b->valid = true;
        return 0;
    }
    int err = grow(&t->bufs, t->nbufs, &t->bufs_size, sizeof *t->bufs);
    if (err)
        return err;
    t->bufs[t->nbufs++] = (struct txn_buf){ b, b->dirty, fresh, keep, b->kind };
    b->pins++;                  /* the caller has it pinned: this only adds to it */
    b->txn = t->id;
    b->valid = true;
    buf_set_dirty(t->cache, b, kind);
    return 0;
}

int txn_dirty(struct txn *t, struct buf *b, size_t offset, size_t len, enum buf_kind kind)
{
    int err = txn_save(t, b->data + offset, len);
    return err ? err : join(t, b, kind, false, false);
}

int txn_dirty_new(struct txn *t, struct buf *b, enum buf_kind kind)
{
    return join(t, b, kind, true, false);
}

int txn_dirty_data(struct txn *t, struct buf *b)
{
    return join(t, b, BUF_DATA, false, true);
}

int txn_freed(struct txn *t, uint64_t block, uint32_t count)
{
    if (t->nfreed > 0) {
        struct txn_range *last = &t->freed[t->nfreed - 1];
        if (last->block + last->count == block && last->count + count > count) {
            last->count += count;
            return 0;
        }
    }
    int err = grow(&t->freed, t->nfreed, &t->freed_size, sizeof *t->freed);
    if (!err)
        t->freed[t->nfreed++] = (struct txn_range){ block, count };
    return err;
}

bool txn_full(const struct txn *t)
{
    return t->nbufs >= FULL_BUFS;
}

void txn_commit(struct txn *t)
{
    for (unsigned i = 0; i < t->nbufs; i++)
        buf_put(t->cache, t->bufs[i].buf);
    for (unsigned i = 0; i < t->nfreed; i++) {
        for (uint32_t n = 0; n < t->freed[i].count; n++)
            cache_forget(t->cache, t->freed[i].block + n);
    }
    t->active = false;
}

void txn_abort(struct txn *t)
{
    undo(t);
    while (t->nbufs > 0) {
        struct txn_buf *tb = &t->bufs[--t->nbufs];
        struct buf *b = tb->buf;
        b->kind = tb->old_kind;
        if (!tb->was_dirty && !tb->keep)
            buf_set_clean(t->cache, b);
        if (tb->fresh)
            b->valid = b->dirty;
        buf_put(t->cache, b);
    }
    t->active = false;
}

/* The order is explained at the head of txn.h. */
static int write_in_order(struct txn *t)
{
    struct cache *c = t->cache;
    int err = t->mark_unclean(t->arg);
    if (err)
        return err;
    unsigned before = c->ndirty;
    err = cache_write_back(c, BUF_DATA);
    if (err)
        return err;
    if (c->ndirty > 0 && c->ndirty < before) {
        err = cache_flush(c);
        if (err)
            return err;
    }
    err = cache_write_back(c, BUF_META);
    if (!err)
        err = cache_write_back(c, BUF_DIR);
    return err;
}

int txn_write_back(struct txn *t)
{
    struct cache *c = t->cache;
    while (t->writing)
        c->env.wait(c->env.ctx, &t->writing);
    if (c->ndirty == 0 && !t->need_flush)
        return 0;
    t->writing = true;
    t->need_flush = true;
    int err = c->ndirty > 0 ? write_in_order(t) : 0;
    if (!err)
        err = cache_flush(c);
    if (!err)
        t->need_flush = false;
    t->writing = false;
    if (c->env.wake)
        c->env.wake(c->env.ctx, &t->writing);
    return err;
}
