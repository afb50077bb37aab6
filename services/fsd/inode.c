/* Inodes: reading and storing them, allocating and freeing. */
#include "ext2fs.h"

#include <string.h>

enum { TABLE_PREFETCH = 32 * 1024 };    /* bytes of inode table read at once */

/* Where inode `ino` is on the disk. */
static void inode_place(const struct ext2_fs *fs, uint32_t ino, uint32_t *block, uint32_t *offset)
{
    uint32_t group = (ino - 1) / fs->inodes_per_group;
    uint64_t byte = (uint64_t)((ino - 1) % fs->inodes_per_group) * fs->inode_size;
    *block = fs->group[group].inode_table + (uint32_t)(byte >> fs->block_bits);
    *offset = (uint32_t)byte & (fs->block_size - 1);
}

/* The table block of an inode, pinned; its neighbours come with it. */
static int read_table(struct ext2_fs *fs, uint32_t ino, struct buf **b, uint32_t *offset)
{
    uint32_t block;
    inode_place(fs, ino, &block, offset);
    if (!cache_has(&fs->cache, block)) {
        uint32_t table = fs->group[(ino - 1) / fs->inodes_per_group].inode_table;
        uint32_t window = TABLE_PREFETCH >> fs->block_bits;
        uint32_t first = (block - table) / window * window;
        uint32_t n = fs->itable_blocks - first < window ? fs->itable_blocks - first : window;
        cache_prefetch(&fs->cache, table + first, n);
    }
    return cache_read(&fs->cache, block, b);
}

/* ---- Decoding ------------------------------------------------------------------------------ */

/* Does the inode on the disk reach as far as the extra time stamps? */
static bool has_extra_times(const struct ext2_fs *fs, const struct ext2_inode_raw *raw)
{
    return fs->inode_size >= sizeof *raw && get16(raw->i_extra_isize) >= 24 &&
           get16(raw->i_extra_isize) <= fs->inode_size - EXT2_GOOD_OLD_INODE_SIZE;
}

static struct fs_time decode_time(le32 sec, le32 extra)
{
    uint32_t nsec = get32(extra) >> 2;
    return (struct fs_time){ (int32_t)get32(sec) + ((int64_t)(get32(extra) & 3) << 32),
                             nsec < 1000000000 ? nsec : 0 };
}

static le32 encode_extra(struct fs_time t)
{
    uint64_t epoch = (uint64_t)(t.sec - (int32_t)t.sec) >> 32 & 3;
    return put32((uint64_t)t.nsec << 2 | epoch);
}

static void decode(struct ext2_inode *ip, const struct ext2_inode_raw *raw)
{
    struct ext2_core *core = &ip->core;
    bool extra = has_extra_times(inode_fs(ip), raw);
    const le32 zero = put32(0);
    ip->vn.mode = get16(raw->i_mode);
    core->size = get32(raw->i_size);
    if (vnode_type(&ip->vn) == FS_IFREG)
        core->size |= (uint64_t)get32(raw->i_size_high) << 32;
    core->sectors = get32(raw->i_blocks);
    core->uid = get16(raw->i_uid) | (uint32_t)get16(raw->i_uid_high) << 16;
    core->gid = get16(raw->i_gid) | (uint32_t)get16(raw->i_gid_high) << 16;
    core->nlink = get16(raw->i_links_count);
    core->flags = get32(raw->i_flags);
    core->generation = get32(raw->i_generation);
    core->file_acl = get32(raw->i_file_acl);
    core->dtime = get32(raw->i_dtime);
    core->atime = decode_time(raw->i_atime, extra ? raw->i_atime_extra : zero);
    core->mtime = decode_time(raw->i_mtime, extra ? raw->i_mtime_extra : zero);
    core->ctime = decode_time(raw->i_ctime, extra ? raw->i_ctime_extra : zero);
    for (int i = 0; i < EXT2_NPTR; i++)
        core->ptr[i] = get32(raw->i_block[i]);
}

bool ext2_symlink_is_fast(const struct ext2_inode *ip)
{
    uint32_t acl_sectors = ip->core.file_acl ? inode_fs(ip)->block_size / 512 : 0;
    return ip->core.size < EXT2_FAST_SYMLINK && ip->core.sectors == acl_sectors;
}

static const char *check_size(const struct ext2_inode *ip)
{
    const struct ext2_fs *fs = inode_fs(ip);
    uint64_t size = ip->core.size;
    switch (vnode_type(&ip->vn)) {
    case FS_IFREG: return size > fs->max_size ? "size of a file" : NULL;
    case FS_IFDIR:
        return size == 0 || size % fs->block_size || size >> fs->block_bits > fs->blocks_count
                   ? "size of a directory"
                   : NULL;
    case FS_IFLNK:
        return size == 0 || size > FS_SYMLINK_MAX || size >= fs->block_size
                   ? "size of a symbolic link"
                   : NULL;
    default: return NULL;
    }
}

/* What is wrong with an inode that a name leads to, or NULL. */
static const char *check_inode(const struct ext2_inode *ip)
{
    switch (vnode_type(&ip->vn)) {
    case FS_IFREG:
    case FS_IFDIR:
    case FS_IFLNK:
    case FS_IFCHR:
    case FS_IFBLK:
    case FS_IFIFO:
    case FS_IFSOCK: break;
    default: return "type";
    }
    if (ip->core.nlink == 0)
        return "it is not in use";
    if (ip->core.flags & (EXT4_FL_EXTENTS | EXT4_FL_INLINE_DATA))
        return "flags";
    if (ip->core.file_acl && !ext2_block_ok(inode_fs(ip), ip->core.file_acl))
        return "attribute block";
    return check_size(ip);
}

int ext2_inode_load(struct vnode *vn)
{
    struct ext2_fs *fs = ext2_of(vn);
    bool reserved = vn->ino < fs->first_ino && vn->ino != EXT2_ROOT_INO;
    if (vn->ino == 0 || vn->ino > fs->inodes_count || (reserved && !fs->checking))
        return ext2_damaged(fs, "inode number %llu", (unsigned long long)vn->ino);
    struct buf *b;
    uint32_t offset;
    int err = read_table(fs, (uint32_t)vn->ino, &b, &offset);
    if (err)
        return err;
    decode(inode_of(vn), (const struct ext2_inode_raw *)(b->data + offset));
    buf_put(&fs->cache, b);
    const char *wrong = check_inode(inode_of(vn));
    if (wrong)
        return ext2_damaged(fs, "inode %llu: %s", (unsigned long long)vn->ino, wrong);
    return 0;
}

int ext2_inode_links(struct ext2_fs *fs, uint32_t ino, uint32_t *links)
{
    struct buf *b;
    uint32_t offset;
    int err = read_table(fs, ino, &b, &offset);
    if (err)
        return err;
    *links = get16(((const struct ext2_inode_raw *)(b->data + offset))->i_links_count);
    buf_put(&fs->cache, b);
    return 0;
}

void ext2_inode_release(struct vnode *vn)
{
    dirindex_drop(inode_of(vn));
}

/* ---- Storing ------------------------------------------------------------------------------- */

static void encode_times(const struct ext2_fs *fs, const struct ext2_core *core,
                         struct ext2_inode_raw *raw)
{
    raw->i_atime = put32((uint64_t)core->atime.sec);
    raw->i_mtime = put32((uint64_t)core->mtime.sec);
    raw->i_ctime = put32((uint64_t)core->ctime.sec);
    if (has_extra_times(fs, raw)) {
        raw->i_atime_extra = encode_extra(core->atime);
        raw->i_mtime_extra = encode_extra(core->mtime);
        raw->i_ctime_extra = encode_extra(core->ctime);
    }
}

static void encode(const struct ext2_inode *ip, struct ext2_inode_raw *raw)
{
    const struct ext2_core *core = &ip->core;
    raw->i_mode = put16(ip->vn.mode);
    raw->i_size = put32(core->size);
    if (vnode_type(&ip->vn) == FS_IFREG)
        raw->i_size_high = put32(core->size >> 32);
    raw->i_blocks = put32(core->sectors);
    raw->i_uid = put16(core->uid);
    raw->i_uid_high = put16(core->uid >> 16);
    raw->i_gid = put16(core->gid);
    raw->i_gid_high = put16(core->gid >> 16);
    raw->i_links_count = put16(core->nlink);
    raw->i_flags = put32(core->flags);
    raw->i_generation = put32(core->generation);
    raw->i_file_acl = put32(core->file_acl);
    raw->i_dtime = put32(core->dtime);
    for (int i = 0; i < EXT2_NPTR; i++)
        raw->i_block[i] = put32(core->ptr[i]);
    encode_times(inode_fs(ip), core, raw);
}

/* A new inode takes the place of an old one: nothing of that may stay. */
static void clear_raw(const struct ext2_fs *fs, const struct ext2_inode *ip,
                      struct ext2_inode_raw *raw)
{
    memset(raw, 0, fs->inode_size);
    if (fs->inode_size < sizeof *raw)
        return;
    raw->i_extra_isize = put16(sizeof *raw - EXT2_GOOD_OLD_INODE_SIZE);
    raw->i_crtime = put32((uint64_t)ip->core.ctime.sec);
    raw->i_crtime_extra = encode_extra(ip->core.ctime);
}

int ext2_inode_store(struct ext2_inode *ip)
{
    struct ext2_fs *fs = inode_fs(ip);
    struct buf *b;
    uint32_t offset;
    int err = read_table(fs, (uint32_t)ip->vn.ino, &b, &offset);
    if (err)
        return err;
    err = txn_dirty(&fs->txn, b, offset, fs->inode_size, BUF_META);
    if (!err) {
        struct ext2_inode_raw *raw = (struct ext2_inode_raw *)(b->data + offset);
        if (ip->fresh)
            clear_raw(fs, ip, raw);
        ip->fresh = false;
        encode(ip, raw);
    }
    buf_put(&fs->cache, b);
    return err;
}

int ext2_inode_change(struct ext2_inode *ip)
{
    struct ext2_fs *fs = inode_fs(ip);
    if (ip->changed_txn == fs->txn.id)
        return 0;
    int err = txn_save(&fs->txn, &ip->core, sizeof ip->core);
    if (!err)
        err = txn_save(&fs->txn, &ip->vn.mode, sizeof ip->vn.mode);
    if (!err)
        err = txn_save(&fs->txn, &ip->vn.removed, sizeof ip->vn.removed);
    if (err)
        return err;
    ip->changed_txn = fs->txn.id;
    ip->changed_next = fs->changed;
    fs->changed = ip;
    return 0;
}

/* ---- Allocating ---------------------------------------------------------------------------- */

/* The group for a new directory below the root: the emptiest, so that trees spread. */
static uint32_t emptiest_group(const struct ext2_fs *fs)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < fs->groups; i++) {
        const struct ext2_group *g = &fs->group[i], *b = &fs->group[best];
        if (g->free_inodes > 0 && (b->free_inodes == 0 || g->free_blocks > b->free_blocks))
            best = i;
    }
    return best;
}

static int choose_group(const struct ext2_fs *fs, const struct ext2_inode *dir, uint32_t mode,
                        uint32_t *group)
{
    uint32_t start = (uint32_t)((dir->vn.ino - 1) / fs->inodes_per_group);
    if ((mode & FS_IFMT) == FS_IFDIR && dir->vn.ino == EXT2_ROOT_INO)
        start = emptiest_group(fs);
    for (uint32_t n = 0; n < fs->groups; n++) {
        *group = (start + n) % fs->groups;
        if (fs->group[*group].free_inodes > 0)
            return 0;
    }
    return -ENOSPC;
}

/* Change the counters of a group for inodes coming (+1) and going (-1). */
static int count_inode(struct ext2_fs *fs, uint32_t group, int delta, bool directory)
{
    struct ext2_group *g = &fs->group[group];
    int err = txn_save(&fs->txn, g, sizeof *g);
    if (err)
        return err;
    g->free_inodes -= (uint32_t)delta;
    if (directory)
        g->used_dirs += (uint32_t)delta;
    if (g->free_inodes > fs->inodes_per_group || g->used_dirs > fs->inodes_per_group)
        return ext2_damaged(fs, "inode counts of group %u", group);
    err = ext2_group_store(fs, group);
    return err ? err : ext2_count_free(fs, 0, -delta);
}

/* The first inode of the group that the bitmap shows as free; inodes_per_group if none. */
static uint32_t find_free_inode(const struct ext2_fs *fs, uint32_t group, const uint8_t *map)
{
    uint32_t i = group == 0 ? fs->first_ino - 1 : 0;
    while (i < fs->inodes_per_group && (map[i / 8] >> (i % 8) & 1))
        i += i % 8 == 0 && map[i / 8] == 0xFF ? 8 : 1;
    return i < fs->inodes_per_group ? i : fs->inodes_per_group;
}

static int flip_inode_bit(struct ext2_fs *fs, struct buf *b, uint32_t i)
{
    int err = txn_dirty(&fs->txn, b, i / 8, 1, BUF_META);
    if (!err)
        b->data[i / 8] ^= (uint8_t)(1u << (i % 8));
    return err;
}

/* An inode that the bitmap calls free must not be in use: a name may still lead to it. */
static int check_unused(struct ext2_fs *fs, uint32_t ino)
{
    struct buf *b;
    uint32_t offset;
    int err = read_table(fs, ino, &b, &offset);
    if (err)
        return err;
    const struct ext2_inode_raw *raw = (const struct ext2_inode_raw *)(b->data + offset);
    if (get16(raw->i_links_count) > 0 && get32(raw->i_dtime) == 0)
        err = ext2_damaged(fs, "inode %u is in use but not marked so", ino);
    buf_put(&fs->cache, b);
    return err;
}

static int alloc_number(struct ext2_fs *fs, uint32_t group, uint32_t mode, uint32_t *ino)
{
    struct buf *b;
    int err = cache_read(&fs->cache, fs->group[group].inode_bitmap, &b);
    if (err)
        return err;
    uint32_t i = find_free_inode(fs, group, b->data);
    if (i == fs->inodes_per_group)
        err = ext2_damaged(fs, "inode bitmap of group %u", group);
    *ino = group * fs->inodes_per_group + i + 1;
    if (!err)
        err = check_unused(fs, *ino);
    if (!err)
        err = flip_inode_bit(fs, b, i);
    buf_put(&fs->cache, b);
    return err ? err : count_inode(fs, group, 1, (mode & FS_IFMT) == FS_IFDIR);
}

int ext2_inode_new(struct ext2_inode *dir, uint32_t mode, struct ext2_inode **out)
{
    struct ext2_fs *fs = inode_fs(dir);
    uint32_t group, ino;
    int err = choose_group(fs, dir, mode, &group);
    if (!err)
        err = alloc_number(fs, group, mode, &ino);
    if (err)
        return err;
    struct vnode *vn;
    err = vnode_make(&fs->fs, ino, &vn);
    if (err == -EEXIST)
        err = ext2_damaged(fs, "inode %u is open but not marked as in use", ino);
    if (err)
        return err;
    struct ext2_inode *ip = inode_of(vn);
    err = ext2_inode_change(ip);
    if (err) {
        vnode_discard(vn);
        return err;
    }
    vn->mode = mode;
    ip->fresh = true;
    ip->core.generation = fs->generation++;
    ip->core.atime = ip->core.mtime = ip->core.ctime = fs_now(&fs->fs);
    *out = ip;
    return 0;
}

/* ---- Freeing ------------------------------------------------------------------------------- */

/* Give up the inode's block of extended attributes, which other inodes may share. */
static int drop_attributes(struct ext2_inode *ip)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint32_t block = ip->core.file_acl;
    if (block == 0)
        return 0;
    struct buf *b;
    int err = cache_read(&fs->cache, block, &b);
    if (err)
        return err;
    struct ext2_xattr_header *h = (struct ext2_xattr_header *)b->data;
    uint32_t refs = get32(h->h_refcount);
    if (get32(h->h_magic) != EXT2_XATTR_MAGIC || refs == 0) {
        err = ext2_damaged(fs, "attribute block %u", block);
    } else if (refs == 1) {
        err = ext2_free_blocks(fs, block, 1);
    } else {
        err = txn_dirty(&fs->txn, b, 0, sizeof *h, BUF_META);
        if (!err)
            h->h_refcount = put32(refs - 1);
    }
    buf_put(&fs->cache, b);
    ip->core.file_acl = 0;
    return err;
}

static int free_number(struct ext2_inode *ip)
{
    struct ext2_fs *fs = inode_fs(ip);
    uint32_t group = (uint32_t)((ip->vn.ino - 1) / fs->inodes_per_group);
    uint32_t i = (uint32_t)((ip->vn.ino - 1) % fs->inodes_per_group);
    struct buf *b;
    int err = cache_read(&fs->cache, fs->group[group].inode_bitmap, &b);
    if (err)
        return err;
    if (b->data[i / 8] >> (i % 8) & 1)
        err = flip_inode_bit(fs, b, i);
    else
        err =
            ext2_damaged(fs, "inode %llu is freed but not in use", (unsigned long long)ip->vn.ino);
    buf_put(&fs->cache, b);
    return err ? err : count_inode(fs, group, -1, vnode_type(&ip->vn) == FS_IFDIR);
}

static bool has_blocks(const struct ext2_inode *ip)
{
    switch (vnode_type(&ip->vn)) {
    case FS_IFREG:
    case FS_IFDIR: return true;
    case FS_IFLNK: return !ext2_symlink_is_fast(ip);
    default: return false;
    }
}

/* The last step: nothing but the inode itself is left. */
static int bury(struct ext2_inode *ip)
{
    int err = drop_attributes(ip);
    if (!err)
        err = free_number(ip);
    if (err)
        return err;
    int64_t now = fs_now(ip->vn.fs).sec;
    uint32_t least = inode_fs(ip)->inodes_count + 1;    /* e2fsck takes less for an orphan list */
    ip->core.dtime = now > least ? (uint32_t)now : least;
    ip->core.size = 0;
    ip->core.sectors = 0;
    return 0;
}

int ext2_inode_reap(struct vnode *vn)
{
    struct ext2_fs *fs = ext2_of(vn);
    struct ext2_inode *ip = inode_of(vn);
    int more;
    do {
        int err = ext2_begin(fs);
        if (err)
            return err;
        uint64_t lowest;
        err = ext2_inode_change(ip);
        if (!err && has_blocks(ip))
            err = ext2_map_cut(ip, 0, &lowest);
        more = err == 1;
        if (more && ip->core.size > lowest << fs->block_bits)
            ip->core.size = lowest << fs->block_bits;
        if (!err)
            err = bury(ip);
        err = ext2_end(fs, more ? 0 : err);
        if (err)
            return err;
    } while (more);
    return 0;
}
