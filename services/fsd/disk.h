/*
 * A block device as the file system sees it.
 *
 * Calls block until the device has answered. In fsd "block" means that the current fiber is
 * suspended and others run; on the host the call simply takes its time. The implementer may split
 * or copy a request as it must; a request that fails may have been carried out in part.
 */
#ifndef FSD_DISK_H
#define FSD_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_SECTOR 512u

/* One piece of memory of a request; bytes is a multiple of DISK_SECTOR and greater than 0. */
struct disk_seg {
    void *data;
    size_t bytes;
};

struct disk {
    /*
     * Read or write consecutive sectors, starting at `sector`, into or from the segments in their
     * order. Returns 0 or a negative errno number (-EIO, -EROFS, -ENOSPC); never a short count.
     * The cache only asks for sectors below `sectors`.
     */
    int (*read)(struct disk *disk, uint64_t sector, const struct disk_seg *segs, unsigned nsegs);
    int (*write)(struct disk *disk, uint64_t sector, const struct disk_seg *segs, unsigned nsegs);

    /* All writes that have returned are on stable storage when this returns 0. May be NULL. */
    int (*flush)(struct disk *disk);

    uint64_t sectors;           /* capacity, in units of DISK_SECTOR bytes */
    bool read_only; /* write() would fail; the file system is then mounted read-only */
    size_t max_request; /* bytes that one request should carry at most; 0: no limit */
    void *priv; /* the implementer's */
};

/*
 * A disk in memory, all zeros at first; a page of memory is taken when it is first written to.
 * Returns NULL when memory is short. `sectors` is the capacity.
 */
struct disk *ramdisk_create(uint64_t sectors);
void ramdisk_destroy(struct disk *disk);

#endif
