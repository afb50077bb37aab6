/*
 * The transaction layer: every change of the file system goes through here.
 *
 * A transaction is one operation's set of changes. It is open between txn_begin() and txn_commit()
 * or txn_abort(), under the exclusive hold, so there is one at a time. Before a byte of metadata
 * changes, txn_dirty() or txn_save() notes what it was; abort puts all of it back, so that an
 * operation that fails half-way leaves no trace.
 *
 * What commit means today: the changes stay in memory as dirty buffers, and txn_write_back()
 * brings them to the disk, at fs_sync() or when half of the cache is dirty, in this order:
 *
 *     the mark "not clean"  |  data  |  bitmaps, descriptors, inodes, pointer blocks  |  directories
 *
 * with a flush after each bar. So after a power cut no inode shows blocks that were never written,
 * and no name leads to an inode that was never written; but a write-back is not atomic: blocks and
 * inodes can be marked as used though nobody refers to them, a removed name can still be there
 * with its inode gone, a file renamed across directories can have both names or none, and a block
 * that changed its owner within one write-back can show the new owner's data in the old file.
 * e2fsck repairs all of these; the file system is marked as not clean until then.
 *
 * Where the journal will sit: commit adds the buffers (struct txn's list) and the freed blocks
 * (its revoke records) to the running journal transaction; txn_write_back() writes data in place,
 * then the journal's descriptor, copies and commit block, and metadata in place only after that.
 * The operations above this layer do not change: they already announce each block they touch.
 */
#ifndef FSD_TXN_H
#define FSD_TXN_H

#include "cache.h"

struct txn_buf;
struct txn_range;

struct txn {
    struct cache *cache;
    /* Called before the first write of a write-back: leave the mark on the disk. */
    int (*mark_unclean)(void *arg);
    void *arg;

    bool active;
    bool writing;               /* a write-back is under way */
    bool need_flush;            /* the disk has written blocks that were not flushed */
    uint32_t id;                /* of the open transaction, or the last one */

    struct txn_buf *bufs;       /* changed by this transaction, pinned */
    unsigned nbufs, bufs_size;
    struct txn_range *freed;
    unsigned nfreed, freed_size;
    uint8_t *undo;              /* old bytes, each followed by a struct txn_undo */
    size_t undo_len, undo_size;
};

void txn_init(struct txn *t, struct cache *cache, int (*mark_unclean)(void *arg), void *arg);
void txn_destroy(struct txn *t);

/* Open a transaction. Writes back first if much is dirty: the errors are the disk's. May suspend. */
int txn_begin(struct txn *t);

/* Announce a change of len bytes at `offset` of a pinned buffer's data, BEFORE it is made. */
int txn_dirty(struct txn *t, struct buf *b, size_t offset, size_t len, enum buf_kind kind);

/* The same for a block that is new: its contents are of no interest if the transaction fails. */
int txn_dirty_new(struct txn *t, struct buf *b, enum buf_kind kind);

/* Contents of a file in a block that it had before: they are not taken back by an abort. */
int txn_dirty_data(struct txn *t, struct buf *b);

/* Announce a change of memory that goes with the blocks (a decoded inode, a counter). */
int txn_save(struct txn *t, void *memory, size_t len);

/* The blocks belong to nobody once this transaction is committed. */
int txn_freed(struct txn *t, uint64_t block, uint32_t count);

/* True when a long operation should commit what it has and go on in a new transaction. */
bool txn_full(const struct txn *t);

void txn_commit(struct txn *t);
void txn_abort(struct txn *t);

/* Write back all that is committed, in order, and flush. No transaction is open. May suspend. */
int txn_write_back(struct txn *t);

#endif
