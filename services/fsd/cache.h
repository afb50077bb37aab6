/*
 * Block cache: the blocks of one disk in a fixed amount of memory.
 *
 * A buffer that somebody uses is pinned and stays; the others are taken again, the least recently
 * used first. Changed (dirty) buffers stay until cache_write_back() has written them: eviction
 * never writes, so the order of writes is decided in one place.
 *
 * Reads may overlap (fibers): a block that is being read is waited for. Buffers are only changed
 * by the one who holds the file system exclusively, through a transaction (txn.h).
 */
#ifndef FSD_CACHE_H
#define FSD_CACHE_H

#include "disk.h"
#include "fs.h"

/* Write-back goes through these classes in this order; see txn.h for why. */
enum buf_kind {
    BUF_DATA,                   /* contents of files and symbolic links */
    BUF_META,                   /* bitmaps, descriptors, inodes, pointer blocks */
    BUF_DIR,                    /* directory blocks */
    BUF_KINDS
};

struct buf {
    uint8_t *data;              /* block_size bytes, valid while pinned */
    uint64_t block;
    uint32_t pins;
    uint8_t kind;               /* enum buf_kind, of a dirty buffer */
    bool valid;                 /* data is what the disk has, or newer */
    bool dirty;
    bool reading;               /* the disk is filling it */
    bool hashed;
    int error;                  /* of the read that left it invalid */
    uint32_t txn;               /* number of the last transaction that changed it */
    struct buf *hash_next;
    struct buf *prev, *next;    /* LRU list when clean and unpinned; dirty list when dirty */
};

struct buf_list {
    struct buf *first, *last;
};

struct cache_stats {
    uint64_t hits, misses;      /* blocks */
    uint64_t reads, writes;     /* disk requests */
};

struct cache {
    struct disk *disk;
    struct fs_env env;
    uint32_t block_size;
    uint64_t blocks;            /* of the disk, whole ones */
    unsigned nbufs, nused;      /* buffers; those that were ever used come first */
    unsigned ndirty;
    unsigned nreading;          /* requests at the disk now that will end without our help */
    unsigned nidle;             /* on the LRU list */
    struct buf *bufs;
    struct buf **hash;
    unsigned hash_mask;
    uint8_t *memory, *own_memory;
    size_t stride, own_bytes;   /* from buffer to buffer; of own_memory */
    struct buf_list lru;        /* most recently used first */
    struct buf_list dirty;      /* in no order */
    uint64_t miss_end;          /* where the last prefetch ended .. */
    unsigned beyond;            /* .. and how many blocks the next one there may add */
    struct cache_stats stats;
};

/*
 * Set up the cache; block_size is a power of two, 512 to 65536. memory as in struct fs_options.
 * -ENOMEM. Nothing is read.
 */
int cache_init(struct cache *c, struct disk *disk, const struct fs_env *env, uint32_t block_size,
               size_t bytes, void *memory);

/* Nothing may be pinned; what is dirty is lost. */
void cache_destroy(struct cache *c);

/* A pinned buffer with the contents of `block`. -EIO (as the disk says), -ENOMEM: all pinned or
 * dirty, -EUCLEAN: no such block. May suspend. */
int cache_read(struct cache *c, uint64_t block, struct buf **out);

/* A pinned buffer for a block that will be overwritten whole: nothing is read. The caller announces
 * it to the transaction, which makes it valid, and fills it before anybody else can run. */
int cache_claim(struct cache *c, uint64_t block, struct buf **out);

/*
 * Bring `count` blocks from `block` on into the cache with as few requests as possible, as far as
 * there is room; errors are left for cache_read() to find. Pins nothing. May suspend.
 */
void cache_prefetch(struct cache *c, uint64_t block, unsigned count);

bool cache_has(struct cache *c, uint64_t block);

void buf_put(struct cache *c, struct buf *b); /* unpin; NULL is allowed */

void buf_set_dirty(struct cache *c, struct buf *b, enum buf_kind kind);
void buf_set_clean(struct cache *c, struct buf *b); /* its change was undone */

/* The block was freed: what the buffer has is of no use any more and need not be written. */
void cache_forget(struct cache *c, uint64_t block);

/*
 * Write all dirty buffers of one kind, neighbours in one request. Buffers stay dirty where the
 * disk fails: the first error is returned, after all have been tried.
 */
int cache_write_back(struct cache *c, enum buf_kind kind);

int cache_flush(struct cache *c); /* the disk's own cache */

#endif
