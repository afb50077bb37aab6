/* What the programs that test block devices share: the first disk, and memory to use it with. */
#ifndef TESTS_PROG_BLK_H
#define TESTS_PROG_BLK_H

#include <stdbool.h>

#include "tests/prog/test.h"

/* A number from the command line (key=…). */
static inline unsigned long blk_number(const char *key, unsigned long fallback)
{
    const char *text = getenv(key);

    return text != NULL ? strtoul(text, NULL, 0) : fallback;
}

static handle_t disk, memory; /* the first disk; a memory object */
static char *data; /* that memory */
static struct blk_info info;

/* Get at the disk and at `size` bytes of memory for it. */
static inline void blk_begin(size_t size)
{
    void *at;

    disk = start_handle(START_BLK);
    EXPECT_TRUE(disk != HANDLE_NONE);
    EXPECT(0, sys_blk_info(disk, &info));
    EXPECT(0, shm_new(size, &memory, &at));
    data = at;
}

static inline int64_t submit(uint32_t op, size_t offset, uint64_t sector, uint32_t count,
                             uint64_t cookie)
{
    struct blk_request req = {
        .op = op,
        .shm = op == BLK_FLUSH ? HANDLE_NONE : memory,
        .sector = sector,
        .count = count,
        .offset = offset,
        .cookie = cookie,
    };

    return sys_blk_submit(disk, &req);
}

/* Submit a request and wait for it: its status, or why it was refused. */
static inline int64_t transfer(uint32_t op, size_t offset, uint64_t sector, uint32_t count)
{
    static uint64_t cookie = 0x1000000;
    struct blk_completion done;
    int64_t st = submit(op, offset, sector, count, ++cookie);

    if (st < 0)
        return st;
    EXPECT(1, sys_blk_reap(disk, &done, 1, TIMEOUT_NEVER));
    EXPECT_TRUE(done.cookie == cookie);
    return done.status;
}

#endif
