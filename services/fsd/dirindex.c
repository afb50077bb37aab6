/*
 * Names of a large directory by hash, and the room in its blocks: so that looking up and adding a
 * name costs the same in a directory of ten thousand entries as in one of ten.
 *
 * Only in memory: made by reading the directory once, kept up with each change, dropped when
 * memory runs short (ext2_fs.index_max for all) or a transaction is aborted. It is only a hint:
 * what it points to is read and compared, so a wrong one could cost time but no harm.
 */
#include "ext2fs.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_DIR_SIZE = 8192, POS_NONE = UINT32_MAX, POS_GONE = UINT32_MAX - 1 };

struct slot {
    uint32_t hash;
    uint32_t pos;               /* of the entry in the directory; or POS_* */
};

struct dir_index {
    struct ext2_inode *dir;
    struct dir_index *prev, *next;      /* all indexes of the file system */
    unsigned users;             /* who will look at it again after suspending */
    struct slot *slots;         /* open addressing, linear probing */
    uint32_t mask, used;        /* used: entries and tombstones */
    uint16_t *room;             /* per block: bytes for a new entry, at least so many */
    uint32_t nblocks, room_size;
    uint32_t hint;              /* no block below it has more than a little room */
};

enum { LITTLE_ROOM = 32 };

uint32_t dirindex_hash(const char *name, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * 16777619u;
    return h ^ (h >> 15);
}

static size_t index_bytes(const struct dir_index *ix)
{
    return sizeof *ix + ((size_t)ix->mask + 1) * sizeof(struct slot) +
           (size_t)ix->room_size * sizeof(uint16_t);
}

static void destroy(struct dir_index *ix)
{
    free(ix->slots);
    free(ix->room);
    free(ix);
}

void dirindex_drop(struct ext2_inode *dir)
{
    struct dir_index *ix = dir->index;
    if (!ix)
        return;
    struct ext2_fs *fs = inode_fs(dir);
    fs->index_bytes -= index_bytes(ix);
    *(ix->prev ? &ix->prev->next : &fs->indexes) = ix->next;
    if (ix->next)
        ix->next->prev = ix->prev;
    dir->index = NULL;
    destroy(ix);
}

/* Make room for `bytes` more by dropping indexes nobody uses now; false if there is not enough. */
static bool make_space(struct ext2_fs *fs, size_t bytes)
{
    for (struct dir_index *ix = fs->indexes, *next; ix; ix = next) {
        next = ix->next;
        if (fs->index_bytes + bytes <= fs->index_max)
            break;
        if (ix->users == 0)
            dirindex_drop(ix->dir);
    }
    return fs->index_bytes + bytes <= fs->index_max;
}

/* ---- The table ----------------------------------------------------------------------------- */

static void put_slot(struct dir_index *ix, uint32_t hash, uint32_t pos)
{
    uint32_t i = hash & ix->mask;
    while (ix->slots[i].pos != POS_NONE)
        i = (i + 1) & ix->mask;
    ix->slots[i] = (struct slot){ hash, pos };
    ix->used++;
}

static bool alloc_slots(struct dir_index *ix, uint32_t count)
{
    ix->slots = malloc(count * sizeof(struct slot));
    if (!ix->slots)
        return false;
    memset(ix->slots, 0xFF, count * sizeof(struct slot));
    ix->mask = count - 1;
    ix->used = 0;
    return true;
}

/* Keep the table at most two thirds full. */
static bool grow_slots(struct dir_index *ix)
{
    if ((uint64_t)ix->used * 3 < ((uint64_t)ix->mask + 1) * 2)
        return true;
    struct slot *old = ix->slots;
    uint32_t n = ix->mask + 1, live = 0;
    for (uint32_t i = 0; i < n; i++)
        live += old[i].pos < POS_GONE;
    uint32_t count = n;
    while ((uint64_t)live * 3 >= count)
        count *= 2;
    if (!alloc_slots(ix, count)) {
        ix->slots = old;
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (old[i].pos < POS_GONE)
            put_slot(ix, old[i].hash, old[i].pos);
    }
    free(old);
    return true;
}

bool dirindex_next(struct dir_index *ix, uint32_t hash, uint32_t *cursor, uint32_t *pos)
{
    while (*cursor <= ix->mask) {
        const struct slot *slot = &ix->slots[(hash + (*cursor)++) & ix->mask];
        if (slot->pos == POS_NONE)
            return false;
        if (slot->pos != POS_GONE && slot->hash == hash) {
            *pos = slot->pos;
            return true;
        }
    }
    return false;
}

static bool set_room(struct dir_index *ix, uint32_t block, uint32_t room)
{
    if (block >= ix->room_size) {
        uint32_t size = block + block / 2 + 16;
        uint16_t *bigger = realloc(ix->room, size * sizeof *bigger);
        if (!bigger)
            return false;
        memset(bigger + ix->room_size, 0, (size - ix->room_size) * sizeof *bigger);
        ix->room = bigger;
        ix->room_size = size;
    }
    if (block >= ix->nblocks)
        ix->nblocks = block + 1;
    ix->room[block] = (uint16_t)room;
    if (room > LITTLE_ROOM && block < ix->hint)
        ix->hint = block;
    return true;
}

uint64_t dirindex_find_room(struct dir_index *ix, uint32_t need)
{
    while (ix->hint < ix->nblocks && ix->room[ix->hint] <= LITTLE_ROOM)
        ix->hint++;
    uint32_t n = ix->hint;
    while (n < ix->nblocks && ix->room[n] < need)
        n++;
    return n;
}

/* ---- Making one ---------------------------------------------------------------------------- */

static int add_block(struct ext2_inode *dir, struct dir_index *ix, uint32_t n, struct buf *b)
{
    const struct ext2_fs *fs = inode_fs(dir);
    uint32_t most = 0;
    for (uint32_t off = 0; off < fs->block_size;) {
        const struct ext2_dirent *de = ext2_dirent_at(dir, b, off);
        if (!de)
            return -EUCLEAN;
        uint32_t len = ext2_dirent_len(fs, de), rec_len = get16(de->rec_len), room = rec_len;
        if (get32(de->inode)) {
            if (!grow_slots(ix))
                return -ENOMEM;
            put_slot(ix, dirindex_hash(de->name, len), (n << fs->block_bits) + off);
            room -= (uint32_t)(sizeof *de + len + 3) & ~3u;
        }
        if (room > most)
            most = room;
        off += rec_len;
    }
    return set_room(ix, n, most) ? 0 : -ENOMEM;
}

/* Read the whole directory. May suspend: the new index is not known to anybody yet. */
static int build(struct ext2_inode *dir, struct dir_index *ix)
{
    struct ext2_fs *fs = inode_fs(dir);
    uint64_t blocks = dir->core.size >> fs->block_bits;
    if (!alloc_slots(ix, 256))
        return -ENOMEM;
    for (uint32_t n = 0; n < blocks; n++) {
        struct buf *b;
        int err = ext2_dir_block(dir, n, &b);
        if (err)
            return err;
        err = add_block(dir, ix, n, b);
        buf_put(&fs->cache, b);
        if (err)
            return err;
        if (index_bytes(ix) > fs->index_max)
            return -ENOMEM;
    }
    return 0;
}

static void publish(struct ext2_inode *dir, struct dir_index *ix)
{
    struct ext2_fs *fs = inode_fs(dir);
    ix->dir = dir;
    ix->next = fs->indexes;
    if (ix->next)
        ix->next->prev = ix;
    fs->indexes = ix;
    fs->index_bytes += index_bytes(ix);
    dir->index = ix;
}

struct dir_index *dirindex_get(struct ext2_inode *dir, int *err)
{
    struct ext2_fs *fs = inode_fs(dir);
    if (dir->index || dir->core.size < MIN_DIR_SIZE)
        return dir->index;
    /* 16 bytes of a directory hold one entry at most, and its slots take 8 to 24. */
    if (dir->core.size > fs->index_max || dir->core.size > POS_GONE)
        return NULL;
    struct dir_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return NULL;
    *err = build(dir, ix);
    if (!*err && !dir->index && make_space(fs, index_bytes(ix))) {
        publish(dir, ix);
        return ix;
    }
    destroy(ix);
    if (*err == -ENOMEM)
        *err = 0;               /* it goes without, only slower */
    return dir->index;
}

void dirindex_use(struct dir_index *ix)
{
    ix->users++;
}

void dirindex_unuse(struct dir_index *ix)
{
    ix->users--;
}

/* ---- Keeping up ---------------------------------------------------------------------------- */

void dirindex_added(struct ext2_inode *dir, const char *name, size_t len, uint32_t pos)
{
    struct dir_index *ix = dir->index;
    if (!ix)
        return;
    struct ext2_fs *fs = inode_fs(dir);
    size_t before = index_bytes(ix);
    bool ok = grow_slots(ix);
    fs->index_bytes += index_bytes(ix) - before;
    if (ok && fs->index_bytes <= fs->index_max)
        put_slot(ix, dirindex_hash(name, len), pos);
    else
        dirindex_drop(dir);
}

void dirindex_removed(struct ext2_inode *dir, const char *name, size_t len, uint32_t pos)
{
    struct dir_index *ix = dir->index;
    if (!ix)
        return;
    for (uint32_t i = dirindex_hash(name, len) & ix->mask; ix->slots[i].pos != POS_NONE;
         i = (i + 1) & ix->mask) {
        if (ix->slots[i].pos == pos) {
            ix->slots[i].pos = POS_GONE;
            return;
        }
    }
}

void dirindex_room(struct ext2_inode *dir, uint64_t block, uint32_t room)
{
    struct dir_index *ix = dir->index;
    if (!ix)
        return;
    size_t before = index_bytes(ix);
    bool ok = set_room(ix, (uint32_t)block, room);
    inode_fs(dir)->index_bytes += index_bytes(ix) - before;
    if (!ok)
        dirindex_drop(dir);
}
