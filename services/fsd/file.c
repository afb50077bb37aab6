/* Contents of files and symbolic links. */
#include "ext2fs.h"

#include <string.h>

enum {
    READ_AHEAD = 256 * 1024,    /* bytes beyond the request, at most, for a sequential reader */
    WRITE_CHUNK = 256 * 1024,   /* bytes in one transaction */
};

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* A reader that goes on where the last one stopped gets twice as much ahead each time. */
static uint32_t choose_read_ahead(struct ext2_inode *ip, uint64_t fblock)
{
    const struct ext2_fs *fs = inode_fs(ip);
    uint32_t most = READ_AHEAD >> fs->block_bits;
    if (fblock != ip->read_next && fblock + 1 != ip->read_next)
        ip->read_ahead = 0;
    else if (ip->read_ahead < most)
        ip->read_ahead = ip->read_ahead ? ip->read_ahead * 2 : most / 8;
    return ip->read_ahead;
}

/* Copy `n` bytes from consecutive blocks; `count` of them (more than n needs) may be fetched. */
static int copy_out(struct ext2_fs *fs, uint32_t block, uint32_t count, uint32_t within,
                    uint8_t *out, size_t n)
{
    for (uint32_t i = 0; n > 0; i++) {
        struct buf *b;
        if (!cache_has(&fs->cache, block + i))
            cache_prefetch(&fs->cache, block + i, count - i);
        int err = cache_read(&fs->cache, block + i, &b);
        if (err)
            return err;
        size_t part = min64(n, fs->block_size - within);
        memcpy(out, b->data + within, part);
        buf_put(&fs->cache, b);
        out += part;
        n -= part;
        within = 0;
    }
    return 0;
}

/* Read from one run of blocks or holes; *n is how much is wanted, then how much it was. */
static int read_run(struct ext2_inode *ip, uint64_t offset, uint8_t *out, size_t *n, uint32_t ahead)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint32_t within = (uint32_t)offset & (fs->block_size - 1), block, count;
    uint64_t fblock = offset >> fs->block_bits;
    uint64_t want = (within + *n + fs->block_size - 1) >> fs->block_bits;
    uint64_t end = (ip->core.size + fs->block_size - 1) >> fs->block_bits;
    uint32_t max = (uint32_t)min64(min64(want + ahead, end - fblock), 1u << 20);
    int err = ext2_map(ip, fblock, max, &block, &count);
    if (err)
        return err;
    *n = min64(*n, ((uint64_t)count << fs->block_bits) - within);
    if (block == 0) {
        memset(out, 0, *n);
        return 0;
    }
    return copy_out(fs, block, count, within, out, *n);
}

int64_t ext2_read(struct vnode *vn, uint64_t offset, void *buf, size_t len)
{
    struct ext2_inode *ip = inode_of(vn);
    uint32_t bits = inode_fs(ip)->block_bits;
    if (offset >= ip->core.size)
        return 0;
    len = min64(len, ip->core.size - offset);
    uint32_t ahead = choose_read_ahead(ip, offset >> bits);
    size_t done = 0;
    while (done < len) {
        size_t n = len - done;
        int err = read_run(ip, offset + done, (uint8_t *)buf + done, &n, ahead);
        if (err)
            return done ? (int64_t)done : err;
        done += n;
    }
    ip->read_next = (offset + len + (1u << bits) - 1) >> bits;
    return (int64_t)done;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* Overwrite a part of one block with `src`, or with zeros where it is NULL. */
static int write_block(struct ext2_inode *ip, uint32_t block, bool is_new, uint32_t within,
                       const uint8_t *src, uint32_t n)
{
    struct ext2_fs *fs = inode_fs(ip);
    bool whole = n == fs->block_size;
    struct buf *b;
    int err =
        whole || is_new ? cache_claim(&fs->cache, block, &b) : cache_read(&fs->cache, block, &b);
    if (err)
        return err;
    err = is_new ? txn_dirty_new(&fs->txn, b, BUF_DATA) : txn_dirty_data(&fs->txn, b);
    if (!err) {
        if (is_new && !whole)
            memset(b->data, 0, fs->block_size);
        if (src)
            memcpy(b->data + within, src, n);
        else
            memset(b->data + within, 0, n);
    }
    buf_put(&fs->cache, b);
    return err;
}

/*
 * Clear what lies behind the end in the last block: it becomes part of the file when that grows,
 * and Linux too expects zeros there.
 */
static int clear_tail(struct ext2_inode *ip, uint64_t size)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint32_t within = (uint32_t)size & (fs->block_size - 1), block, count;
    if (within == 0)
        return 0;
    int err = ext2_map(ip, size >> fs->block_bits, 1, &block, &count);
    if (err || block == 0)
        return err;
    return write_block(ip, block, false, within, NULL, fs->block_size - within);
}

/* Files of 2 GiB and more need a feature flag, so that old systems don't misread their size. */
static int note_large_file(struct ext2_fs *fs, uint64_t size)
{
    if (size <= INT32_MAX || (fs->ro_compat & EXT2_RO_COMPAT_LARGE_FILE))
        return 0;
    if (fs->rev == 0)
        return -EFBIG;
    le32 *field = &fs->super->s_feature_ro_compat;
    size_t offset = (size_t)((uint8_t *)field - fs->super_buf->data);
    int err = txn_save(&fs->txn, &fs->ro_compat, sizeof fs->ro_compat);
    if (!err)
        err = txn_dirty(&fs->txn, fs->super_buf, offset, sizeof *field, BUF_META);
    if (err)
        return err;
    fs->ro_compat |= EXT2_RO_COMPAT_LARGE_FILE;
    *field = put32(get32(*field) | EXT2_RO_COMPAT_LARGE_FILE);
    return 0;
}

/* Put `len` bytes into the file's blocks; *done is how much got there before an error. */
static int write_blocks(struct ext2_inode *ip, uint64_t offset, const uint8_t *src, size_t len,
                        size_t *done)
{
    struct ext2_fs *fs = inode_fs(ip);
    while (*done < len) {
        uint64_t pos = offset + *done;
        uint32_t within = (uint32_t)pos & (fs->block_size - 1), block, count;
        uint64_t want = (within + (len - *done) + fs->block_size - 1) >> fs->block_bits;
        bool is_new;
        int err =
            ext2_map_alloc(ip, pos >> fs->block_bits, (uint32_t)want, &block, &count, &is_new);
        for (uint32_t i = 0; i < count && !err && *done < len; i++) {
            uint32_t n = (uint32_t)min64(len - *done, fs->block_size - within);
            err = write_block(ip, block + i, is_new, within, src + *done, n);
            if (!err)
                *done += n;
            within = 0;
        }
        if (err)
            return err;
    }
    return 0;
}

/* One transaction of a write. After an error nothing is written, but *done says how much would
 * have been possible. */
static int write_chunk(struct ext2_inode *ip, uint64_t offset, const uint8_t *src, size_t len,
                       size_t *done)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint64_t end = offset + len;
    *done = 0;
    int err = ext2_begin(fs);
    if (err)
        return err;
    err = ext2_inode_change(ip);
    if (!err && offset > ip->core.size)
        err = clear_tail(ip, ip->core.size);
    if (!err)
        err = note_large_file(fs, end);
    if (!err)
        err = write_blocks(ip, offset, src, len, done);
    if (!err) {
        if (end > ip->core.size)
            ip->core.size = end;
        ip->core.mtime = ip->core.ctime = fs_now(&fs->fs);
    }
    return ext2_end(fs, err);
}

static size_t chunk_size(const struct ext2_fs *fs)
{
    size_t bytes = (size_t)(fs->cache.nbufs / 8) << fs->block_bits;
    return bytes < WRITE_CHUNK ? bytes : WRITE_CHUNK;
}

int64_t ext2_write(struct vnode *vn, uint64_t offset, const void *buf, size_t len)
{
    struct ext2_inode *ip = inode_of(vn);
    struct ext2_fs *fs = ext2_of(vn);
    if (offset >= fs->max_size)
        return -EFBIG;
    len = min64(len, fs->max_size - offset);
    const uint8_t *src = buf;
    size_t total = 0;
    while (total < len) {
        size_t chunk = chunk_size(fs) - ((offset + total) & (fs->block_size - 1));
        size_t n = min64(len - total, chunk), done;
        int err = write_chunk(ip, offset + total, src + total, n, &done);
        if (err && done > 0) {  /* as much as is possible, and no more */
            n = done;
            err = write_chunk(ip, offset + total, src + total, n, &done);
            if (!err)
                return (int64_t)(total + n);
        }
        if (err)
            return total ? (int64_t)total : err;
        total += n;
    }
    return (int64_t)total;
}

/* ---- Truncating ---------------------------------------------------------------------------- */

static int grow(struct ext2_inode *ip, uint64_t size)
{
    struct ext2_fs *fs = inode_fs(ip);
    int err = ext2_begin(fs);
    if (err)
        return err;
    err = ext2_inode_change(ip);
    if (!err)
        err = clear_tail(ip, ip->core.size);
    if (!err)
        err = note_large_file(fs, size);
    if (!err) {
        ip->core.size = size;
        ip->core.mtime = ip->core.ctime = fs_now(&fs->fs);
    }
    return ext2_end(fs, err);
}

/*
 * Cut off. A long file takes several transactions; each leaves it consistent, cut as far as its
 * blocks are freed. (So an error of the disk can leave it longer than asked for, but whole.)
 */
static int shrink(struct ext2_inode *ip, uint64_t size)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint64_t keep = (size + fs->block_size - 1) >> fs->block_bits, lowest;
    int more;
    do {
        int err = ext2_begin(fs);
        if (err)
            return err;
        err = ext2_inode_change(ip);
        if (!err)
            err = ext2_map_cut(ip, keep, &lowest);
        more = err == 1;
        if (more) {
            err = 0;
            if (lowest != UINT64_MAX)
                ip->core.size = min64(ip->core.size, lowest << fs->block_bits);
        } else if (!err) {
            ip->core.size = size;
            err = clear_tail(ip, size);
        }
        ip->core.mtime = ip->core.ctime = fs_now(&fs->fs);
        err = ext2_end(fs, err);
        if (err)
            return err;
    } while (more);
    return 0;
}

int ext2_truncate(struct vnode *vn, uint64_t size)
{
    struct ext2_inode *ip = inode_of(vn);
    if (size > ext2_of(vn)->max_size)
        return -EFBIG;
    ip->goal = 0;
    return size > ip->core.size ? grow(ip, size) : shrink(ip, size);
}

/* ---- Symbolic links ------------------------------------------------------------------------ */

int64_t ext2_readlink(struct vnode *vn, char *buf, size_t size)
{
    struct ext2_inode *ip = inode_of(vn);
    struct ext2_fs *fs = ext2_of(vn);
    size_t len = ip->core.size, n = min64(len, size);
    if (ext2_symlink_is_fast(ip)) {
        memcpy(buf, ip->core.ptr, n);
        return (int64_t)len;
    }
    uint32_t block, count;
    int err = ext2_map(ip, 0, 1, &block, &count);
    if (!err && block == 0)
        err = ext2_damaged(fs, "symbolic link %llu has no block", (unsigned long long)vn->ino);
    if (!err)
        err = copy_out(fs, block, 1, 0, (uint8_t *)buf, n);
    return err ? err : (int64_t)len;
}

int ext2_symlink_write(struct ext2_inode *ip, const char *target, size_t len)
{
    struct ext2_fs *fs = inode_fs(ip);
    if (len >= fs->block_size)
        return -ENAMETOOLONG;
    ip->core.size = len;
    if (len < EXT2_FAST_SYMLINK) {
        memcpy(ip->core.ptr, target, len);
        return 0;
    }
    size_t done = 0;
    return write_blocks(ip, 0, (const uint8_t *)target, len, &done);
}
