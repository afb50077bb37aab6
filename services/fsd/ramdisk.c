/* A sparse disk in memory: a table of pages, each taken when something else than zeros is written. */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096 };

struct ramdisk {
    struct disk disk;
    uint8_t **pages;
};

static bool in_range(const struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                     unsigned nsegs)
{
    uint64_t left = sector <= disk->sectors ? disk->sectors - sector : 0;
    for (unsigned i = 0; i < nsegs; i++) {
        if (segs[i].bytes % DISK_SECTOR || segs[i].bytes / DISK_SECTOR > left)
            return false;
        left -= segs[i].bytes / DISK_SECTOR;
    }
    return sector <= disk->sectors;
}

static int ramdisk_read(struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                        unsigned nsegs)
{
    struct ramdisk *rd = disk->priv;
    if (!in_range(disk, sector, segs, nsegs))
        return -EIO;
    uint64_t at = sector * DISK_SECTOR;
    for (unsigned i = 0; i < nsegs; i++) {
        uint8_t *out = segs[i].data;
        for (size_t done = 0, n; done < segs[i].bytes; done += n, at += n) {
            const uint8_t *page = rd->pages[at / PAGE];
            n = PAGE - at % PAGE;
            if (n > segs[i].bytes - done)
                n = segs[i].bytes - done;
            if (page)
                memcpy(out + done, page + at % PAGE, n);
            else
                memset(out + done, 0, n);
        }
    }
    return 0;
}

static bool all_zero(const uint8_t *data, size_t n)
{
    return data[0] == 0 && memcmp(data, data + 1, n - 1) == 0;
}

static int write_piece(struct ramdisk *rd, uint64_t at, const uint8_t *src, size_t n)
{
    uint8_t **page = &rd->pages[at / PAGE];
    if (!*page && all_zero(src, n))
        return 0;
    if (!*page) {
        *page = malloc(PAGE);
        if (!*page)
            return -ENOSPC;
        memset(*page, 0, PAGE);
    }
    memcpy(*page + at % PAGE, src, n);
    return 0;
}

static int ramdisk_write(struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                         unsigned nsegs)
{
    if (!in_range(disk, sector, segs, nsegs))
        return -EIO;
    uint64_t at = sector * DISK_SECTOR;
    for (unsigned i = 0; i < nsegs; i++) {
        const uint8_t *src = segs[i].data;
        for (size_t done = 0, n; done < segs[i].bytes; done += n, at += n) {
            n = PAGE - at % PAGE;
            if (n > segs[i].bytes - done)
                n = segs[i].bytes - done;
            int err = write_piece(disk->priv, at, src + done, n);
            if (err)
                return err;
        }
    }
    return 0;
}

struct disk *ramdisk_create(uint64_t sectors)
{
    struct ramdisk *rd = calloc(1, sizeof *rd);
    uint64_t pages = sectors / (PAGE / DISK_SECTOR) + 1;
    if (rd && pages < SIZE_MAX / sizeof *rd->pages)
        rd->pages = calloc((size_t)pages, sizeof *rd->pages);
    if (!rd || !rd->pages) {
        free(rd);
        return NULL;
    }
    rd->disk.read = ramdisk_read;
    rd->disk.write = ramdisk_write;
    rd->disk.sectors = sectors;
    rd->disk.priv = rd;
    return &rd->disk;
}

void ramdisk_destroy(struct disk *disk)
{
    if (!disk)
        return;
    struct ramdisk *rd = disk->priv;
    for (uint64_t i = 0; i <= disk->sectors / (PAGE / DISK_SECTOR); i++)
        free(rd->pages[i]);
    free(rd->pages);
    free(rd);
}
