/* What block calls must refuse, and that a refusal changes nothing (test=blk.refuse). Needs 4 MiB of disk. */
#include "tests/prog/blk.h"

#define SIZE     (8 * PAGE_SIZE)
#define NOWHERE  0x1800                  /* nothing is mapped there */
#define KERNEL   0xffff800000000000ull

static uint32_t unit;                   /* sectors of the smallest request */

static handle_t limited(handle_t h, uint32_t rights)
{
    int64_t copy = sys_handle_dup(h, rights, 0, 0);

    CHECK(copy >= 0);
    return (handle_t)copy;
}

static void ranges(void)
{
    uint64_t end = info.sectors;

    CHECK_IS(submit(BLK_READ, 0, end, unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, 0, end - unit, 2 * unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, 0, end + unit, unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, 0, -(uint64_t)unit, unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, 0, -(uint64_t)unit, 2 * unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_WRITE, 0, 1ull << 55, unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, 0, 0, 0, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, 0, 0, UINT32_MAX, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, 0, 0, info.max_sectors + unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, 256, 0, unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, SIZE, 0, unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, SIZE - BLK_SECTOR, 0, 2 * unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, -(size_t)512, 0, unit, 1), -EINVAL);
    CHECK_IS(submit(BLK_READ, -(size_t)512, 0, 2 * unit, 1), -EINVAL);
    if (unit > 1) {
        CHECK_IS(submit(BLK_READ, 0, 1, unit, 1), -EINVAL);
        CHECK_IS(submit(BLK_READ, 0, 0, 1, 1), -EINVAL);
    }
    CHECK_IS(transfer(BLK_READ, SIZE - unit * BLK_SECTOR, end - unit, unit), 0);
}

static void bad_requests(void)
{
    struct blk_request req = {.op = BLK_READ, .shm = memory, .count = unit};

    req.flags = 1;
    CHECK_IS(sys_blk_submit(disk, &req), -EINVAL);
    req.flags = 0;
    req.reserved = 1;
    CHECK_IS(sys_blk_submit(disk, &req), -EINVAL);
    req.reserved = 0;
    req.op = 3;
    CHECK_IS(sys_blk_submit(disk, &req), -EINVAL);
    req.op = BLK_FLUSH;
    CHECK_IS(sys_blk_submit(disk, &req), -EINVAL);
    req.shm = HANDLE_NONE;
    CHECK_IS(sys_blk_submit(disk, &req), -EINVAL);
    req.op = BLK_READ;
    CHECK_IS(sys_blk_submit(disk, &req), -EBADF);
    req.shm = disk;
    CHECK_IS(sys_blk_submit(disk, &req), -ENODEV);
    CHECK_IS(sys_blk_submit(disk, (void *)NOWHERE), -EFAULT);
    CHECK_IS(sys_blk_submit(disk, (void *)KERNEL), -EFAULT);
    CHECK_IS(sys_blk_submit(HANDLE_NONE, &req), -EBADF);
    CHECK_IS(sys_blk_submit(memory, &req), -ENODEV);
    CHECK_IS(sys_blk_info(disk, (void *)KERNEL), -EFAULT);
    CHECK_IS(sys_blk_info(memory, &info), -ENODEV);
}

static void rights(void)
{
    handle_t all = disk, whole = memory;

    disk = limited(all, RIGHT_READ);
    CHECK_IS(submit(BLK_WRITE, 0, 0, unit, 1), -EACCES);
    CHECK_IS(submit(BLK_FLUSH, 0, 0, 0, 1), -EACCES);
    CHECK_IS(transfer(BLK_READ, 0, 0, unit), 0);
    CHECK_IS(sys_handle_close(disk), 0);
    CHECK_IS(submit(BLK_READ, 0, 0, unit, 1), -EBADF);
    disk = limited(all, RIGHT_WRITE);
    CHECK_IS(submit(BLK_READ, 0, 0, unit, 1), -EACCES);
    CHECK_IS(sys_blk_info(disk, &info), -EACCES);
    CHECK_IS(sys_handle_close(disk), 0);
    disk = all;
    memory = limited(whole, RIGHT_READ);
    CHECK_IS(submit(BLK_READ, 0, 0, unit, 1), -EACCES);
    CHECK_IS(sys_handle_close(memory), 0);
    memory = limited(whole, RIGHT_WRITE);
    CHECK_IS(submit(BLK_WRITE, 0, 0, unit, 1), -EACCES);
    CHECK_IS(sys_handle_close(memory), 0);
    memory = whole;
}

static void reaping(void)
{
    struct blk_completion done[2];

    CHECK_IS(sys_blk_reap(disk, done, 2, 0), 0);
    CHECK_IS(sys_blk_reap(disk, done, 2, 5 * MS), -ETIMEDOUT);
    CHECK_IS(sys_blk_reap(disk, done, 0, 0), -EINVAL);
    CHECK_IS(submit(BLK_READ, 0, 0, unit, 77), 0);
    CHECK_IS(sys_blk_reap(disk, (void *)KERNEL, 2, TIMEOUT_NEVER), -EFAULT);
    CHECK_IS(sys_blk_reap(disk, (void *)NOWHERE, 2, TIMEOUT_NEVER), -EFAULT);
    CHECK_IS(handle_wait(disk, EV_READABLE, 0), 0);
    CHECK_IS(sys_blk_reap(disk, done, 2, 0), 1);
    CHECK(done[0].cookie == 77 && done[0].status == 0 && done[0].reserved == 0);
    CHECK_IS(handle_wait(disk, EV_READABLE, 0), -ETIMEDOUT);
}

int main(void)
{
    blk_begin(SIZE);
    unit = info.sector_size / BLK_SECTOR;
    CHECK(unit >= 1 && info.sectors >= 8192);
    ranges();
    bad_requests();
    rights();
    reaping();
    if (info.flags & BLK_READ_ONLY)
        CHECK_IS(submit(BLK_WRITE, 0, 0, unit, 1), -EROFS);
    else
        CHECK_IS(transfer(BLK_WRITE, 0, info.sectors - unit, unit), 0);
    say("BLK: flags=%u sector=%u sectors=%llu max=%u queue=%u", info.flags, info.sector_size,
        (unsigned long long)info.sectors, info.max_sectors, info.queue);
    passed("BLK: refusals ok");
    return 0;
}
