/*
 * The check of a file system that was not unmounted cleanly: may we write to it all the same?
 *
 * Writing does harm where the bitmaps or link counts promise less than is really used: then a
 * block or inode would be given away twice. Where they promise more, something is lost, which is a
 * pity but safe. e2fsck repairs both; this only looks.
 */
#include "ext2fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESIZE_INO = 7 };

struct check {
    struct ext2_fs *fs;
    uint8_t *used;              /* a bit per block: somebody owns it */
    uint8_t *live;              /* a bit per inode: in use, as far as bitmap and inode say */
    uint16_t *links;            /* per inode: links it claims, minus names found */
    bool lost;
    char *what;
};

static int unsafe(struct check *c, const char *what, uint32_t number)
{
    snprintf(c->what, FS_REASON_MAX, "%s %u", what, (unsigned)number);
    return -EUCLEAN;
}

static bool get_bit(const uint8_t *map, uint32_t i)
{
    return map[i / 8] >> (i % 8) & 1;
}

static void set_bit(uint8_t *map, uint32_t i)
{
    map[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* ---- Who owns which block ------------------------------------------------------------------ */

static int own_block(struct check *c, uint32_t block, uint32_t ino)
{
    if (!ext2_block_ok(c->fs, block))
        return unsafe(c, "a block pointer of inode", ino);
    if (get_bit(c->used, block))
        return unsafe(c, "two owners of block", block);
    set_bit(c->used, block);
    return 0;
}

/* A pointer block and all below it. Ends in any case: no block is entered twice. */
static int own_tree(struct check *c, uint32_t block, unsigned level, uint32_t ino)
{
    struct ext2_fs *fs = c->fs;
    int err = own_block(c, block, ino);
    if (err || level == 0)
        return err;
    struct buf *b;
    err = cache_read(&fs->cache, block, &b);
    if (err)
        return err;
    for (uint32_t i = 0; i < fs->ptrs && !err; i++) {
        uint32_t ptr = get32(((const le32 *)b->data)[i]);
        if (ptr)
            err = own_tree(c, ptr, level - 1, ino);
    }
    buf_put(&fs->cache, b);
    return err;
}

static bool has_pointers(const struct ext2_inode *ip)
{
    uint32_t type = vnode_type(&ip->vn);
    return type == FS_IFREG || type == FS_IFDIR || (type == FS_IFLNK && !ext2_symlink_is_fast(ip));
}

static int own_inode_blocks(struct check *c, struct ext2_inode *ip)
{
    uint32_t ino = (uint32_t)ip->vn.ino;
    if (ip->core.file_acl)
        set_bit(c->used, ip->core.file_acl);    /* may be shared */
    if (!has_pointers(ip))
        return 0;
    int err = 0;
    for (unsigned i = 0; i < EXT2_NPTR && !err; i++) {
        if (ip->core.ptr[i])
            err = own_tree(c, ip->core.ptr[i], i < EXT2_NDIR ? 0 : i - EXT2_NDIR + 1, ino);
    }
    return err;
}

/* The inode kept for growing points to reserved descriptor blocks: only its own block counts. */
static int own_resize_inode(struct check *c, const struct ext2_inode *ip)
{
    uint32_t block = ip->core.ptr[EXT2_NDIR + 1];
    return block ? own_block(c, block, RESIZE_INO) : 0;
}

static int check_inode(struct check *c, uint32_t ino)
{
    uint32_t links;
    int err = ext2_inode_links(c->fs, ino, &links);
    if (err)
        return err;
    if (links == 0) {           /* removed while open, or never finished */
        if (ino >= c->fs->first_ino)
            c->lost = true;
        return 0;
    }
    struct vnode *vn;
    err = vnode_find(&c->fs->fs, ino, &vn);
    if (err)
        return err == -EUCLEAN ? unsafe(c, "inode", ino) : err;
    set_bit(c->live, ino);
    c->links[ino] = (uint16_t)inode_of(vn)->core.nlink;
    err = ino == RESIZE_INO ? own_resize_inode(c, inode_of(vn)) : own_inode_blocks(c, inode_of(vn));
    vnode_put(vn);
    return err;
}

static int check_inodes(struct check *c)
{
    struct ext2_fs *fs = c->fs;
    int err = 0;
    for (uint32_t g = 0; g < fs->groups && !err; g++) {
        struct buf *b;
        uint32_t unused = 0;
        err = cache_read(&fs->cache, fs->group[g].inode_bitmap, &b);
        if (err)
            return err;
        for (uint32_t i = 0; i < fs->inodes_per_group && !err; i++) {
            if (get_bit(b->data, i))
                err = check_inode(c, g * fs->inodes_per_group + i + 1);
            else
                unused++;
        }
        buf_put(&fs->cache, b);
        if (!err && fs->group[g].free_inodes > unused)
            return unsafe(c, "free inode count of group", g);
        if (fs->group[g].free_inodes != unused)
            c->lost = true;
    }
    return err;
}

/* ---- Which names lead where ---------------------------------------------------------------- */

static int check_name(struct check *c, struct ext2_inode *dir, const struct ext2_dirent *de)
{
    uint32_t ino = get32(de->inode);
    if (ino == 0)
        return 0;
    if (!get_bit(c->live, ino) || (ino < c->fs->first_ino && ino != EXT2_ROOT_INO))
        return unsafe(c, "a name of an unused inode in directory", (uint32_t)dir->vn.ino);
    if (c->links[ino] == 0)
        return unsafe(c, "more names than links of inode", ino);
    c->links[ino]--;
    return 0;
}

static int check_entries(struct check *c, struct ext2_inode *dir, struct buf *b)
{
    int err = 0;
    for (uint32_t off = 0; !err && off < c->fs->block_size;) {
        const struct ext2_dirent *de = ext2_dirent_at(dir, b, off);
        if (!de)
            return unsafe(c, "directory", (uint32_t)dir->vn.ino);
        err = check_name(c, dir, de);
        off += get16(de->rec_len);
    }
    return err;
}

static int check_directory(struct check *c, struct ext2_inode *dir)
{
    struct ext2_fs *fs = c->fs;
    for (uint64_t n = 0; n < dir->core.size >> fs->block_bits; n++) {
        struct buf *b;
        int err = ext2_dir_block(dir, n, &b);
        if (err)
            return err == -EUCLEAN ? unsafe(c, "directory", (uint32_t)dir->vn.ino) : err;
        err = check_entries(c, dir, b);
        buf_put(&fs->cache, b);
        if (err)
            return err;
    }
    return 0;
}

static int check_names(struct check *c)
{
    struct ext2_fs *fs = c->fs;
    int err = 0;
    for (uint32_t ino = EXT2_ROOT_INO; ino <= fs->inodes_count && !err; ino++) {
        struct vnode *vn;
        if (!get_bit(c->live, ino))
            continue;
        err = vnode_find(&fs->fs, ino, &vn);
        if (err)
            return err;
        if (vnode_type(vn) == FS_IFDIR)
            err = check_directory(c, inode_of(vn));
        vnode_put(vn);
    }
    for (uint32_t ino = fs->first_ino; ino <= fs->inodes_count && !err; ino++) {
        if (c->links[ino] > 0)
            c->lost = true;     /* fewer names than links, or none */
    }
    return err;
}

/* ---- What the block bitmaps say ------------------------------------------------------------ */

static int check_bitmaps(struct check *c)
{
    struct ext2_fs *fs = c->fs;
    for (uint32_t g = 0; g < fs->groups; g++) {
        uint32_t first = ext2_group_first(fs, g), unused = 0;
        struct buf *b;
        int err = cache_read(&fs->cache, fs->group[g].block_bitmap, &b);
        for (uint32_t i = 0; !err && i < ext2_group_blocks(fs, g); i++) {
            bool used = get_bit(c->used, first + i) || !ext2_block_ok(fs, first + i);
            bool marked = get_bit(b->data, i);
            unused += !marked;
            if (used && !marked) {
                err = unsafe(c, "not marked as in use: block", first + i);
                buf_put(&fs->cache, b);
            } else if (marked && !used) {
                c->lost = true;
            }
        }
        if (err)
            return err;
        buf_put(&fs->cache, b);
        if (fs->group[g].free_blocks > unused)
            return unsafe(c, "free block count of group", g);
        if (fs->group[g].free_blocks != unused)
            c->lost = true;
    }
    return 0;
}

int ext2_check(struct ext2_fs *fs, bool *lost, char what[FS_REASON_MAX])
{
    struct check c = { .fs = fs, .what = what };
    snprintf(what, FS_REASON_MAX, "its structures");
    c.used = calloc(fs->blocks_count / 8 + 1, 1);
    c.live = calloc(fs->inodes_count / 8 + 1, 1);
    c.links = calloc((size_t)fs->inodes_count + 1, sizeof *c.links);
    int err = c.used && c.live && c.links ? 0 : -ENOMEM;
    fs->checking = true;
    if (!err)
        err = check_inodes(&c);
    if (!err)
        err = check_names(&c);
    if (!err)
        err = check_bitmaps(&c);
    fs->checking = false;
    vnode_trim(&fs->fs, 0);     /* no reserved inode stays in the table */
    free(c.used);
    free(c.live);
    free(c.links);
    *lost = c.lost;
    return err;
}
