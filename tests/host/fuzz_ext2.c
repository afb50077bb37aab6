/*
 * libFuzzer on ext2: the input is a disk image. It is mounted, looked through, changed, unmounted;
 * whatever is in it, nothing crashes, hangs, or overwrites what says where the file system's own
 * structures are. The mutator aims at the blocks that hold something, and at numbers in them.
 *
 * fuzz_ext2 --seeds FOLDER makes the seeds with mke2fs.
 *
 * SOURCES: services/fsd/balloc.c services/fsd/cache.c services/fsd/check.c services/fsd/dir.c services/fsd/dirindex.c services/fsd/file.c services/fsd/fs.c services/fsd/inode.c services/fsd/map.c services/fsd/mkfs.c services/fsd/namei.c services/fsd/ramdisk.c services/fsd/super.c services/fsd/txn.c
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

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    if (size < 16 * BLOCK)
        return LLVMFuzzerMutate(data, size, max);
    check_seed = seed * 0x9E3779B97F4A7C15u + 1;
    for (unsigned n = 1 + check_random() % 4; n > 0; n--) {
        uint8_t *block = pick_block(data, size);
        unsigned how = check_random() % 16;
        if (how == 0)
            memcpy(block, pick_block(data, size), BLOCK);
        else if (how == 1)
            memset(block, check_random() % 2 ? 0 : 0xFF, BLOCK);
        else
            change_number(block, size / BLOCK);
    }
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
        struct image *im = image_mke2fs(with, i == 3 ? 512 : 320);
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
