/*
 * What the files of the ext2 implementation share: super.c (mounting, geometry), balloc.c (blocks),
 * inode.c (inodes), map.c (from file block to disk block), file.c (contents), dir.c and dirindex.c
 * (entries), namei.c (names: create, remove, rename).
 *
 * Rule for all of them: what came from the disk is checked at each use, since it may have been
 * evicted and read again. A structure that makes no sense ends in ext2_damaged().
 */
#ifndef FSD_EXT2FS_H
#define FSD_EXT2FS_H

#include "ext2.h"
#include "txn.h"
#include "vnode.h"

struct ext2_group {             /* a group descriptor, decoded */
    uint32_t block_bitmap, inode_bitmap, inode_table;   /* block numbers, checked at mount */
    uint32_t free_blocks, free_inodes, used_dirs;
};

struct dir_index;

struct ext2_fs {
    struct fs fs;
    struct disk *disk;
    struct cache cache;
    struct txn txn;

    /* geometry, checked at mount and fixed since */
    uint32_t block_size, block_bits;
    uint32_t blocks_count, first_data_block, blocks_per_group;
    uint32_t inodes_count, inodes_per_group, inode_size, first_ino;
    uint32_t groups, gdt_blocks, reserved_gdt, itable_blocks;
    uint32_t ptrs, ptr_bits;    /* block pointers in a block, and log2 of it */
    uint32_t rev, compat, incompat, ro_compat;
    uint32_t backup_bgs[2];
    uint64_t max_size;          /* bytes of a file */
    struct ext2_group *group;

    struct buf *super_buf;      /* pinned from mount to unmount */
    struct ext2_super *super;   /* inside it */
    bool marked_unclean;        /* the disk says "not clean" */
    bool was_unclean;           /* at mount: then never marked clean here */
    bool damaged;               /* ext2_damaged() was called */
    bool checking;              /* reserved inodes may be loaded too */
    unsigned nmessages;

    uint32_t generation;        /* of the next new inode */
    struct ext2_inode *changed; /* inodes to be stored by the open transaction */
    struct dir_index *indexes;  /* of all directories that have one */
    size_t index_bytes, index_max;
};

/* The part of an inode that a transaction may change, decoded. */
struct ext2_core {
    uint64_t size;
    uint64_t sectors;           /* i_blocks: units of 512 bytes */
    uint32_t uid, gid, nlink, flags, generation, file_acl, dtime;
    struct fs_time atime, mtime, ctime;
    uint32_t ptr[EXT2_NPTR];    /* bytes of the target in a fast symbolic link */
};

struct ext2_inode {
    struct vnode vn;
    struct ext2_core core;
    uint32_t changed_txn;       /* the transaction that has it on its list */
    struct ext2_inode *changed_next;
    bool fresh; /* newly made: the rest of the inode on the disk is to be cleared */
    uint32_t goal; /* where the next block of this file would lie well; 0: no idea */
    uint64_t read_next; /* file block where a sequential reader goes on */
    uint32_t read_ahead; /* blocks to read beyond the request; grows while sequential */
    struct dir_index *index;
};

static inline struct ext2_fs *ext2_of(const struct vnode *vn)
{
    return (struct ext2_fs *)vn->fs;
}
static inline struct ext2_inode *inode_of(struct vnode *vn)
{
    return (struct ext2_inode *)vn;
}
static inline struct ext2_fs *inode_fs(const struct ext2_inode *ip)
{
    return ext2_of(&ip->vn);
}

/* ---- super.c ---- */

/* Tell what is damaged, make the file system read-only; returns -EUCLEAN. */
int ext2_damaged(struct ext2_fs *fs, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A transaction of the file system: inodes that were changed are stored by the commit, which can
 * therefore fail; then nothing has happened, as after ext2_abort(). */
int ext2_begin(struct ext2_fs *fs);
int ext2_commit(struct ext2_fs *fs);
void ext2_abort(struct ext2_fs *fs);

/* Commit if *err is 0, else abort; returns *err or the commit's error. */
int ext2_end(struct ext2_fs *fs, int err);

bool ext2_group_has_super(const struct ext2_fs *fs, uint32_t group);
uint32_t ext2_group_first(const struct ext2_fs *fs, uint32_t group); /* block number */
uint32_t ext2_group_blocks(const struct ext2_fs *fs, uint32_t group); /* in this group */

/* May a file own this block? Not if out of range, nor if the file system itself lives there. */
bool ext2_block_ok(const struct ext2_fs *fs, uint32_t block);

extern const struct fs_ops ext2_ops;

/* ---- check.c ---- */

/*
 * Read everything and find out whether writing would do harm: 0 if not, though blocks and inodes
 * may be lost or counters wrong (*lost is then set); -EUCLEAN if so, with the finding in `what`;
 * -ENOMEM, -EIO. Changes nothing.
 */
int ext2_check(struct ext2_fs *fs, bool *lost, char what[FS_REASON_MAX]);

/* ---- balloc.c ---- */

/* Write the counters of a group and the changes of the totals through. */
int ext2_group_store(struct ext2_fs *fs, uint32_t group);
int ext2_count_free(struct ext2_fs *fs, int64_t blocks, int64_t inodes);

/* Allocate 1 to `want` consecutive blocks, at `goal` or near it. -ENOSPC. */
int ext2_alloc_blocks(struct ext2_fs *fs, uint32_t goal, uint32_t want, uint32_t *block,
                      uint32_t *got);
int ext2_free_blocks(struct ext2_fs *fs, uint32_t block, uint32_t count);

/* ---- inode.c ---- */

int ext2_inode_load(struct vnode *vn);
void ext2_inode_release(struct vnode *vn);
int ext2_inode_store(struct ext2_inode *ip);

/* How many links the inode on the disk says that it has. */
int ext2_inode_links(struct ext2_fs *fs, uint32_t ino, uint32_t *links);

/* Announce a change of the inode's core, mode or `removed`, BEFORE it is made. */
int ext2_inode_change(struct ext2_inode *ip);

/* A new inode near `dir`, with one vnode reference and all fields but mode and times zero. */
int ext2_inode_new(struct ext2_inode *dir, uint32_t mode, struct ext2_inode **out);

/* Free a removed inode with its blocks, in as many transactions as it takes. */
int ext2_inode_reap(struct vnode *vn);

/* Is the symbolic link's target in the inode itself? */
bool ext2_symlink_is_fast(const struct ext2_inode *ip);

/* ---- map.c ---- */

/* The disk block of file block `fblock`, 0 for a hole, and how many follow it likewise (<= max). */
int ext2_map(struct ext2_inode *ip, uint64_t fblock, uint32_t max, uint32_t *block,
             uint32_t *count);

/* The same, but allocates where there is a hole (*is_new). The inode was announced. */
int ext2_map_alloc(struct ext2_inode *ip, uint64_t fblock, uint32_t max, uint32_t *block,
                   uint32_t *count, bool *is_new);

/*
 * Free the file's blocks from number `keep` on, from the end, until done (returns 0) or the
 * transaction is full (returns 1). *lowest: all from there on are freed.
 */
int ext2_map_cut(struct ext2_inode *ip, uint64_t keep, uint64_t *lowest);

/* ---- file.c ---- */

int64_t ext2_read(struct vnode *vn, uint64_t offset, void *buf, size_t len);
int64_t ext2_write(struct vnode *vn, uint64_t offset, const void *buf, size_t len);
int ext2_truncate(struct vnode *vn, uint64_t size);
int64_t ext2_readlink(struct vnode *vn, char *buf, size_t size);
int ext2_symlink_write(struct ext2_inode *ip, const char *target, size_t len);

/* ---- dir.c: inside a transaction where they change something ---- */

struct dir_slot { /* where an entry is */
    struct buf *buf; /* pinned; give it back with buf_put */
    uint64_t block; /* of the directory */
    uint32_t offset, prev; /* in the block; prev == offset: it is the first */
    uint32_t ino;
};

/* -ENOENT if the name is not there. */
int ext2_dir_find(struct ext2_inode *dir, const char *name, size_t len, struct dir_slot *slot);
int ext2_dir_insert(struct ext2_inode *dir, const char *name, size_t len, uint32_t ino,
                    uint32_t mode);
int ext2_dir_remove(struct ext2_inode *dir, struct dir_slot *slot);
int ext2_dir_replace(struct ext2_inode *dir, struct dir_slot *slot, uint32_t ino, uint32_t mode);
int ext2_dir_make(struct ext2_inode *dir, uint32_t parent); /* "." and ".." of a new one */
int ext2_dir_is_empty(struct ext2_inode *dir, bool *empty);
int ext2_readdir(struct vnode *dir, uint64_t *pos, fs_dirent_fn emit, void *arg);

/* The block of a directory, pinned; a hole is damage. */
int ext2_dir_block(struct ext2_inode *dir, uint64_t n, struct buf **out);

/* The entry at `offset`, or NULL if it is malformed (then ext2_damaged() was called). */
struct ext2_dirent *ext2_dirent_at(struct ext2_inode *dir, struct buf *b, uint32_t offset);
uint32_t ext2_dirent_len(const struct ext2_fs *fs, const struct ext2_dirent *de); /* of the name */

/* ---- dirindex.c: names of a large directory by hash, in memory only ---- */

/* The index, made if there is none; NULL when the directory is small, or memory is. */
struct dir_index *dirindex_get(struct ext2_inode *dir, int *err);
void dirindex_drop(struct ext2_inode *dir);

uint32_t dirindex_hash(const char *name, size_t len);

/* Positions (byte offsets in the directory) of names with this hash, one after the other:
 * start with *cursor = 0; false at the end. */
bool dirindex_next(struct dir_index *ix, uint32_t hash, uint32_t *cursor, uint32_t *pos);
void dirindex_use(struct dir_index *ix); /* keep it while suspended … */
void dirindex_unuse(struct dir_index *ix);

/* Keep up with a change; `dir` may have no index. */
void dirindex_added(struct ext2_inode *dir, const char *name, size_t len, uint32_t pos);
void dirindex_removed(struct ext2_inode *dir, const char *name, size_t len, uint32_t pos);
void dirindex_room(struct ext2_inode *dir, uint64_t block, uint32_t room);

/* The first block that has room for an entry of `need` bytes; the number of blocks if none has. */
uint64_t dirindex_find_room(struct dir_index *ix, uint32_t need);

/* ---- namei.c ---- */

int ext2_lookup(struct vnode *dir, const char *name, size_t len, uint64_t *ino);
int ext2_create(struct vnode *dir, const char *name, size_t len, uint32_t mode, const char *target,
                size_t target_len, struct vnode **out);
int ext2_link(struct vnode *dir, const char *name, size_t len, struct vnode *vn);
int ext2_unlink(struct vnode *dir, const char *name, size_t len, bool directory);
int ext2_rename(struct vnode *odir, const char *oname, size_t olen, struct vnode *ndir,
                const char *nname, size_t nlen, unsigned flags);

#endif
