/* Block requests, one at a time. */
#include <rugo/blk.h>

#include <rugo/syscall.h>

static int run(handle_t blk, const struct blk_request *req)
{
    struct blk_completion done;
    int64_t n = sys_blk_submit(blk, req);

    if (n != 0)
        return (int)n;
    do
        n = sys_blk_reap(blk, &done, 1, TIMEOUT_NEVER);
    while (n == -EINTR || n == 0);
    return n < 0 ? (int)n : done.status;
}

static int transfer(handle_t blk, uint32_t op, handle_t shm, uint64_t offset, uint64_t sector,
                    uint64_t count)
{
    struct blk_info info;
    int st = sys_blk_info(blk, &info);

    while (st == 0 && count > 0) {
        uint32_t part = count < info.max_sectors ? (uint32_t)count : info.max_sectors;
        struct blk_request req = {
            .op = op, .shm = shm, .sector = sector, .count = part, .offset = offset
        };
        st = run(blk, &req);
        sector += part;
        count -= part;
        offset += (uint64_t)part * BLK_SECTOR;
    }
    return st;
}

int blk_read(handle_t blk, handle_t shm, uint64_t offset, uint64_t sector, uint64_t count)
{
    return transfer(blk, BLK_READ, shm, offset, sector, count);
}

int blk_write(handle_t blk, handle_t shm, uint64_t offset, uint64_t sector, uint64_t count)
{
    return transfer(blk, BLK_WRITE, shm, offset, sector, count);
}

int blk_flush(handle_t blk)
{
    struct blk_request req = { .op = BLK_FLUSH, .shm = HANDLE_NONE };
    struct blk_info info;
    int st = sys_blk_info(blk, &info);

    if (st != 0)
        return st;
    return info.flags & BLK_CAN_FLUSH ? run(blk, &req) : 0;
}
