/*
 * From file block to disk block: 12 direct pointers in the inode, then a single, a double and a
 * triple indirect tree of pointer blocks.
 */
#include "ext2fs.h"

#include <string.h>

enum { MAX_DEPTH = 4 };

/*
 * Where the pointer to a file block is: index[0] in the inode, then one index per pointer block.
 * Returns the number of indices, 1 to MAX_DEPTH; 0 if the number is too large.
 */
static int find_path(const struct ext2_fs *fs, uint64_t fblock, uint32_t index[MAX_DEPTH])
{
    uint32_t mask = fs->ptrs - 1, bits = fs->ptr_bits;
    if (fblock < EXT2_NDIR) {
        index[0] = (uint32_t)fblock;
        return 1;
    }
    fblock -= EXT2_NDIR;
    for (int levels = 1; levels < MAX_DEPTH; levels++) {
        uint64_t span = (uint64_t)1 << (bits * (unsigned)levels);
        if (fblock < span) {
            index[0] = EXT2_NDIR - 1 + (uint32_t)levels;
            for (int i = 1; i <= levels; i++)
                index[i] = (uint32_t)(fblock >> (bits * (unsigned)(levels - i))) & mask;
            return levels + 1;
        }
        fblock -= span;
    }
    return 0;
}

static int bad_pointer(struct ext2_inode *ip, uint32_t block)
{
    return ext2_damaged(inode_fs(ip), "inode %llu: block pointer %u",
                        (unsigned long long)ip->vn.ino, block);
}

/* A pointer block, pinned. */
static int read_ptrs(struct ext2_inode *ip, uint32_t block, struct buf **out)
{
    if (!ext2_block_ok(inode_fs(ip), block))
        return bad_pointer(ip, block);
    return cache_read(&inode_fs(ip)->cache, block, out);
}

static uint32_t ptr_at(const struct buf *b, uint32_t i)
{
    return get32(((const le32 *)b->data)[i]);
}

/* How many of `max` pointers continue the first one: all holes, or consecutive blocks. */
static uint32_t run_length(const uint32_t *inode_ptrs, const struct buf *b, uint32_t i,
                           uint32_t max)
{
    uint32_t first = b ? ptr_at(b, i) : inode_ptrs[i], n = 1;
    while (n < max && (b ? ptr_at(b, i + n) : inode_ptrs[i + n]) == (first ? first + n : 0))
        n++;
    return n;
}

static int check_run(struct ext2_inode *ip, uint32_t block, uint32_t count)
{
    for (uint32_t i = 0; block && i < count; i++) {
        if (!ext2_block_ok(inode_fs(ip), block + i))
            return bad_pointer(ip, block + i);
    }
    return 0;
}

static uint32_t min32(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

int ext2_map(struct ext2_inode *ip, uint64_t fblock, uint32_t max, uint32_t *block, uint32_t *count)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint32_t index[MAX_DEPTH];
    int depth = find_path(fs, fblock, index);
    if (depth == 0)
        return -EFBIG;
    struct buf *b = NULL;
    uint32_t ptr = ip->core.ptr[index[0]];
    for (int i = 1; i < depth; i++) {
        if (ptr == 0) {         /* the whole subtree is a hole */
            uint64_t span = (uint64_t)1 << (fs->ptr_bits * (unsigned)(depth - i));
            uint64_t within = fblock - EXT2_NDIR;
            for (int level = 1; level < depth - 1; level++)
                within -= (uint64_t)1 << (fs->ptr_bits * (unsigned)level);
            buf_put(&fs->cache, b);
            *block = 0;
            *count = min32(max, span - within % span);
            return 0;
        }
        struct buf *next;
        int err = read_ptrs(ip, ptr, &next);
        buf_put(&fs->cache, b);
        if (err)
            return err;
        b = next;
        ptr = ptr_at(b, index[i]);
    }
    uint32_t last = index[depth - 1];
    *block = ptr;
    *count =
        run_length(ip->core.ptr, b, last, min32(max, (depth == 1 ? EXT2_NDIR : fs->ptrs) - last));
    buf_put(&fs->cache, b);
    return check_run(ip, ptr, *count);
}

/* ---- Allocation ---------------------------------------------------------------------------- */

static uint32_t choose_goal(struct ext2_inode *ip, uint32_t before)
{
    struct ext2_fs *fs = inode_fs(ip);
    if (before)
        return before + 1;
    if (ip->goal)
        return ip->goal;
    return ext2_group_first(fs, (uint32_t)((ip->vn.ino - 1) / fs->inodes_per_group));
}

static int take_blocks(struct ext2_inode *ip, uint32_t before, uint32_t want, uint32_t *block,
                       uint32_t *got)
{
    struct ext2_fs *fs = inode_fs(ip);
    int err = ext2_alloc_blocks(fs, choose_goal(ip, before), want, block, got);
    if (err)
        return err;
    ip->goal = *block + *got;
    ip->core.sectors += (uint64_t)*got * (fs->block_size / 512);
    return 0;
}

/* A new pointer block, all holes; pinned. */
static int new_ptrs(struct ext2_inode *ip, uint32_t *block, struct buf **out)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint32_t got;
    int err = take_blocks(ip, 0, 1, block, &got);
    if (err)
        return err;
    struct buf *b;
    err = cache_claim(&fs->cache, *block, &b);
    if (err)
        return err;
    err = txn_dirty_new(&fs->txn, b, BUF_META);
    if (err) {
        buf_put(&fs->cache, b);
        return err;
    }
    memset(b->data, 0, fs->block_size);
    *out = b;
    return 0;
}

/* Set `count` pointers, from index i of a pointer block (or of the inode: b == NULL) on. */
static int set_ptrs(struct ext2_inode *ip, struct buf *b, uint32_t i, uint32_t block,
                    uint32_t count)
{
    if (!b) {
        for (uint32_t n = 0; n < count; n++)
            ip->core.ptr[i + n] = block + n;
        return 0;
    }
    int err = txn_dirty(&inode_fs(ip)->txn, b, i * sizeof(le32), count * sizeof(le32), BUF_META);
    if (err)
        return err;
    for (uint32_t n = 0; n < count; n++)
        ((le32 *)b->data)[i + n] = put32(block + n);
    return 0;
}

/* One step down: the pointer block that index `i` of `b` (NULL: the inode) leads to, made if absent. */
static int descend(struct ext2_inode *ip, struct buf *b, uint32_t i, struct buf **out)
{
    uint32_t ptr = b ? ptr_at(b, i) : ip->core.ptr[i];
    if (ptr)
        return read_ptrs(ip, ptr, out);
    int err = new_ptrs(ip, &ptr, out);
    if (err)
        return err;
    err = set_ptrs(ip, b, i, ptr, 1);
    if (err)
        buf_put(&inode_fs(ip)->cache, *out);
    return err;
}

/* At the pointers themselves (in `b`, or in the inode): what is there, or new blocks. */
static int map_leaf(struct ext2_inode *ip, struct buf *b, uint32_t i, uint32_t max, uint32_t *block,
                    uint32_t *count, bool *is_new)
{
    const uint32_t *own = ip->core.ptr;
    *block = b ? ptr_at(b, i) : own[i];
    *count = run_length(own, b, i, max);
    *is_new = *block == 0;
    if (!*is_new)
        return check_run(ip, *block, *count);
    uint32_t before = i == 0 ? 0 : b ? ptr_at(b, i - 1) : own[i - 1];
    int err = take_blocks(ip, before, *count, block, count);
    return err ? err : set_ptrs(ip, b, i, *block, *count);
}

int ext2_map_alloc(struct ext2_inode *ip, uint64_t fblock, uint32_t max, uint32_t *block,
                   uint32_t *count, bool *is_new)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint32_t index[MAX_DEPTH];
    int depth = find_path(fs, fblock, index);
    if (depth == 0)
        return -EFBIG;
    struct buf *b = NULL;
    for (int i = 0; i < depth - 1; i++) {
        struct buf *next;
        int err = descend(ip, b, index[i], &next);
        buf_put(&fs->cache, b);
        if (err)
            return err;
        b = next;
    }
    uint32_t last = index[depth - 1];
    max = min32(max, (depth == 1 ? EXT2_NDIR : fs->ptrs) - last);
    int err = map_leaf(ip, b, last, max, block, count, is_new);
    buf_put(&fs->cache, b);
    return err;
}

/* ---- Cutting off --------------------------------------------------------------------------- */

struct cut {
    struct ext2_inode *ip;
    uint64_t keep; /* file blocks below this one stay */
    uint64_t lowest; /* the lowest file block freed so far */
};

static int free_run(struct cut *cut, uint32_t block, uint32_t count)
{
    struct ext2_inode *ip = cut->ip;
    struct ext2_fs *fs = inode_fs(ip);
    uint64_t sectors = (uint64_t)count * (fs->block_size / 512);
    if (ip->core.sectors < sectors)
        return ext2_damaged(fs, "inode %llu: block count", (unsigned long long)ip->vn.ino);
    int err = ext2_free_blocks(fs, block, count);
    if (!err)
        ip->core.sectors -= sectors;
    return err;
}

/*
 * Free the data blocks that the pointers [from, *end) lead to, from the back; `b` is NULL for the
 * inode's own, `base` the file block of pointer 0. Returns 1 when the transaction is full.
 */
static int cut_pointers(struct cut *cut, struct buf *b, uint32_t from, uint32_t end, uint64_t base)
{
    struct ext2_inode *ip = cut->ip;
    while (end > from) {
        uint32_t last = b ? ptr_at(b, end - 1) : ip->core.ptr[end - 1];
        if (last == 0) {
            end--;
            continue;
        }
        if (txn_full(&inode_fs(ip)->txn))
            return 1;
        uint32_t i = end - 1, first = last;
        while (i > from && first > 1 && (b ? ptr_at(b, i - 1) : ip->core.ptr[i - 1]) == first - 1)
            i--, first--;
        int err = free_run(cut, first, end - i);
        if (err)
            return err;
        if (!b)
            memset(&ip->core.ptr[i], 0, (end - i) * sizeof ip->core.ptr[0]);
        else
            err = txn_dirty(&inode_fs(ip)->txn, b, i * sizeof(le32), (end - i) * sizeof(le32),
                            BUF_META);
        if (err)
            return err;
        if (b)
            memset(b->data + i * sizeof(le32), 0, (end - i) * sizeof(le32));
        cut->lowest = base + i;
        end = i;
    }
    return 0;
}

/*
 * Free what lies behind cut->keep in the tree of pointer block `block`, which has `level` levels
 * and begins at file block `base`. The block itself is left to the caller.
 */
static int cut_tree(struct cut *cut, uint32_t block, unsigned level, uint64_t base)
{
    struct ext2_inode *ip = cut->ip;
    struct ext2_fs *fs = inode_fs(ip);
    uint64_t span = (uint64_t)1 << (fs->ptr_bits * (level - 1));
    uint64_t kept = cut->keep > base ? cut->keep - base : 0;
    uint32_t from = (uint32_t)(kept / span);
    struct buf *b;
    int err = read_ptrs(ip, block, &b);
    if (err)
        return err;
    if (level == 1) {
        err = cut_pointers(cut, b, from, fs->ptrs, base);
        buf_put(&fs->cache, b);
        return err;
    }
    for (uint32_t i = fs->ptrs; i-- > from && !err;) {
        uint32_t ptr = ptr_at(b, i);
        if (ptr == 0)
            continue;
        err = cut_tree(cut, ptr, level - 1, base + i * span);
        if (err || base + i * span < cut->keep)
            continue;
        err = free_run(cut, ptr, 1);
        if (!err)
            err = set_ptrs(ip, b, i, 0, 1);
    }
    buf_put(&fs->cache, b);
    return err;
}

int ext2_map_cut(struct ext2_inode *ip, uint64_t keep, uint64_t *lowest)
{
    struct ext2_fs *fs = inode_fs(ip);
    struct cut cut = { ip, keep, UINT64_MAX };
    int err = 0;
    for (unsigned level = 3; level >= 1 && !err; level--) {
        uint64_t base = EXT2_NDIR, span = (uint64_t)1 << (fs->ptr_bits * level);
        for (unsigned l = 1; l < level; l++)
            base += (uint64_t)1 << (fs->ptr_bits * l);
        uint32_t *ptr = &ip->core.ptr[EXT2_NDIR - 1 + level];
        if (*ptr == 0 || keep >= base + span)
            continue;
        err = cut_tree(&cut, *ptr, level, base);
        if (err || base < keep)
            continue;
        err = free_run(&cut, *ptr, 1);
        if (!err)
            *ptr = 0;
    }
    if (!err && keep < EXT2_NDIR)
        err = cut_pointers(&cut, NULL, (uint32_t)keep, EXT2_NDIR, 0);
    *lowest = cut.lowest;
    return err;
}
