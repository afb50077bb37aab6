/*
 * libFuzzer on ext2: the input is a disk image, and in its unused first bytes which requests fail.
 * It is mounted, looked through, changed, unmounted;
 * whatever is in it, nothing crashes, hangs, or overwrites what says where the file system's own
 * structures are. The mutator aims at the blocks that hold something, and at numbers in them.
 *
 * fuzz_ext2 --seeds FOLDER makes the seeds with mke2fs.
 *
 * SOURCES: services/fsd/balloc.c services/fsd/cache.c services/fsd/check.c services/fsd/dir.c services/fsd/dirindex.c services/fsd/file.c services/fsd/fs.c services/fsd/inode.c services/fsd/map.c services/fsd/namei.c services/fsd/super.c services/fsd/txn.c
 */
#include "fs_tour.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

enum { BLOCK = 1024, MAX_IMAGE = 1 << 20 };

/* What no operation may change: the geometry, and where each group's bitmaps and inodes are. */
struct fixed {
    uint8_t geometry[44], features[16];
    uint8_t places[64][12];
};

static struct fixed fixed_part(const struct image *im)
{
    struct fixed f = { .geometry = { 0 } };
    const uint8_t *s = im->data + 1024;
    uint32_t bits = s[24] & 3;
    memcpy(f.geometry, s, 12);                  /* up to the free counts, and behind them */
    memcpy(f.geometry + 12, s + 20, 24);
    memcpy(f.features, s + 84, 16);             /* first inode, inode size … incompat */
    f.features[6] = f.features[7] = 0;
    size_t at = bits == 0 ? 2048 : (size_t)1024 << bits;
    for (int g = 0; g < 64 && at + 32 <= im->bytes; g++, at += 32)
        memcpy(f.places[g], im->data + at, 12);
    return f;
}

static unsigned groups_of(const struct image *im)
{
    uint32_t blocks, first, per;
    memcpy(&blocks, im->data + 1024 + 4, 4);
    memcpy(&first, im->data + 1024 + 20, 4);
    memcpy(&per, im->data + 1024 + 32, 4);
    uint32_t n = (blocks - first - 1) / per + 1;
    return n < 64 ? n : 64;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4096 || size > MAX_IMAGE)
        return 0;
    struct image *im = image_new(size & ~(size_t)511);
    memcpy(im->data, data, im->bytes);
    im->fail_read = im->data[0] ? im->data[0] : im->data[1] << 8;
    im->fail_write = im->data[2];
    im->fail_on = im->data[3] & 1;
    im->fail_err = -EIO;
    struct fixed before = fixed_part(im);
    if (use_anyhow(im)) {
        struct fixed after = fixed_part(im);
        unsigned groups = groups_of(im);
        bool same = !memcmp(before.geometry, after.geometry, sizeof before.geometry) &&
                    !memcmp(before.features, after.features, sizeof before.features) &&
                    !memcmp(before.places, after.places, groups * sizeof before.places[0]);
        if (!same) {
            fprintf(stderr, "the file system overwrote its own structures\n");
            abort();
        }
    }
    image_free(im);
    return 0;
}

/* ---- The mutator --------------------------------------------------------------------------- */

static bool is_used(const uint8_t *block)
{
    return block[0] || memcmp(block, block + 1, BLOCK - 1);
}

/* A block that holds something; the first ones, with superblock and descriptors, more often. */
static uint8_t *pick_block(uint8_t *data, size_t size)
{
    size_t blocks = size / BLOCK;
    if (check_random() % 4 == 0)
        return data + BLOCK * (1 + check_random() % 4);
    for (int tries = 0; tries < 100; tries++) {
        uint8_t *block = data + BLOCK * (check_random() % blocks);
        if (is_used(block) && block[8] != 'x')  /* not the contents of the large file */
            return block;
    }
    return data + BLOCK;
}

static void change_number(uint8_t *block, size_t blocks)
{
    static const uint32_t odd[] = { 0,      1,          2,          3,         4,      8,
                                    11,     12,         0x7F,       0x80,      0xFF,   0x100,
                                    0x3FF,  0x400,      0x1000,     0x4000,    0x7FFF, 0x8000,
                                    0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF };
    unsigned bytes = 1u << check_random() % 3;
    uint8_t *at = block + check_random() % (BLOCK / bytes) * bytes;
    if (check_random() % 2) {           /* where there is a number already */
        for (int tries = 0; tries < 60 && !*at; tries++)
            at = block + check_random() % (BLOCK / bytes) * bytes;
    }
    uint32_t value = 0;
    memcpy(&value, at, bytes);
    switch (check_random() % 5) {
    case 0: value = odd[check_random() % (sizeof odd / sizeof odd[0])]; break;
    case 1: value = (uint32_t)(check_random() % blocks); break;
    case 2: value += (uint32_t)(check_random() % 9) - 4; break;
    case 3: value ^= 1u << check_random() % (8 * bytes); break;
    default: value = (uint32_t)(check_random() >> 13);
    }
    memcpy(at, &value, bytes);
}

static void set_number(uint8_t *at, unsigned bytes, uint32_t value)
{
    memcpy(at, &value, bytes);
}

static uint32_t number(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

/* One of the entries of a block that is (or once was) a directory's; NULL if it does not look so. */
static uint8_t *pick_entry(uint8_t *block, uint32_t size)
{
    uint32_t offset = 0, n = 0;
    uint8_t *picked = NULL;
    while (offset + 12 <= size) {
        uint32_t len = number(block + offset + 4, 2);
        if (len < 12 || len % 4 || len > size - offset)
            break;
        if (check_random() % ++n == 0 || offset + len == size)
            picked = block + offset;
        offset += len;
    }
    return n > 1 ? picked : NULL;
}

static void change_entry(uint8_t *block, uint32_t size)
{
    uint8_t *e = pick_entry(block, size);
    if (!e)
        return;
    uint32_t left = size - (uint32_t)(e - block);
    const uint32_t lengths[] = { 0, 4, 8, 12, left - 4, left, left + 4, 1020, 0x8000, 0xFFFC };
    const uint32_t names[] = { 0, 1, 2, number(e + 4, 2) - 8, number(e + 4, 2) - 7, 255 };
    switch (check_random() % 4) {
    case 0: set_number(e, 4, (uint32_t)(check_random() % 40)); break;
    case 1: set_number(e + 4, 2, lengths[check_random() % 10]); break;
    case 2: e[6] = (uint8_t)names[check_random() % 6]; break;
    default: e[8 + check_random() % 4] = "./\0x"[check_random() % 4];
    }
}

/* A field of one of the first inodes: of the group's table, wherever its descriptor says it is. */
static void change_inode(uint8_t *data, size_t size)
{
    static const uint8_t fields[] = { 0, 4, 26, 28, 32, 40, 44, 84, 88, 92, 96, 104, 108 };
    uint32_t bs = 1024u << (data[1024 + 24] & 3), per = number(data + 1024 + 88, 2);
    size_t table = (size_t)number(data + (bs == 1024 ? 2048 : bs) + 8, 4) * bs;
    size_t at = table + check_random() % 130 * (per >= 128 ? per : 128);
    at += fields[check_random() % sizeof fields];
    if (at + 4 > size)
        return;
    uint32_t value = number(data + at, 4);
    switch (check_random() % 4) {
    case 0: value = (uint32_t)(check_random() % (size / bs)); break;
    case 1: value ^= 1u << check_random() % 32; break;
    case 2: value += (uint32_t)(check_random() % 3) - 1; break;
    default: value = (uint32_t)(check_random() >> 20) >> check_random() % 32;
    }
    set_number(data + at, 4, value);
}

/* The size of a directory's block, or what is left of the image behind `block`. */
static uint32_t entry_block_size(const uint8_t *data, size_t size, const uint8_t *block)
{
    size_t bs = 1024u << (data[1024 + 24] & 3), left = size - (size_t)(block - data);
    return (uint32_t)(bs < left ? bs : left);
}

static void mutate_once(uint8_t *data, size_t size)
{
    unsigned how = check_random() % 20;
    uint8_t *block = pick_block(data, size);
    if (how < 6)
        change_entry(block, entry_block_size(data, size, block));
    else if (how < 10)
        change_inode(data, size);
    else if (how < 16)
        change_number(block, size / BLOCK);
    else if (how == 16)
        memcpy(block, pick_block(data, size), BLOCK);
    else if (how == 17)
        memset(block, check_random() % 2 ? 0 : 0xFF, BLOCK);
    else if (how == 18)
        data[check_random() % 4] = (uint8_t)(check_random() >> 9);
    else
        memset(data, 0, 4);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    if (size < 64 * BLOCK)
        return LLVMFuzzerMutate(data, size, max);
    check_seed = seed * 0x9E3779B97F4A7C15u + 1;
    for (unsigned n = 1 + check_random() % 4; n > 0; n--)
        mutate_once(data, size);
    return size;
}

/* ---- Seeds --------------------------------------------------------------------------------- */

static int make_seeds(const char *folder)
{
    static const char *const options[] = {
        "-t ext2 -b 1024 -N 152",
        "-t ext2 -b 1024 -N 152 -g 256",
        "-t ext2 -b 1024 -I 128 -O ^filetype -N 152",
        "-t ext2 -b 4096 -N 160",
        "-t ext2 -b 2048 -r 0 -O none -N 160",
    };
    char *target = realpath(folder, NULL);
    image_enter();
    if (!target || make_furniture(150))
        return 1;
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++) {
        char with[300], path[4200];
        snprintf(with, sizeof with, "%s -E root_owner=0:0 -d in", options[i]);
        struct image *im = image_mke2fs(with, i == 3 ? 600 : 400);
        for (int unclean = 0; unclean < 2; unclean++) {
            im->data[1024 + 58] = (uint8_t)!unclean;
            snprintf(path, sizeof path, "%s/image%u%s", target, i, unclean ? "-unclean" : "");
            image_save(im, path);
        }
        image_free(im);
    }
    free(target);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    if (*argc > 2 && !strcmp((*argv)[1], "--seeds"))
        exit(make_seeds((*argv)[2]));
    return 0;
}
