/* Allocation of blocks: one bitmap per group, a set bit is a block in use. */
#include "ext2fs.h"

#include <string.h>

int ext2_group_store(struct ext2_fs *fs, uint32_t group)
{
    uint32_t per_block = fs->block_size / sizeof(struct ext2_group_desc);
    struct buf *b;
    int err = cache_read(&fs->cache, fs->first_data_block + 1 + group / per_block, &b);
    if (err)
        return err;
    struct ext2_group_desc *desc = (struct ext2_group_desc *)b->data + group % per_block;
    err = txn_dirty(&fs->txn, b, (size_t)((uint8_t *)desc - b->data), sizeof *desc, BUF_META);
    if (!err) {
        const struct ext2_group *g = &fs->group[group];
        desc->bg_free_blocks_count = put16(g->free_blocks);
        desc->bg_free_inodes_count = put16(g->free_inodes);
        desc->bg_used_dirs_count = put16(g->used_dirs);
    }
    buf_put(&fs->cache, b);
    return err;
}

int ext2_count_free(struct ext2_fs *fs, int64_t blocks, int64_t inodes)
{
    size_t offset = (size_t)((uint8_t *)&fs->super->s_free_blocks_count - fs->super_buf->data);
    int err = txn_dirty(&fs->txn, fs->super_buf, offset, 2 * sizeof(le32), BUF_META);
    if (err)
        return err;
    struct ext2_super *s = fs->super;
    s->s_free_blocks_count = put32((uint64_t)(get32(s->s_free_blocks_count) + blocks));
    s->s_free_inodes_count = put32((uint64_t)(get32(s->s_free_inodes_count) + inodes));
    return 0;
}

/* Change the group's number of free blocks by `delta`, everywhere it is kept. */
static int count_blocks(struct ext2_fs *fs, uint32_t group, int64_t delta)
{
    struct ext2_group *g = &fs->group[group];
    int err = txn_save(&fs->txn, g, sizeof *g);
    if (err)
        return err;
    g->free_blocks = (uint32_t)(g->free_blocks + delta);
    err = ext2_group_store(fs, group);
    return err ? err : ext2_count_free(fs, delta, 0);
}

static bool bit_is_set(const uint8_t *map, uint32_t i)
{
    return map[i / 8] >> (i % 8) & 1;
}

/* The first clear bit in [from, to), or `to`. */
static uint32_t find_clear(const uint8_t *map, uint32_t from, uint32_t to)
{
    uint32_t i = from;
    while (i < to) {
        if (i % 64 == 0 && i + 64 <= to) {
            uint64_t word;
            memcpy(&word, map + i / 8, sizeof word);
            if (word == UINT64_MAX) {
                i += 64;
                continue;
            }
            return i + (uint32_t)__builtin_ctzll(~word);
        }
        if (!bit_is_set(map, i))
            return i;
        i++;
    }
    return to;
}

/* A whole free byte in [from, to): the start of eight free blocks; `to` if there is none. */
static uint32_t find_clear_byte(const uint8_t *map, uint32_t from, uint32_t to)
{
    for (uint32_t i = (from + 7) / 8; i < to / 8; i++) {
        if (map[i] == 0)
            return i * 8;
    }
    return to;
}

/* A place for `want` blocks in the group's map, preferably at or behind `from`; `size` if full. */
static uint32_t find_place(const uint8_t *map, uint32_t size, uint32_t from, uint32_t want)
{
    if (from < size && !bit_is_set(map, from))
        return from;
    uint32_t i = size;
    if (want >= 8) {
        i = find_clear_byte(map, from, size);
        if (i == size)
            i = find_clear_byte(map, 0, size);
    }
    if (i == size)
        i = find_clear(map, from, size);
    if (i == size)
        i = find_clear(map, 0, size);
    return i;
}

static int set_bits(struct ext2_fs *fs, struct buf *b, uint32_t first, uint32_t count, bool value)
{
    uint32_t byte = first / 8, bytes = (first + count - 1) / 8 - byte + 1;
    int err = txn_dirty(&fs->txn, b, byte, bytes, BUF_META);
    if (err)
        return err;
    for (uint32_t i = first; i < first + count; i++) {
        uint8_t mask = (uint8_t)(1u << (i % 8));
        if (value)
            b->data[i / 8] |= mask;
        else
            b->data[i / 8] &= (uint8_t)~mask;
    }
    return 0;
}

/* Allocate in one group; *got is 0 if its map is full though its counter says otherwise. */
static int alloc_in_group(struct ext2_fs *fs, uint32_t group, uint32_t from, uint32_t want,
                          uint32_t *block, uint32_t *got)
{
    uint32_t size = ext2_group_blocks(fs, group), first = ext2_group_first(fs, group);
    struct buf *b;
    int err = cache_read(&fs->cache, fs->group[group].block_bitmap, &b);
    if (err)
        return err;
    uint32_t i = find_place(b->data, size, from, want), n = 0;
    if (want > fs->group[group].free_blocks)
        want = fs->group[group].free_blocks;
    while (n < want && i + n < size && !bit_is_set(b->data, i + n) &&
           ext2_block_ok(fs, first + i + n))
        n++;
    if (n == 0)
        err = ext2_damaged(fs, "block bitmap of group %u", group);
    if (!err)
        err = set_bits(fs, b, i, n, true);
    buf_put(&fs->cache, b);
    if (!err)
        err = count_blocks(fs, group, -(int64_t)n);
    *block = first + i;
    *got = n;
    return err;
}

int ext2_alloc_blocks(struct ext2_fs *fs, uint32_t goal, uint32_t want, uint32_t *block,
                      uint32_t *got)
{
    if (goal < fs->first_data_block || goal >= fs->blocks_count)
        goal = fs->first_data_block;
    uint32_t start = (goal - fs->first_data_block) / fs->blocks_per_group;
    uint32_t from = (goal - fs->first_data_block) % fs->blocks_per_group;
    for (uint32_t n = 0; n < fs->groups; n++, from = 0) {
        uint32_t group = (start + n) % fs->groups;
        if (fs->group[group].free_blocks > 0)
            return alloc_in_group(fs, group, from, want, block, got);
    }
    return -ENOSPC;
}

/* Free blocks that lie in one group. */
static int free_in_group(struct ext2_fs *fs, uint32_t group, uint32_t first, uint32_t count)
{
    struct buf *b;
    int err = cache_read(&fs->cache, fs->group[group].block_bitmap, &b);
    if (err)
        return err;
    for (uint32_t i = first; i < first + count && !err; i++) {
        if (!bit_is_set(b->data, i))
            err = ext2_damaged(fs, "block %u is freed but not in use",
                               ext2_group_first(fs, group) + i);
    }
    if (!err && fs->group[group].free_blocks + count > ext2_group_blocks(fs, group))
        err = ext2_damaged(fs, "free block count of group %u", group);
    if (!err)
        err = set_bits(fs, b, first, count, false);
    buf_put(&fs->cache, b);
    return err ? err : count_blocks(fs, group, count);
}

int ext2_free_blocks(struct ext2_fs *fs, uint32_t block, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!ext2_block_ok(fs, block + i))
            return ext2_damaged(fs, "block pointer %u", block + i);
    }
    int err = txn_freed(&fs->txn, block, count);
    while (count > 0 && !err) {
        uint32_t group = (block - fs->first_data_block) / fs->blocks_per_group;
        uint32_t first = (block - fs->first_data_block) % fs->blocks_per_group;
        uint32_t n = fs->blocks_per_group - first;
        if (n > count)
            n = count;
        err = free_in_group(fs, group, first, n);
        block += n;
        count -= n;
    }
    return err;
}
