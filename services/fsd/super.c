/*
 * Mounting ext2: is it ours, can we handle its features, does its geometry make sense; and the
 * state that says whether it was unmounted cleanly.
 */
#include "ext2fs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_CACHE = 8 * 1024 * 1024,
    MIN_INDEX_BYTES = 1024 * 1024,
    MAX_MESSAGES = 20, /* about damage, per mount: a wrecked disk shall not flood a console */
};

/* ---- Features ------------------------------------------------------------------------------ */

struct feature {
    uint32_t bit;
    const char *name;
};

static const struct feature incompat_names[] = { { 0x1, "compression" },
                                                 { 0x2, "filetype" },
                                                 { 0x4, "needs_recovery" },
                                                 { 0x8, "journal_dev" },
                                                 { 0x10, "meta_bg" },
                                                 { 0x40, "extents" },
                                                 { 0x80, "64bit" },
                                                 { 0x100, "mmp" },
                                                 { 0x200, "flex_bg" },
                                                 { 0x400, "ea_inode" },
                                                 { 0x1000, "dirdata" },
                                                 { 0x2000, "metadata_csum_seed" },
                                                 { 0x4000, "large_dir" },
                                                 { 0x8000, "inline_data" },
                                                 { 0x10000, "encrypt" },
                                                 { 0x20000, "casefold" },
                                                 { 0, NULL } };

static const struct feature ro_compat_names[] = {
    { 0x1, "sparse_super" }, { 0x2, "large_file" },         { 0x4, "btree_dir" },
    { 0x8, "huge_file" },    { 0x10, "uninit_bg" },         { 0x20, "dir_nlink" },
    { 0x40, "extra_isize" }, { 0x80, "has_snapshot" },      { 0x100, "quota" },
    { 0x200, "bigalloc" },   { 0x400, "metadata_csum" },    { 0x800, "replica" },
    { 0x1000, "read-only" }, { 0x2000, "project" },         { 0x4000, "shared_blocks" },
    { 0x8000, "verity" },    { 0x10000, "orphan_present" }, { 0, NULL }
};

static const uint32_t incompat_known = EXT2_INCOMPAT_FILETYPE;
static const uint32_t ro_compat_known = EXT2_RO_COMPAT_SPARSE_SUPER | EXT2_RO_COMPAT_LARGE_FILE;

/* Write the names of the features in `bits` to text, "extents, 64bit, 0x40000000". */
static void name_features(char *text, size_t size, uint32_t bits, const struct feature *names)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t bit = 1; bit; bit <<= 1) {
        if (!(bits & bit) || used + 1 >= size)
            continue;
        const struct feature *f = names;
        while (f->name && f->bit != bit)
            f++;
        const char *comma = used ? ", " : "";
        int n = f->name ? snprintf(text + used, size - used, "%s%s", comma, f->name)
                        : snprintf(text + used, size - used, "%s%#x", comma, (unsigned)bit);
        if (n > 0)
            used += (size_t)n;
    }
}

static int refuse(char *reason, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(char *reason, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, FS_REASON_MAX, format, args);
    va_end(args);
    return err;
}

/* Refuse what we can't read; read-only where only writing would need more than we know. */
static int check_features(struct ext2_fs *fs, char *reason)
{
    char names[FS_REASON_MAX - 48];
    uint32_t unknown = fs->incompat & ~incompat_known;
    if (unknown & 0x4) {
        return refuse(reason, -EINVAL,
                      "feature needs_recovery is not supported: "
                      "its journal must be replayed first");
    }
    if (unknown) {
        name_features(names, sizeof names, unknown, incompat_names);
        return refuse(reason, -EINVAL, "feature %s is not supported", names);
    }
    unknown = fs->ro_compat & ~ro_compat_known;
    if (unknown) {
        name_features(names, sizeof names, unknown, ro_compat_names);
        refuse(reason, 0, "read-only: feature %s is not supported for writing", names);
        fs->fs.read_only = true;
    }
    return 0;
}

/* ---- Geometry ------------------------------------------------------------------------------ */

uint32_t ext2_group_first(const struct ext2_fs *fs, uint32_t group)
{
    return fs->first_data_block + group * fs->blocks_per_group;
}

uint32_t ext2_group_blocks(const struct ext2_fs *fs, uint32_t group)
{
    uint32_t rest = fs->blocks_count - ext2_group_first(fs, group);
    return rest < fs->blocks_per_group ? rest : fs->blocks_per_group;
}

static bool is_power_of(uint32_t n, uint32_t base)
{
    while (n > 1 && n % base == 0)
        n /= base;
    return n == 1;
}

bool ext2_group_has_super(const struct ext2_fs *fs, uint32_t group)
{
    if (group == 0)
        return true;
    if (fs->compat & EXT2_COMPAT_SPARSE_SUPER2)
        return group == fs->backup_bgs[0] || group == fs->backup_bgs[1];
    if (group == 1 || !(fs->ro_compat & EXT2_RO_COMPAT_SPARSE_SUPER))
        return true;
    return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

/* Blocks at the start of a group that hold the copies of superblock and descriptors. */
static uint32_t super_blocks(const struct ext2_fs *fs, uint32_t group)
{
    return ext2_group_has_super(fs, group) ? 1 + fs->gdt_blocks + fs->reserved_gdt : 0;
}

bool ext2_block_ok(const struct ext2_fs *fs, uint32_t block)
{
    if (block <= fs->first_data_block || block >= fs->blocks_count)
        return false;
    uint32_t group = (block - fs->first_data_block) / fs->blocks_per_group;
    const struct ext2_group *g = &fs->group[group];
    if (block == g->block_bitmap || block == g->inode_bitmap ||
        block - g->inode_table < fs->itable_blocks)
        return false;
    return block - ext2_group_first(fs, group) >= super_blocks(fs, group);
}

static uint32_t log2_of(uint32_t n)
{
    return 31 - (uint32_t)__builtin_clz(n);
}

/* The largest file: what the pointers reach, and what i_blocks (32 bits of sectors) can count. */
static uint64_t max_file_size(const struct ext2_fs *fs)
{
    uint64_t p = fs->ptrs, blocks = EXT2_NDIR + p + p * p + p * p * p;
    uint64_t limit = ((uint64_t)UINT32_MAX * 512 >> fs->block_bits) - 3 - p - p * p / 512;
    if (blocks > limit)
        blocks = limit;
    return blocks << fs->block_bits;
}

static int bad_geometry(char *reason, const char *what)
{
    return refuse(reason, -EUCLEAN, "damaged superblock: %s", what);
}

static int check_layout(struct ext2_fs *fs, const struct ext2_super *s, char *reason)
{
    uint32_t bits = 8 * fs->block_size;
    if (fs->first_data_block != (fs->block_size == 1024))
        return bad_geometry(reason, "first data block");
    if (fs->blocks_per_group == 0 || fs->blocks_per_group > bits || fs->blocks_per_group % 8)
        return bad_geometry(reason, "blocks per group");
    if (get32(s->s_log_frag_size) != get32(s->s_log_block_size) ||
        get32(s->s_frags_per_group) != fs->blocks_per_group)
        return bad_geometry(reason, "fragments");
    if (fs->inode_size < EXT2_GOOD_OLD_INODE_SIZE || fs->inode_size > fs->block_size ||
        (fs->inode_size & (fs->inode_size - 1)))
        return bad_geometry(reason, "inode size");
    if (fs->inodes_per_group == 0 || fs->inodes_per_group > bits || fs->inodes_per_group % 8)
        return bad_geometry(reason, "inodes per group");
    if (fs->blocks_count <= fs->first_data_block + 1)
        return bad_geometry(reason, "block count");
    fs->groups = (fs->blocks_count - fs->first_data_block - 1) / fs->blocks_per_group + 1;
    if ((uint64_t)fs->groups * fs->inodes_per_group != fs->inodes_count)
        return bad_geometry(reason, "inode count");
    if (fs->first_ino < EXT2_GOOD_OLD_FIRST_INO || fs->first_ino > fs->inodes_count)
        return bad_geometry(reason, "first inode");
    uint32_t per_block = fs->block_size / sizeof(struct ext2_group_desc);
    fs->gdt_blocks = (fs->groups - 1) / per_block + 1;
    if (fs->reserved_gdt > fs->block_size / 4)
        return bad_geometry(reason, "reserved descriptor blocks");
    fs->itable_blocks = (fs->inodes_per_group * fs->inode_size - 1) / fs->block_size + 1;
    fs->ptrs = fs->block_size / sizeof(le32);
    fs->ptr_bits = log2_of(fs->ptrs);
    fs->max_size = max_file_size(fs);
    if (get32(s->s_free_blocks_count) > fs->blocks_count ||
        get32(s->s_free_inodes_count) > fs->inodes_count)
        return bad_geometry(reason, "free counts");
    return 0;
}

static int check_size(struct ext2_fs *fs, char *reason)
{
    uint64_t need = (uint64_t)fs->blocks_count * (fs->block_size / 512);
    if (need > fs->disk->sectors) {
        return refuse(reason, -EINVAL, "truncated: the file system has %llu KiB, the disk %llu KiB",
                      (unsigned long long)need / 2, (unsigned long long)fs->disk->sectors / 2);
    }
    return 0;
}

/* Take what we need from the superblock `s`, and check it. */
static int decode_super(struct ext2_fs *fs, const struct ext2_super *s, char *reason)
{
    if (get16(s->s_magic) != EXT2_MAGIC)
        return refuse(reason, -EINVAL, "bad magic");
    fs->rev = get32(s->s_rev_level);
    if (fs->rev > 1)
        return refuse(reason, -EINVAL, "revision %u is not supported", (unsigned)fs->rev);
    fs->compat = fs->rev ? get32(s->s_feature_compat) : 0;
    fs->incompat = fs->rev ? get32(s->s_feature_incompat) : 0;
    fs->ro_compat = fs->rev ? get32(s->s_feature_ro_compat) : 0;
    int err = check_features(fs, reason);
    if (err)
        return err;
    if (get32(s->s_log_block_size) > 2)
        return refuse(reason, -EINVAL, "block size 1024 << %u is not supported",
                      (unsigned)get32(s->s_log_block_size));
    fs->block_bits = 10 + get32(s->s_log_block_size);
    fs->block_size = 1u << fs->block_bits;
    fs->blocks_count = get32(s->s_blocks_count);
    fs->first_data_block = get32(s->s_first_data_block);
    fs->blocks_per_group = get32(s->s_blocks_per_group);
    fs->inodes_count = get32(s->s_inodes_count);
    fs->inodes_per_group = get32(s->s_inodes_per_group);
    fs->inode_size = fs->rev ? get16(s->s_inode_size) : EXT2_GOOD_OLD_INODE_SIZE;
    fs->first_ino = fs->rev ? get32(s->s_first_ino) : EXT2_GOOD_OLD_FIRST_INO;
    fs->reserved_gdt = fs->compat & EXT2_COMPAT_RESIZE_INODE ? get16(s->s_reserved_gdt_blocks) : 0;
    fs->backup_bgs[0] = get32(s->s_backup_bgs[0]);
    fs->backup_bgs[1] = get32(s->s_backup_bgs[1]);
    err = check_layout(fs, s, reason);
    return err ? err : check_size(fs, reason);
}

/* ---- Group descriptors --------------------------------------------------------------------- */

/* Bitmaps and inode table lie in their group, behind the superblock's copy, and do not overlap. */
static bool group_is_sane(const struct ext2_fs *fs, uint32_t group)
{
    const struct ext2_group *g = &fs->group[group];
    uint32_t first = ext2_group_first(fs, group), size = ext2_group_blocks(fs, group);
    uint32_t low = super_blocks(fs, group);
    uint32_t bb = g->block_bitmap - first, ib = g->inode_bitmap - first;
    uint32_t it = g->inode_table - first;
    if (size < fs->itable_blocks || bb < low || bb >= size || ib < low || ib >= size || it < low ||
        it > size - fs->itable_blocks)
        return false;
    if (bb == ib || bb - it < fs->itable_blocks || ib - it < fs->itable_blocks)
        return false;
    return g->free_blocks <= size && g->free_inodes <= fs->inodes_per_group &&
           g->used_dirs <= fs->inodes_per_group;
}

static int read_groups(struct ext2_fs *fs, char *reason)
{
    uint32_t per_block = fs->block_size / sizeof(struct ext2_group_desc);
    fs->group = calloc(fs->groups, sizeof *fs->group);
    if (!fs->group)
        return -ENOMEM;
    for (uint32_t i = 0; i < fs->groups; i++) {
        struct buf *b;
        int err = cache_read(&fs->cache, fs->first_data_block + 1 + i / per_block, &b);
        if (err)
            return refuse(reason, err, "group descriptors can't be read");
        const struct ext2_group_desc *d = (const struct ext2_group_desc *)b->data + i % per_block;
        fs->group[i] =
            (struct ext2_group){ get32(d->bg_block_bitmap),      get32(d->bg_inode_bitmap),
                                 get32(d->bg_inode_table),       get16(d->bg_free_blocks_count),
                                 get16(d->bg_free_inodes_count), get16(d->bg_used_dirs_count) };
        buf_put(&fs->cache, b);
        if (!group_is_sane(fs, i))
            return refuse(reason, -EUCLEAN, "damaged descriptor of group %u", (unsigned)i);
    }
    return 0;
}

/* ---- Transactions and the state of the superblock ------------------------------------------ */

int ext2_damaged(struct ext2_fs *fs, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (++fs->nmessages < MAX_MESSAGES)
        fs_message(&fs->fs, "ext2: damaged: %s%s", text,
                   fs->fs.read_only ? "" : "; read-only from here on");
    else if (fs->nmessages == MAX_MESSAGES)
        fs_message(&fs->fs, "ext2: damaged: more of it, not told any more");
    fs->fs.read_only = true;
    fs->damaged = true;
    return -EUCLEAN;
}

static size_t super_offset(const struct ext2_fs *fs, const void *field)
{
    return (size_t)((const uint8_t *)field - fs->super_buf->data);
}

static int write_super(struct ext2_fs *fs)
{
    struct disk_seg seg = { fs->super_buf->data, fs->block_size };
    uint64_t sector = fs->super_buf->block * (fs->block_size / DISK_SECTOR);
    int err = fs->disk->write(fs->disk, sector, &seg, 1);
    return err ? err : cache_flush(&fs->cache);
}

/* Before anything else is written: the disk says "not clean". */
static int mark_unclean(void *arg)
{
    struct ext2_fs *fs = arg;
    if (fs->marked_unclean)
        return 0;
    int err = write_super(fs);
    if (!err)
        fs->marked_unclean = true;
    return err;
}

int ext2_begin(struct ext2_fs *fs)
{
    if (fs->fs.read_only)
        return -EROFS;
    int err = txn_begin(&fs->txn);
    if (err)
        return err;
    fs->changed = NULL;
    if (!(get16(fs->super->s_state) & EXT2_STATE_VALID))
        return 0;
    err = txn_dirty(&fs->txn, fs->super_buf, super_offset(fs, &fs->super->s_state),
                    sizeof fs->super->s_state, BUF_META);
    if (err)
        ext2_abort(fs);
    else
        fs->super->s_state = put16(get16(fs->super->s_state) & ~(uint32_t)EXT2_STATE_VALID);
    return err;
}

void ext2_abort(struct ext2_fs *fs)
{
    txn_abort(&fs->txn);
    for (struct ext2_inode *ip = fs->changed; ip; ip = ip->changed_next)
        dirindex_drop(ip);
    fs->changed = NULL;
}

int ext2_commit(struct ext2_fs *fs)
{
    for (struct ext2_inode *ip = fs->changed; ip; ip = ip->changed_next) {
        int err = ext2_inode_store(ip);
        if (err) {
            ext2_abort(fs);
            return err;
        }
    }
    fs->changed = NULL;
    txn_commit(&fs->txn);
    return 0;
}

int ext2_end(struct ext2_fs *fs, int err)
{
    if (!err)
        return ext2_commit(fs);
    ext2_abort(fs);
    return err;
}

/* ---- Operations of the whole file system --------------------------------------------------- */

static int ext2_sync(struct fs *base)
{
    return txn_write_back(&((struct ext2_fs *)base)->txn);
}

static int ext2_settle(struct fs *base)
{
    struct ext2_fs *fs = (struct ext2_fs *)base;
    int err = fs_reap_needed(base) ? fs_reap(base) : 0;
    if (!err)
        err = ext2_sync(base);
    if (err || !fs->marked_unclean || fs->was_unclean || fs->damaged)
        return err;
    uint16_t state = get16(fs->super->s_state);
    fs->super->s_state = put16(state | EXT2_STATE_VALID);
    fs->super->s_wtime = put32((uint64_t)fs_now(base).sec);
    err = write_super(fs);
    if (err)
        fs->super->s_state = put16(state);
    else
        fs->marked_unclean = false;
    return err;
}

/* A damaged file system says so, for e2fsck and for the next mount. */
static int mark_damaged(struct ext2_fs *fs)
{
    if (fs->disk->read_only || !fs->marked_unclean)
        return 0;
    fs->super->s_state = put16(get16(fs->super->s_state) | EXT2_STATE_ERROR);
    return write_super(fs);
}

static void destroy(struct ext2_fs *fs)
{
    if (fs->super_buf)
        buf_put(&fs->cache, fs->super_buf);
    txn_destroy(&fs->txn);
    cache_destroy(&fs->cache);
    free(fs->group);
    free(fs);
}

static void ext2_unmount(struct fs *base, int *status)
{
    struct ext2_fs *fs = (struct ext2_fs *)base;
    int err = *status ? ext2_sync(base) : ext2_settle(base);
    if (!err && fs->damaged)
        err = mark_damaged(fs);
    if (err && !*status)
        *status = err;
    if (*status == -EROFS)
        *status = 0; /* removed files that damage keeps us from freeing */
    destroy(fs);
}

static int ext2_statfs(struct fs *base, struct fs_statfs *out)
{
    const struct ext2_fs *fs = (const struct ext2_fs *)base;
    uint32_t overhead = fs->first_data_block;
    for (uint32_t i = 0; i < fs->groups; i++) {
        overhead += super_blocks(fs, i) + 2 + fs->itable_blocks;
        out->blocks_free += fs->group[i].free_blocks;
        out->files_free += fs->group[i].free_inodes;
    }
    out->type = EXT2_MAGIC;
    out->block_size = fs->block_size;
    out->blocks = fs->blocks_count - overhead;
    out->blocks_avail = out->blocks_free;
    out->files = fs->inodes_count;
    return 0;
}

static size_t ext2_dirty_bytes(const struct fs *base)
{
    const struct ext2_fs *fs = (const struct ext2_fs *)base;
    return (size_t)fs->cache.ndirty * fs->block_size;
}

/* The device number of a node, in either of the two encodings. */
static uint64_t device_number(const struct ext2_inode *ip)
{
    uint32_t type = vnode_type(&ip->vn);
    if (type != FS_IFCHR && type != FS_IFBLK)
        return 0;
    return ip->core.ptr[0] ? ip->core.ptr[0] : ip->core.ptr[1];
}

static int ext2_stat(struct vnode *vn, struct fs_stat *out)
{
    const struct ext2_inode *ip = inode_of(vn);
    out->nlink = ip->core.nlink;
    out->uid = ip->core.uid;
    out->gid = ip->core.gid;
    out->rdev = device_number(ip);
    out->size = ip->core.size;
    out->blocks = ip->core.sectors;
    out->blksize = ext2_of(vn)->block_size;
    out->atime = ip->core.atime;
    out->mtime = ip->core.mtime;
    out->ctime = ip->core.ctime;
    return 0;
}

static int ext2_setattr(struct vnode *vn, unsigned which, const struct fs_attr *attr)
{
    struct ext2_fs *fs = ext2_of(vn);
    struct ext2_inode *ip = inode_of(vn);
    int err = ext2_begin(fs);
    if (err)
        return err;
    err = ext2_inode_change(ip);
    if (!err) {
        if (which & FS_SET_MODE)
            vn->mode = (vn->mode & FS_IFMT) | (attr->mode & 07777);
        if (which & FS_SET_UID)
            ip->core.uid = attr->uid;
        if (which & FS_SET_GID)
            ip->core.gid = attr->gid;
        if (which & FS_SET_ATIME)
            ip->core.atime = attr->atime;
        if (which & FS_SET_MTIME)
            ip->core.mtime = attr->mtime;
        ip->core.ctime = fs_now(vn->fs);
    }
    return ext2_end(fs, err);
}

const struct fs_ops ext2_ops = {
    .type = "ext2",
    .vnode_size = sizeof(struct ext2_inode),
    .load = ext2_inode_load,
    .release = ext2_inode_release,
    .reap = ext2_inode_reap,
    .unmount = ext2_unmount,
    .sync = ext2_sync,
    .settle = ext2_settle,
    .statfs = ext2_statfs,
    .dirty_bytes = ext2_dirty_bytes,
    .read = ext2_read,
    .write = ext2_write,
    .truncate = ext2_truncate,
    .stat = ext2_stat,
    .setattr = ext2_setattr,
    .readlink = ext2_readlink,
    .lookup = ext2_lookup,
    .readdir = ext2_readdir,
    .create = ext2_create,
    .link = ext2_link,
    .unlink = ext2_unlink,
    .rename = ext2_rename,
};

/* ---- Mount --------------------------------------------------------------------------------- */

/* Read the superblock without a cache: its block size is not known yet. */
static int read_super(struct ext2_fs *fs, struct ext2_super *s, char *reason)
{
    if (fs->disk->sectors < (EXT2_SUPER_OFFSET + sizeof *s) / DISK_SECTOR)
        return refuse(reason, -EINVAL, "the disk is too small for a file system");
    struct disk_seg seg = { s, sizeof *s };
    int err = fs->disk->read(fs->disk, EXT2_SUPER_OFFSET / DISK_SECTOR, &seg, 1);
    if (err)
        return refuse(reason, err, "the superblock can't be read");
    return decode_super(fs, s, reason);
}

static int open_cache(struct ext2_fs *fs, const struct fs_options *options)
{
    size_t bytes = options->cache_bytes ? options->cache_bytes : DEFAULT_CACHE;
    int err =
        cache_init(&fs->cache, fs->disk, &fs->fs.env, fs->block_size, bytes, options->cache_memory);
    if (err)
        return err;
    txn_init(&fs->txn, &fs->cache, mark_unclean, fs);
    fs->index_max = bytes / 2 > MIN_INDEX_BYTES ? bytes / 2 : MIN_INDEX_BYTES;
    err = cache_read(&fs->cache, EXT2_SUPER_OFFSET / fs->block_size, &fs->super_buf);
    if (err)
        return err;
    fs->super = (struct ext2_super *)(fs->super_buf->data + EXT2_SUPER_OFFSET % fs->block_size);
    return 0;
}

/* Not unmounted cleanly: only written to if a check of everything finds that it does no harm. */
static int check_state(struct ext2_fs *fs, const struct fs_options *options, char *reason)
{
    uint16_t state = get16(fs->super->s_state);
    bool clean = (state & EXT2_STATE_VALID) && !(state & EXT2_STATE_ERROR);
    fs->was_unclean = !clean;
    fs->marked_unclean = !(state & EXT2_STATE_VALID);
    if (clean || fs->fs.read_only || options->trust_unclean)
        return 0;
    bool lost = false;
    char what[FS_REASON_MAX];
    int err = ext2_check(fs, &lost, what);
    if (err == -EIO || err == -ENOMEM)
        snprintf(what, sizeof what, "the check failed");
    fs->nmessages = 0;
    fs->damaged = false;
    fs->fs.read_only = false;
    if (err) {
        fs->fs.read_only = true;
        refuse(reason, 0, "read-only: not cleanly unmounted, and damaged: %.90s", what);
    } else if (lost || (state & EXT2_STATE_ERROR)) {
        refuse(reason, 0, "not cleanly unmounted; checked: safe to use, but run e2fsck on it");
    } else {
        refuse(reason, 0, "not cleanly unmounted; checked: all is well");
        fs->was_unclean = false;
    }
    return 0;
}

static int load_root(struct ext2_fs *fs, char *reason)
{
    struct vnode *root;
    fs->fs.root_ino = EXT2_ROOT_INO;
    int err = vnode_find(&fs->fs, EXT2_ROOT_INO, &root);
    if (err)
        return refuse(reason, err, "damaged root directory");
    if (vnode_type(root) == FS_IFDIR)
        return 0; /* the reference is kept until unmount */
    vnode_put(root);
    return refuse(reason, -EUCLEAN, "the root is not a directory");
}

static int mount(struct ext2_fs *fs, const struct fs_options *options, char *reason)
{
    struct ext2_super *s = malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    int err = read_super(fs, s, reason);
    free(s);
    if (!err)
        err = open_cache(fs, options);
    if (!err)
        err = read_groups(fs, reason);
    if (!err)
        err = check_state(fs, options, reason);
    if (!err)
        err = load_root(fs, reason);
    return err;
}

int ext2_mount(struct disk *disk, const struct fs_env *env, const struct fs_options *options,
               struct fs **out, char reason[FS_REASON_MAX])
{
    static const struct fs_options defaults;
    if (!options)
        options = &defaults;
    reason[0] = '\0';
    struct ext2_fs *fs = calloc(1, sizeof *fs);
    if (!fs)
        return -ENOMEM;
    fs_init(&fs->fs, &ext2_ops, env);
    fs->disk = disk;
    fs->fs.read_only = options->read_only || disk->read_only;
    fs->generation = (uint32_t)fs_now(&fs->fs).sec;
    int err = mount(fs, options, reason);
    if (err) {
        if (!reason[0])
            refuse(reason, err, err == -ENOMEM ? "out of memory" : "it can't be read");
        vnode_trim(&fs->fs, 0);
        destroy(fs);
        return err;
    }
    *out = &fs->fs;
    return 0;
}
