/*
 * Directories: a chain of entries in each block, no entry across a block's end.
 *
 * Entries never move: removing one adds its space to the entry before it (or leaves an unused
 * entry at the start of the block). So a byte offset is a cursor that stays good. Hash trees
 * (EXT2_FL_INDEX) hide in such unused space and are ignored; a change clears the flag, and the
 * directory is a plain one from then on.
 */
#include "ext2fs.h"

#include <string.h>

static int damaged(struct ext2_inode *dir, const struct buf *b, uint32_t offset)
{
    return ext2_damaged(inode_fs(dir), "directory %llu: entry at block %llu, byte %u",
                        (unsigned long long)dir->vn.ino, (unsigned long long)b->block, offset);
}

static uint32_t entry_size(uint32_t name_len)
{
    return (uint32_t)(sizeof(struct ext2_dirent) + name_len + 3) & ~3u;
}

uint32_t ext2_dirent_len(const struct ext2_fs *fs, const struct ext2_dirent *de)
{
    if (fs->incompat & EXT2_INCOMPAT_FILETYPE)
        return de->name_len;
    return de->name_len | (uint32_t)de->file_type << 8;
}

struct ext2_dirent *ext2_dirent_at(struct ext2_inode *dir, struct buf *b, uint32_t offset)
{
    struct ext2_fs *fs = inode_fs(dir);
    struct ext2_dirent *de = (struct ext2_dirent *)(b->data + offset);
    if (offset % 4 == 0 && offset + entry_size(1) <= fs->block_size) {
        uint32_t rec_len = get16(de->rec_len), len = ext2_dirent_len(fs, de);
        uint32_t ino = get32(de->inode);
        if (rec_len % 4 == 0 && rec_len >= entry_size(1) && rec_len <= fs->block_size - offset &&
            (ino == 0 || (len > 0 && len <= FS_NAME_MAX && entry_size(len) <= rec_len &&
                          ino <= fs->inodes_count)))
            return de;
    }
    damaged(dir, b, offset);
    return NULL;
}

int ext2_dir_block(struct ext2_inode *dir, uint64_t n, struct buf **out)
{
    struct ext2_fs *fs = inode_fs(dir);
    uint64_t blocks = dir->core.size >> fs->block_bits;
    uint32_t block, count, max = blocks - n < 16 ? (uint32_t)(blocks - n) : 16;
    int err = ext2_map(dir, n, max, &block, &count);
    if (err)
        return err;
    if (block == 0)
        return ext2_damaged(fs, "directory %llu has a hole", (unsigned long long)dir->vn.ino);
    if (!cache_has(&fs->cache, block))
        cache_prefetch(&fs->cache, block, count);
    return cache_read(&fs->cache, block, out);
}

static uint64_t dir_blocks(const struct ext2_inode *dir)
{
    return dir->core.size >> inode_fs(dir)->block_bits;
}

/* ---- Finding ------------------------------------------------------------------------------- */

static bool names_entry(const struct ext2_fs *fs, const struct ext2_dirent *de, const char *name,
                        size_t len)
{
    return get32(de->inode) != 0 && ext2_dirent_len(fs, de) == len &&
           memcmp(de->name, name, len) == 0;
}

/* Look for the name in one block; 0, -ENOENT or -EUCLEAN. Fills offset, prev and ino of slot. */
static int find_in_block(struct ext2_inode *dir, struct buf *b, const char *name, size_t len,
                         struct dir_slot *slot)
{
    const struct ext2_fs *fs = inode_fs(dir);
    uint32_t prev = 0;
    for (uint32_t off = 0; off < fs->block_size;) {
        const struct ext2_dirent *de = ext2_dirent_at(dir, b, off);
        if (!de)
            return -EUCLEAN;
        if (names_entry(fs, de, name, len)) {
            slot->offset = off;
            slot->prev = prev;
            slot->ino = get32(de->inode);
            return 0;
        }
        prev = off;
        off += get16(de->rec_len);
    }
    return -ENOENT;
}

/* find_in_block() of the directory's block n, which is left pinned in *slot if found. */
static int find_in(struct ext2_inode *dir, uint64_t n, const char *name, size_t len,
                   struct dir_slot *slot)
{
    int err = ext2_dir_block(dir, n, &slot->buf);
    if (err)
        return err;
    slot->block = n;
    err = find_in_block(dir, slot->buf, name, len, slot);
    if (err)
        buf_put(&inode_fs(dir)->cache, slot->buf);
    return err;
}

static int find_by_index(struct ext2_inode *dir, struct dir_index *ix, const char *name, size_t len,
                         struct dir_slot *slot)
{
    uint32_t hash = dirindex_hash(name, len), cursor = 0, pos;
    int err = -ENOENT;
    dirindex_use(ix);
    while (err == -ENOENT && dirindex_next(ix, hash, &cursor, &pos))
        err = find_in(dir, pos >> inode_fs(dir)->block_bits, name, len, slot);
    dirindex_unuse(ix);
    return err;
}

int ext2_dir_find(struct ext2_inode *dir, const char *name, size_t len, struct dir_slot *slot)
{
    int err = 0;
    struct dir_index *ix = dirindex_get(dir, &err);
    if (err)
        return err;
    if (ix)
        return find_by_index(dir, ix, name, len, slot);
    err = -ENOENT;
    for (uint64_t n = 0; n < dir_blocks(dir) && err == -ENOENT; n++)
        err = find_in(dir, n, name, len, slot);
    return err;
}

/* ---- Changing ------------------------------------------------------------------------------ */

static uint8_t file_type(const struct ext2_fs *fs, uint32_t mode)
{
    if (!(fs->incompat & EXT2_INCOMPAT_FILETYPE))
        return 0;
    switch (mode & FS_IFMT) {
    case FS_IFREG: return 1;
    case FS_IFDIR: return 2;
    case FS_IFCHR: return 3;
    case FS_IFBLK: return 4;
    case FS_IFIFO: return 5;
    case FS_IFSOCK: return 6;
    case FS_IFLNK: return 7;
    default: return 0;
    }
}

/* The directory changes: its time stamps do, and a hash tree is no longer kept. */
static int touch(struct ext2_inode *dir)
{
    int err = ext2_inode_change(dir);
    if (err)
        return err;
    dir->core.flags &= ~(uint32_t)EXT2_FL_INDEX;
    dir->core.mtime = dir->core.ctime = fs_now(dir->vn.fs);
    return 0;
}

static int dirty_block(struct ext2_inode *dir, struct buf *b, uint32_t offset, uint32_t len)
{
    return txn_dirty(&inode_fs(dir)->txn, b, offset, len, BUF_DIR);
}

static void fill_entry(const struct ext2_fs *fs, struct ext2_dirent *de, const char *name,
                       size_t len, uint32_t ino, uint32_t mode)
{
    de->inode = put32(ino);
    de->name_len = (uint8_t)len;
    de->file_type = file_type(fs, mode);
    memcpy(de->name, name, len);
}

/* Bytes that a new entry could take within this one. */
static uint32_t room_in(const struct ext2_fs *fs, const struct ext2_dirent *de)
{
    uint32_t used = get32(de->inode) ? entry_size(ext2_dirent_len(fs, de)) : 0;
    return get16(de->rec_len) - used;
}

/* The largest room for a new entry in a block: *offset is the entry that has it. */
static int find_room(struct ext2_inode *dir, struct buf *b, uint32_t *offset, uint32_t *room)
{
    const struct ext2_fs *fs = inode_fs(dir);
    *room = 0;
    for (uint32_t off = 0; off < fs->block_size;) {
        const struct ext2_dirent *de = ext2_dirent_at(dir, b, off);
        if (!de)
            return -EUCLEAN;
        if (room_in(fs, de) > *room) {
            *room = room_in(fs, de);
            *offset = off;
        }
        off += get16(de->rec_len);
    }
    return 0;
}

/* Put the entry into the space of the one at `offset`; the new one's offset comes back. */
static int insert_at(struct ext2_inode *dir, struct buf *b, uint32_t *offset, const char *name,
                     size_t len, uint32_t ino, uint32_t mode)
{
    const struct ext2_fs *fs = inode_fs(dir);
    struct ext2_dirent *old = (struct ext2_dirent *)(b->data + *offset);
    uint32_t all = get16(old->rec_len), keep = all - room_in(fs, old);
    int err = dirty_block(dir, b, *offset, keep + entry_size((uint32_t)len));
    if (err)
        return err;
    struct ext2_dirent *de = (struct ext2_dirent *)((uint8_t *)old + keep);
    if (keep > 0)
        old->rec_len = put16(keep);
    de->rec_len = put16(all - keep);
    fill_entry(fs, de, name, len, ino, mode);
    *offset += keep;
    return 0;
}

/* One more block at the end, a single unused entry; pinned. */
static int append_block(struct ext2_inode *dir, struct buf **out)
{
    struct ext2_fs *fs = inode_fs(dir);
    uint32_t block, count;
    bool is_new;
    if (dir->core.size + fs->block_size > INT32_MAX)
        return -ENOSPC;
    int err = ext2_map_alloc(dir, dir_blocks(dir), 1, &block, &count, &is_new);
    if (!err && !is_new)
        err = ext2_damaged(fs, "directory %llu has a block behind its end",
                           (unsigned long long)dir->vn.ino);
    if (!err)
        err = cache_claim(&fs->cache, block, out);
    if (err)
        return err;
    err = txn_dirty_new(&fs->txn, *out, BUF_DIR);
    if (err) {
        buf_put(&fs->cache, *out);
        return err;
    }
    memset((*out)->data, 0, fs->block_size);
    ((struct ext2_dirent *)(*out)->data)->rec_len = put16(fs->block_size);
    dir->core.size += fs->block_size;
    return 0;
}

/* A block with room for `need` bytes, pinned: number *n, in the entry at *offset. */
static int block_with_room(struct ext2_inode *dir, uint32_t need, uint64_t *n, struct buf **out,
                           uint32_t *offset)
{
    int err = 0;
    struct dir_index *ix = dirindex_get(dir, &err);
    if (err)
        return err;
    for (*n = ix ? dirindex_find_room(ix, need) : 0; *n < dir_blocks(dir); ++*n) {
        uint32_t room;
        err = ext2_dir_block(dir, *n, out);
        if (err)
            return err;
        err = find_room(dir, *out, offset, &room);
        if (!err && room >= need)
            return 0;
        buf_put(&inode_fs(dir)->cache, *out);
        if (err)
            return err;
    }
    *offset = 0;
    return append_block(dir, out);
}

/* Tell the index how much room a block has now. */
static void note_room(struct ext2_inode *dir, uint64_t n, struct buf *b)
{
    uint32_t offset, room;
    if (dir->index && find_room(dir, b, &offset, &room) == 0)
        dirindex_room(dir, n, room);
}

int ext2_dir_insert(struct ext2_inode *dir, const char *name, size_t len, uint32_t ino,
                    uint32_t mode)
{
    struct ext2_fs *fs = inode_fs(dir);
    struct buf *b;
    uint64_t n;
    uint32_t offset;
    int err = touch(dir);
    if (!err)
        err = block_with_room(dir, entry_size((uint32_t)len), &n, &b, &offset);
    if (err)
        return err;
    err = insert_at(dir, b, &offset, name, len, ino, mode);
    if (!err) {
        dirindex_added(dir, name, len, (uint32_t)(n << fs->block_bits) + offset);
        note_room(dir, n, b);
    }
    buf_put(&fs->cache, b);
    return err;
}

int ext2_dir_remove(struct ext2_inode *dir, struct dir_slot *slot)
{
    struct ext2_fs *fs = inode_fs(dir);
    struct ext2_dirent *de = (struct ext2_dirent *)(slot->buf->data + slot->offset);
    struct ext2_dirent *prev = (struct ext2_dirent *)(slot->buf->data + slot->prev);
    uint32_t len = ext2_dirent_len(fs, de);
    int err = touch(dir);
    if (!err)
        err = dirty_block(dir, slot->buf, slot->offset, sizeof *de);
    if (!err && slot->prev != slot->offset)
        err = dirty_block(dir, slot->buf, slot->prev, sizeof *prev);
    if (err)
        return err;
    dirindex_removed(dir, de->name, len, (uint32_t)(slot->block << fs->block_bits) + slot->offset);
    de->inode = put32(0);
    if (slot->prev != slot->offset)
        prev->rec_len = put16(get16(prev->rec_len) + get16(de->rec_len));
    note_room(dir, slot->block, slot->buf);
    return 0;
}

int ext2_dir_replace(struct ext2_inode *dir, struct dir_slot *slot, uint32_t ino, uint32_t mode)
{
    struct ext2_fs *fs = inode_fs(dir);
    struct ext2_dirent *de = (struct ext2_dirent *)(slot->buf->data + slot->offset);
    int err = touch(dir);
    if (!err)
        err = dirty_block(dir, slot->buf, slot->offset, sizeof *de);
    if (err)
        return err;
    de->inode = put32(ino);
    if (fs->incompat & EXT2_INCOMPAT_FILETYPE)
        de->file_type = file_type(fs, mode);
    return 0;
}

int ext2_dir_make(struct ext2_inode *dir, uint32_t parent)
{
    struct ext2_fs *fs = inode_fs(dir);
    struct buf *b;
    int err = append_block(dir, &b);
    if (err)
        return err;
    struct ext2_dirent *dot = (struct ext2_dirent *)b->data;
    struct ext2_dirent *dotdot = (struct ext2_dirent *)(b->data + entry_size(1));
    dot->rec_len = put16(entry_size(1));
    fill_entry(fs, dot, ".", 1, (uint32_t)dir->vn.ino, FS_IFDIR);
    dotdot->rec_len = put16(fs->block_size - entry_size(1));
    fill_entry(fs, dotdot, "..", 2, parent, FS_IFDIR);
    buf_put(&fs->cache, b);
    return 0;
}

/* ---- Reading ------------------------------------------------------------------------------- */

static bool is_dots(const struct ext2_dirent *de, uint32_t len)
{
    return de->name[0] == '.' && (len == 1 || (len == 2 && de->name[1] == '.'));
}

int ext2_dir_is_empty(struct ext2_inode *dir, bool *empty)
{
    struct ext2_fs *fs = inode_fs(dir);
    *empty = true;
    for (uint64_t n = 0; n < dir_blocks(dir) && *empty; n++) {
        struct buf *b;
        int err = ext2_dir_block(dir, n, &b);
        if (err)
            return err;
        for (uint32_t off = 0; off < fs->block_size && *empty;) {
            const struct ext2_dirent *de = ext2_dirent_at(dir, b, off);
            if (!de) {
                buf_put(&fs->cache, b);
                return -EUCLEAN;
            }
            if (get32(de->inode) && !is_dots(de, ext2_dirent_len(fs, de)))
                *empty = false;
            off += get16(de->rec_len);
        }
        buf_put(&fs->cache, b);
    }
    return 0;
}

static uint8_t dirent_type(const struct ext2_fs *fs, const struct ext2_dirent *de)
{
    static const uint8_t types[] = { 0,
                                     FS_IFREG >> 12,
                                     FS_IFDIR >> 12,
                                     FS_IFCHR >> 12,
                                     FS_IFBLK >> 12,
                                     FS_IFIFO >> 12,
                                     FS_IFSOCK >> 12,
                                     FS_IFLNK >> 12 };
    if (!(fs->incompat & EXT2_INCOMPAT_FILETYPE) || de->file_type >= sizeof types)
        return 0;
    return types[de->file_type];
}

/* Show the entries of one block that start at or behind byte `from`; *pos moves with them.
 * Returns 1 when emit said stop. */
static int show_block(struct ext2_inode *dir, struct buf *b, uint64_t base, uint64_t *pos,
                      fs_dirent_fn emit, void *arg)
{
    const struct ext2_fs *fs = inode_fs(dir);
    for (uint32_t off = 0; off < fs->block_size;) {
        const struct ext2_dirent *de = ext2_dirent_at(dir, b, off);
        if (!de)
            return -EUCLEAN;
        uint64_t next = base + off + get16(de->rec_len);
        uint32_t len = ext2_dirent_len(fs, de);
        if (base + off >= *pos) {
            /* A name that no path can spell is shown to nobody. */
            bool show =
                get32(de->inode) && !memchr(de->name, '/', len) && !memchr(de->name, '\0', len);
            struct fs_dirent entry = { get32(de->inode), next, dirent_type(fs, de), (uint8_t)len,
                                       de->name };
            if (show && !emit(arg, &entry))
                return 1;
            *pos = next;
        }
        off += get16(de->rec_len);
    }
    *pos = base + fs->block_size;
    return 0;
}

int ext2_readdir(struct vnode *vn, uint64_t *pos, fs_dirent_fn emit, void *arg)
{
    struct ext2_inode *dir = inode_of(vn);
    struct ext2_fs *fs = ext2_of(vn);
    if (vn->removed)
        return 1;
    while (*pos < dir->core.size) {
        uint64_t n = *pos >> fs->block_bits;
        struct buf *b;
        int err = ext2_dir_block(dir, n, &b);
        if (err)
            return err;
        err = show_block(dir, b, n << fs->block_bits, pos, emit, arg);
        buf_put(&fs->cache, b);
        if (err)
            return err < 0 ? err : 0;
    }
    return 1;
}
