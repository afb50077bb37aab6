/*
 * Block requests of fibers (blkdisk.h). A call is cut into requests no larger than the device takes,
 * all of them are handed to the kernel, and the fiber sleeps until the last has come back.
 */
#include "services/fsd/blkdisk.h"

#include <errno.h>
#include <rugo/syscall.h>
#include <string.h>

#include "services/fsd/fiber.h"

enum {
    BOUNCE_SLOTS = 8,
    REAP_MAX = 16,
};

/* Requests whose fiber waits for all of them; lies on the fiber's stack. The cookie is its address. */
struct batch {
    unsigned pending;
    int status; /* the first error */
};

static uint32_t bounce_used; /* bit i: slot i is taken */

int dma_create(struct dma_area *area, size_t cache_bytes)
{
    size_t size = cache_bytes + BOUNCE_SLOTS * PAGE_SIZE;
    int64_t shm = sys_shm_create(size, 0);
    int64_t base;

    if (shm < 0)
        return (int)shm;
    base = sys_shm_map(HANDLE_SELF, (int32_t)shm, 0, size, 0, VM_READ | VM_WRITE);
    if (base < 0) {
        (void)sys_handle_close((int32_t)shm);
        return (int)base;
    }
    area->shm = (int32_t)shm;
    area->base = (char *)(uintptr_t)base;
    area->cache_bytes = cache_bytes;
    return 0;
}

static char *bounce_take(const struct dma_area *area)
{
    for (;;) {
        for (unsigned i = 0; i < BOUNCE_SLOTS; i++) {
            if ((bounce_used & (1u << i)) == 0) {
                bounce_used |= 1u << i;
                return area->base + area->cache_bytes + i * PAGE_SIZE;
            }
        }
        fiber_wait(&bounce_used);
    }
}

static void bounce_give(const struct dma_area *area, const char *slot)
{
    bounce_used &= ~(1u << ((size_t)(slot - area->base - area->cache_bytes) / PAGE_SIZE));
    fiber_wake(&bounce_used);
}

/* Whether the device can reach this memory. */
static bool in_area(const struct dma_area *area, const void *data, size_t bytes)
{
    uintptr_t off = (uintptr_t)data - (uintptr_t)area->base;

    return off < area->cache_bytes && bytes <= area->cache_bytes - off && off % DISK_SECTOR == 0;
}

/* Hand one request to the kernel, waiting while its queue is full. Its error goes into the batch. */
static void submit(struct blkdisk *bd, struct batch *batch, struct blk_request *req)
{
    int64_t st;

    req->cookie = (uint64_t)(uintptr_t)batch;
    while ((st = sys_blk_submit(bd->blk, req)) == -EAGAIN && bd->inflight > 0)
        fiber_wait_outside(&bd->inflight, &bd->inflight);
    if (st == 0) {
        batch->pending++;
        bd->inflight++;
    } else if (batch->status == 0) {
        batch->status = st == -EAGAIN ? -EIO : (int)st;
    }
}

static int finish(struct batch *batch)
{
    while (batch->pending > 0)
        fiber_wait_outside(batch, &batch->pending);
    return batch->status;
}

/* Requests for memory inside the area, in pieces of at most disk.max_request bytes. */
static void submit_range(struct blkdisk *bd, struct batch *batch, uint32_t op, uint64_t sector,
                         const char *data, size_t bytes)
{
    while (bytes > 0) {
        size_t piece = bytes < bd->disk.max_request ? bytes : bd->disk.max_request;
        struct blk_request req = {
            .op = op,
            .shm = bd->area->shm,
            .sector = sector,
            .count = (uint32_t)(piece / DISK_SECTOR),
            .offset = (uint64_t)(data - bd->area->base),
        };

        submit(bd, batch, &req);
        data += piece;
        bytes -= piece;
        sector += piece / DISK_SECTOR;
    }
}

/* Memory the device can't reach travels through a bounce page, one page after the other. */
static int bounce_range(struct blkdisk *bd, uint32_t op, uint64_t sector, char *data, size_t bytes)
{
    char *slot = bounce_take(bd->area);
    int status = 0;

    while (bytes > 0 && status == 0) {
        size_t piece = bytes < PAGE_SIZE ? bytes : PAGE_SIZE;
        struct batch batch = { 0, 0 };

        if (op == BLK_WRITE)
            memcpy(slot, data, piece);
        submit_range(bd, &batch, op, sector, slot, piece);
        status = finish(&batch);
        if (op == BLK_READ && status == 0)
            memcpy(data, slot, piece);
        data += piece;
        bytes -= piece;
        sector += piece / DISK_SECTOR;
    }
    bounce_give(bd->area, slot);
    return status;
}

static int transfer(struct disk *disk, uint32_t op, uint64_t sector, const struct disk_seg *segs,
                    unsigned nsegs)
{
    struct blkdisk *bd = disk->priv;
    struct batch batch = { 0, 0 };
    int status = 0;

    for (unsigned i = 0; i < nsegs; i++) {
        char *data = segs[i].data;
        size_t bytes = segs[i].bytes;

        if (in_area(bd->area, data, bytes)) {
            while (i + 1 < nsegs && data + bytes == (char *)segs[i + 1].data &&
                   in_area(bd->area, data, bytes + segs[i + 1].bytes))
                bytes += segs[++i].bytes;
            submit_range(bd, &batch, op, sector, data, bytes);
        } else if (status == 0) {
            status = bounce_range(bd, op, sector, data, bytes);
        }
        sector += bytes / DISK_SECTOR;
    }
    if (finish(&batch) != 0)
        status = batch.status;
    return status;
}

static int disk_read(struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                     unsigned nsegs)
{
    return transfer(disk, BLK_READ, sector, segs, nsegs);
}

static int disk_write(struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                      unsigned nsegs)
{
    return transfer(disk, BLK_WRITE, sector, segs, nsegs);
}

static int disk_flush(struct disk *disk)
{
    struct blkdisk *bd = disk->priv;
    struct batch batch = { 0, 0 };
    struct blk_request req = { .op = BLK_FLUSH, .shm = HANDLE_NONE };

    submit(bd, &batch, &req);
    return finish(&batch);
}

int blkdisk_open(struct blkdisk *bd, int32_t blk, const struct dma_area *area)
{
    struct blk_info info;
    int64_t st = sys_blk_info(blk, &info);

    if (st < 0)
        return (int)st;
    *bd = (struct blkdisk){
        .area = area,
        .blk = blk,
        .disk = {
            .read = disk_read,
            .write = disk_write,
            .flush = (info.flags & BLK_CAN_FLUSH) != 0 ? disk_flush : NULL,
            .sectors = info.sectors,
            .read_only = (info.flags & BLK_READ_ONLY) != 0,
            .max_request = (size_t)info.max_sectors * BLK_SECTOR,
            .priv = bd,
        },
    };
    return 0;
}

unsigned blkdisk_reap(struct blkdisk *bd)
{
    struct blk_completion done[REAP_MAX];
    unsigned finished = 0;
    int64_t n;

    do {
        n = sys_blk_reap(bd->blk, done, REAP_MAX, 0);
        for (int64_t i = 0; i < n; i++) {
            struct batch *batch = (struct batch *)(uintptr_t)done[i].cookie;

            finished++;
            bd->inflight--;
            if (done[i].status != 0 && batch->status == 0)
                batch->status = done[i].status;
            if (--batch->pending == 0)
                fiber_wake(batch);
            fiber_wake(&bd->inflight);
        }
    } while (n == REAP_MAX);
    return finished;
}
