/*
 * A fresh ext2 file system on a disk, written directly: superblock, descriptors, bitmaps, inode
 * tables, the root directory and lost+found. e2fsck finds nothing to say about the result.
 */
#include "ext2fs.h"

#include <stdlib.h>
#include <string.h>

enum {
    BIG_DISK = 16 * 1024 * 1024,    /* bytes; from here on blocks of 4 KiB */
    BYTES_PER_INODE = 8192,
    INODE_SIZE = 256,
    LOST_INO = EXT2_GOOD_OLD_FIRST_INO,
    MIN_LAST_GROUP = 50,        /* blocks that a last group must have besides its overhead */
};

/* One formatting: the geometry lies in an ext2_fs, so that the helpers of super.c work on it. */
struct format {
    struct ext2_fs fs;
    struct disk *disk;
    uint8_t *block;             /* one block, to build things in */
    struct ext2_super super;
    uint32_t root_block, lost_block;
    uint32_t free_blocks;
    uint32_t now;
};

static int write_block(struct format *f, uint32_t block, void *data, uint32_t bytes)
{
    struct disk_seg seg = { data, bytes };
    uint64_t sector = (uint64_t)block * (f->fs.block_size / DISK_SECTOR);
    return f->disk->write(f->disk, sector, &seg, 1);
}

/* ---- Geometry ------------------------------------------------------------------------------ */

static uint32_t overhead(const struct format *f, uint32_t group)
{
    const struct ext2_fs *fs = &f->fs;
    uint32_t copies = ext2_group_has_super(fs, group) ? 1 + fs->gdt_blocks : 0;
    return copies + 2 + fs->itable_blocks;
}

/* Divide the disk; false if the last group turned out too small and was cut off: again then. */
static bool divide(struct format *f)
{
    struct ext2_fs *fs = &f->fs;
    uint32_t per_block = fs->block_size / INODE_SIZE;
    fs->groups = (fs->blocks_count - fs->first_data_block - 1) / fs->blocks_per_group + 1;
    uint64_t inodes = ((uint64_t)fs->blocks_count << fs->block_bits) / BYTES_PER_INODE;
    uint64_t per_group = inodes / fs->groups + 1;
    uint32_t step = per_block > 8 ? per_block : 8;
    if (per_group < 16)
        per_group = 16;
    per_group = (per_group + step - 1) / step * step;
    if (per_group > 8 * fs->block_size)
        per_group = 8 * fs->block_size;
    fs->inodes_per_group = (uint32_t)per_group;
    fs->inodes_count = fs->inodes_per_group * fs->groups;
    fs->itable_blocks = (uint32_t)((per_group * INODE_SIZE - 1) >> fs->block_bits) + 1;
    fs->gdt_blocks = (fs->groups - 1) / (fs->block_size / 32) + 1;
    uint32_t last = fs->groups - 1;
    if (last == 0 || ext2_group_blocks(fs, last) >= overhead(f, last) + MIN_LAST_GROUP)
        return true;
    fs->blocks_count = ext2_group_first(fs, last);
    return false;
}

static int choose_geometry(struct format *f, uint32_t block_size)
{
    struct ext2_fs *fs = &f->fs;
    uint64_t bytes = f->disk->sectors * DISK_SECTOR;
    if (block_size == 0)
        block_size = bytes >= BIG_DISK ? 4096 : 1024;
    if (block_size != 1024 && block_size != 2048 && block_size != 4096)
        return -EINVAL;
    fs->block_size = block_size;
    fs->block_bits = 31 - (uint32_t)__builtin_clz(block_size);
    uint64_t blocks = bytes >> fs->block_bits;
    fs->blocks_count = blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX;
    fs->first_data_block = block_size == 1024;
    fs->blocks_per_group = 8 * block_size;
    fs->inode_size = INODE_SIZE;
    fs->rev = 1;
    fs->incompat = EXT2_INCOMPAT_FILETYPE;
    fs->ro_compat = EXT2_RO_COMPAT_SPARSE_SUPER | EXT2_RO_COMPAT_LARGE_FILE;
    if (blocks < 64)
        return -ENOSPC;
    while (!divide(f))
        ;
    return ext2_group_blocks(fs, 0) < overhead(f, 0) + 8 ? -ENOSPC : 0;
}

/* Bitmaps and table follow the superblock's copy in each group; the first one has the two
 * directories behind them. */
static int place_groups(struct format *f)
{
    struct ext2_fs *fs = &f->fs;
    fs->group = calloc(fs->groups, sizeof *fs->group);
    if (!fs->group)
        return -ENOMEM;
    for (uint32_t i = 0; i < fs->groups; i++) {
        struct ext2_group *g = &fs->group[i];
        uint32_t at = ext2_group_first(fs, i);
        if (ext2_group_has_super(fs, i))
            at += 1 + fs->gdt_blocks;
        g->block_bitmap = at;
        g->inode_bitmap = at + 1;
        g->inode_table = at + 2;
        g->free_blocks = ext2_group_blocks(fs, i) - overhead(f, i);
        g->free_inodes = fs->inodes_per_group;
        if (i == 0) {
            f->root_block = at + 2 + fs->itable_blocks;
            f->lost_block = f->root_block + 1;
            g->free_blocks -= 2;
            g->free_inodes -= LOST_INO;
            g->used_dirs = 2;
        }
        f->free_blocks += g->free_blocks;
    }
    return 0;
}

/* ---- Groups -------------------------------------------------------------------------------- */

static void set_bits(uint8_t *map, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        map[i / 8] |= (uint8_t)(1u << (i % 8));
}

static int write_bitmaps(struct format *f, uint32_t group)
{
    struct ext2_fs *fs = &f->fs;
    uint32_t bits = 8 * fs->block_size;
    memset(f->block, 0, fs->block_size);
    set_bits(f->block, 0, overhead(f, group) + (group == 0 ? 2 : 0));
    set_bits(f->block, ext2_group_blocks(fs, group), bits);
    int err = write_block(f, fs->group[group].block_bitmap, f->block, fs->block_size);
    if (err)
        return err;
    memset(f->block, 0, fs->block_size);
    set_bits(f->block, 0, group == 0 ? LOST_INO : 0);
    set_bits(f->block, fs->inodes_per_group, bits);
    return write_block(f, fs->group[group].inode_bitmap, f->block, fs->block_size);
}

static void fill_directory_inode(struct format *f, uint32_t ino, uint32_t block, uint32_t mode,
                                 uint32_t links)
{
    uint8_t *at = f->block + (ino - 1) * INODE_SIZE % f->fs.block_size;
    struct ext2_inode_raw *raw = (struct ext2_inode_raw *)at;
    raw->i_mode = put16(FS_IFDIR | mode);
    raw->i_size = put32(f->fs.block_size);
    raw->i_atime = raw->i_ctime = raw->i_mtime = raw->i_crtime = put32(f->now);
    raw->i_links_count = put16(links);
    raw->i_blocks = put32(f->fs.block_size / 512);
    raw->i_block[0] = put32(block);
    raw->i_extra_isize = put16(sizeof *raw - EXT2_GOOD_OLD_INODE_SIZE);
}

/* One block of the inode table; only the first group's has something in it. */
static int write_table_block(struct format *f, uint32_t group, uint32_t n)
{
    uint32_t per_block = f->fs.block_size / INODE_SIZE;
    memset(f->block, 0, f->fs.block_size);
    if (group == 0 && (EXT2_ROOT_INO - 1) / per_block == n)
        fill_directory_inode(f, EXT2_ROOT_INO, f->root_block, 0755, 3);
    if (group == 0 && (LOST_INO - 1) / per_block == n)
        fill_directory_inode(f, LOST_INO, f->lost_block, 0700, 2);
    return write_block(f, f->fs.group[group].inode_table + n, f->block, f->fs.block_size);
}

/* Clear a whole table with large requests; its first blocks are written again afterwards. */
static int clear_table(struct format *f, uint32_t group)
{
    enum { PIECE = 64 * 1024 };
    uint64_t bytes = (uint64_t)f->fs.itable_blocks << f->fs.block_bits;
    uint8_t *zeros = calloc(1, PIECE);
    int err = zeros ? 0 : -ENOMEM;
    for (uint64_t done = 0; done < bytes && !err; done += PIECE) {
        uint32_t n = bytes - done < PIECE ? (uint32_t)(bytes - done) : PIECE;
        err = write_block(f, f->fs.group[group].inode_table + (uint32_t)(done >> f->fs.block_bits),
                          zeros, n);
    }
    free(zeros);
    return err;
}

static int write_group(struct format *f, uint32_t group)
{
    int err = write_bitmaps(f, group);
    if (!err)
        err = clear_table(f, group);
    uint32_t used = (LOST_INO - 1) * INODE_SIZE / f->fs.block_size + 1;
    for (uint32_t n = 0; group == 0 && n < used && !err; n++)
        err = write_table_block(f, group, n);
    return err;
}

/* ---- Directories, superblock --------------------------------------------------------------- */

static struct ext2_dirent *put_entry(struct format *f, uint32_t offset, uint32_t rec_len,
                                     uint32_t ino, const char *name)
{
    struct ext2_dirent *de = (struct ext2_dirent *)(f->block + offset);
    de->inode = put32(ino);
    de->rec_len = put16(rec_len);
    de->name_len = (uint8_t)strlen(name);
    de->file_type = 2;
    memcpy(de->name, name, de->name_len);
    return de;
}

static int write_directories(struct format *f)
{
    uint32_t size = f->fs.block_size;
    memset(f->block, 0, size);
    put_entry(f, 0, 12, EXT2_ROOT_INO, ".");
    put_entry(f, 12, 12, EXT2_ROOT_INO, "..");
    put_entry(f, 24, size - 24, LOST_INO, "lost+found");
    int err = write_block(f, f->root_block, f->block, size);
    if (err)
        return err;
    memset(f->block, 0, size);
    put_entry(f, 0, 12, LOST_INO, ".");
    put_entry(f, 12, size - 12, EXT2_ROOT_INO, "..");
    return write_block(f, f->lost_block, f->block, size);
}

/* Something that differs from disk to disk; nothing depends on its quality. */
static void make_uuid(struct format *f, struct fs_time now)
{
    uint64_t x = (uint64_t)now.sec * 1000000007u + now.nsec + f->disk->sectors;
    for (int i = 0; i < 16; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        f->super.s_uuid[i] = (uint8_t)(x >> 56);
    }
    f->super.s_uuid[6] = (uint8_t)((f->super.s_uuid[6] & 0x0F) | 0x40);
    f->super.s_uuid[8] = (uint8_t)((f->super.s_uuid[8] & 0x3F) | 0x80);
}

static void fill_super(struct format *f)
{
    const struct ext2_fs *fs = &f->fs;
    struct ext2_super *s = &f->super;
    s->s_inodes_count = put32(fs->inodes_count);
    s->s_blocks_count = put32(fs->blocks_count);
    s->s_free_blocks_count = put32(f->free_blocks);
    s->s_free_inodes_count = put32(fs->inodes_count - LOST_INO);
    s->s_first_data_block = put32(fs->first_data_block);
    s->s_log_block_size = s->s_log_frag_size = put32(fs->block_bits - 10);
    s->s_blocks_per_group = s->s_frags_per_group = put32(fs->blocks_per_group);
    s->s_inodes_per_group = put32(fs->inodes_per_group);
    s->s_wtime = s->s_lastcheck = s->s_mkfs_time = put32(f->now);
    s->s_max_mnt_count = put16(0xFFFF);
    s->s_magic = put16(EXT2_MAGIC);
    s->s_state = put16(EXT2_STATE_VALID);
    s->s_errors = put16(1);
    s->s_rev_level = put32(1);
    s->s_first_ino = put32(LOST_INO);
    s->s_inode_size = put16(INODE_SIZE);
    s->s_feature_incompat = put32(fs->incompat);
    s->s_feature_ro_compat = put32(fs->ro_compat);
    s->s_min_extra_isize = s->s_want_extra_isize =
        put16(sizeof(struct ext2_inode_raw) - EXT2_GOOD_OLD_INODE_SIZE);
}

static int write_super_copy(struct format *f, uint32_t group)
{
    uint32_t first = ext2_group_first(&f->fs, group);
    f->super.s_block_group_nr = put16(group);
    if (group > 0 || f->fs.block_size == EXT2_SUPER_OFFSET) {
        memset(f->block, 0, f->fs.block_size);
        memcpy(f->block, &f->super, sizeof f->super);
        return write_block(f, first, f->block, f->fs.block_size);
    }
    memset(f->block, 0, f->fs.block_size);
    memcpy(f->block + EXT2_SUPER_OFFSET, &f->super, sizeof f->super);
    return write_block(f, 0, f->block, f->fs.block_size);
}

static int write_descriptor_copy(struct format *f, uint32_t group)
{
    const struct ext2_fs *fs = &f->fs;
    uint32_t per_block = fs->block_size / sizeof(struct ext2_group_desc);
    for (uint32_t n = 0; n < fs->gdt_blocks; n++) {
        memset(f->block, 0, fs->block_size);
        for (uint32_t i = 0; i < per_block && n * per_block + i < fs->groups; i++) {
            const struct ext2_group *g = &fs->group[n * per_block + i];
            ((struct ext2_group_desc *)f->block)[i] =
                (struct ext2_group_desc){ put32(g->block_bitmap),
                                          put32(g->inode_bitmap),
                                          put32(g->inode_table),
                                          put16(g->free_blocks),
                                          put16(g->free_inodes),
                                          put16(g->used_dirs),
                                          put16(0),
                                          { put32(0) } };
        }
        int err = write_block(f, ext2_group_first(fs, group) + 1 + n, f->block, fs->block_size);
        if (err)
            return err;
    }
    return 0;
}

/* The superblock of the first group comes last: until then this is no file system. */
static int write_all(struct format *f)
{
    int err = write_directories(f);
    for (uint32_t i = 0; i < f->fs.groups && !err; i++)
        err = write_group(f, i);
    fill_super(f);
    for (uint32_t i = f->fs.groups; i-- > 0 && !err;) {
        if (!ext2_group_has_super(&f->fs, i))
            continue;
        err = write_descriptor_copy(f, i);
        if (!err)
            err = write_super_copy(f, i);
    }
    if (!err && f->disk->flush)
        err = f->disk->flush(f->disk);
    return err;
}

int ext2_format(struct disk *disk, uint32_t block_size, const struct fs_env *env)
{
    if (disk->read_only)
        return -EROFS;
    struct format *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    struct fs_time now = env && env->now ? env->now(env->ctx) : (struct fs_time){ 0, 0 };
    f->disk = disk;
    f->now = (uint32_t)now.sec;
    make_uuid(f, now);
    int err = choose_geometry(f, block_size);
    if (!err)
        err = place_groups(f);
    f->block = err ? NULL : malloc(f->fs.block_size);
    if (!err)
        err = f->block ? write_all(f) : -ENOMEM;
    free(f->block);
    free(f->fs.group);
    free(f);
    return err;
}
