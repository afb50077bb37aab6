/* What block calls must refuse, with nothing changed (test=blk.refuse). Needs 4 MiB of disk. */
#include "tests/prog/blk.h"

#define SIZE    (8 * PAGE_SIZE)
#define NOWHERE 0x1800 /* nothing is mapped there */
#define KERNEL  0xffff800000000000ull

static uint32_t unit; /* sectors of the smallest request */

static handle_t limited(handle_t h, uint32_t rights)
{
    int64_t copy = sys_handle_dup(h, rights, 0, 0);

    EXPECT_TRUE(copy >= 0);
    return (handle_t)copy;
}

static void ranges(void)
{
    uint64_t end = info.sectors;

    EXPECT(-EINVAL, submit(BLK_READ, 0, end, unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, 0, end - unit, 2 * unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, 0, end + unit, unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, 0, -(uint64_t)unit, unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, 0, -(uint64_t)unit, 2 * unit, 1));
    EXPECT(-EINVAL, submit(BLK_WRITE, 0, 1ull << 55, unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, 0, 0, 0, 1));
    EXPECT(-EINVAL, submit(BLK_READ, 0, 0, UINT32_MAX, 1));
    EXPECT(-EINVAL, submit(BLK_READ, 0, 0, info.max_sectors + unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, 256, 0, unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, SIZE, 0, unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, SIZE - BLK_SECTOR, 0, 2 * unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, -(size_t)512, 0, unit, 1));
    EXPECT(-EINVAL, submit(BLK_READ, -(size_t)512, 0, 2 * unit, 1));
    if (unit > 1) {
        EXPECT(-EINVAL, submit(BLK_READ, 0, 1, unit, 1));
        EXPECT(-EINVAL, submit(BLK_READ, 0, 0, 1, 1));
    }
    EXPECT(0, transfer(BLK_READ, SIZE - unit * BLK_SECTOR, end - unit, unit));
}

static void bad_requests(void)
{
    struct blk_request req = { .op = BLK_READ, .shm = memory, .count = unit };

    req.flags = 1;
    EXPECT(-EINVAL, sys_blk_submit(disk, &req));
    req.flags = 0;
    req.reserved = 1;
    EXPECT(-EINVAL, sys_blk_submit(disk, &req));
    req.reserved = 0;
    req.op = 3;
    EXPECT(-EINVAL, sys_blk_submit(disk, &req));
    req.op = BLK_FLUSH;
    EXPECT(-EINVAL, sys_blk_submit(disk, &req));
    req.shm = HANDLE_NONE;
    EXPECT(-EINVAL, sys_blk_submit(disk, &req));
    req.op = BLK_READ;
    EXPECT(-EBADF, sys_blk_submit(disk, &req));
    req.shm = disk;
    EXPECT(-ENODEV, sys_blk_submit(disk, &req));
    EXPECT(-EFAULT, sys_blk_submit(disk, (void *)NOWHERE));
    EXPECT(-EFAULT, sys_blk_submit(disk, (void *)KERNEL));
    EXPECT(-EBADF, sys_blk_submit(HANDLE_NONE, &req));
    EXPECT(-ENODEV, sys_blk_submit(memory, &req));
    EXPECT(-EFAULT, sys_blk_info(disk, (void *)KERNEL));
    EXPECT(-ENODEV, sys_blk_info(memory, &info));
}

static void rights(void)
{
    handle_t all = disk, whole = memory;

    disk = limited(all, RIGHT_READ);
    EXPECT(-EACCES, submit(BLK_WRITE, 0, 0, unit, 1));
    EXPECT(-EACCES, submit(BLK_FLUSH, 0, 0, 0, 1));
    EXPECT(0, transfer(BLK_READ, 0, 0, unit));
    EXPECT(0, sys_handle_close(disk));
    EXPECT(-EBADF, submit(BLK_READ, 0, 0, unit, 1));
    disk = limited(all, RIGHT_WRITE);
    EXPECT(-EACCES, submit(BLK_READ, 0, 0, unit, 1));
    EXPECT(-EACCES, sys_blk_info(disk, &info));
    EXPECT(0, sys_handle_close(disk));
    disk = all;
    memory = limited(whole, RIGHT_READ);
    EXPECT(-EACCES, submit(BLK_READ, 0, 0, unit, 1));
    EXPECT(0, sys_handle_close(memory));
    memory = limited(whole, RIGHT_WRITE);
    EXPECT(-EACCES, submit(BLK_WRITE, 0, 0, unit, 1));
    EXPECT(0, sys_handle_close(memory));
    memory = whole;
}

static void reaping(void)
{
    struct blk_completion done[2];

    EXPECT(0, sys_blk_reap(disk, done, 2, 0));
    EXPECT(-ETIMEDOUT, sys_blk_reap(disk, done, 2, 5 * MS));
    EXPECT(-EINVAL, sys_blk_reap(disk, done, 0, 0));
    EXPECT(0, submit(BLK_READ, 0, 0, unit, 77));
    EXPECT(-EFAULT, sys_blk_reap(disk, (void *)KERNEL, 2, TIMEOUT_NEVER));
    EXPECT(-EFAULT, sys_blk_reap(disk, (void *)NOWHERE, 2, TIMEOUT_NEVER));
    EXPECT(0, handle_wait(disk, EV_READABLE, 0));
    EXPECT(1, sys_blk_reap(disk, done, 2, 0));
    EXPECT_TRUE(done[0].cookie == 77 && done[0].status == 0 && done[0].reserved == 0);
    EXPECT(-ETIMEDOUT, handle_wait(disk, EV_READABLE, 0));
}

int main(void)
{
    blk_begin(SIZE);
    unit = info.sector_size / BLK_SECTOR;
    EXPECT_TRUE(unit >= 1 && info.sectors >= 8192);
    ranges();
    bad_requests();
    rights();
    reaping();
    if (info.flags & BLK_READ_ONLY)
        EXPECT(-EROFS, submit(BLK_WRITE, 0, 0, unit, 1));
    else
        EXPECT(0, transfer(BLK_WRITE, 0, info.sectors - unit, unit));
    printf("BLK: flags=%u sector=%u sectors=%llu max=%u queue=%u\n", info.flags, info.sector_size,
           (unsigned long long)info.sectors, info.max_sectors, info.queue);
    test_mark("BLK: refusals ok");
    return 0;
}
