/*
 * The kernel's block device as a `struct disk` (disk.h) whose calls suspend the calling fiber.
 */
#ifndef FSD_BLKDISK_H
#define FSD_BLKDISK_H

#include <rugo/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/fsd/disk.h"

/*
 * Memory that devices may read and write: one memory object, mapped once. The front of it is the
 * file system's cache, whose blocks so travel without being copied; the last BOUNCE_SLOTS pages
 * carry what lies elsewhere.
 */
struct dma_area {
    int32_t shm;
    char *base;
    size_t cache_bytes;             /* for the cache; bounce pages follow */
};

/* Make an area with cache_bytes (page multiple) for a cache. 0, -ENOMEM, -EMFILE. */
int dma_create(struct dma_area *area, size_t cache_bytes);

struct blkdisk {
    struct disk disk;
    const struct dma_area *area;
    int32_t blk;                    /* handle of the device */
    unsigned inflight;              /* requests that the kernel has */
};

/* Make a disk of a device handle, which stays the caller's, as `area` does. 0 or the device's error. */
int blkdisk_open(struct blkdisk *bd, int32_t blk, const struct dma_area *area);

/* Take finished requests from the kernel and wake their fibers; how many. From the main loop; never waits. */
unsigned blkdisk_reap(struct blkdisk *bd);

#endif
