/* What the programs that test block devices share: the disk, and checks that name the line they failed at. */
#ifndef TESTS_PROG_BLK_H
#define TESTS_PROG_BLK_H

#include <errno.h>
#include <rugo/ipc.h>
#include <rugo/shm.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/say.h"
#include "tests/prog/cmdline.h"

#define MS 1000000ll /* in ns */

extern const char test_secret[];

/* End the test as failed unless a holds. */
#define CHECK(a)                                           \
    do {                                                   \
        if (!(a)) {                                        \
            say("BLK: %s:%d: %s", __FILE__, __LINE__, #a); \
            exit(1);                                       \
        }                                                  \
    } while (0)

/* End the test as failed unless the two are equal; a result that is not expected is shown. */
#define CHECK_IS(a, wanted)                                                                    \
    do {                                                                                       \
        long long is_ = (long long)(a);                                                        \
        if (is_ != (long long)(wanted)) {                                                      \
            say("BLK: %s:%d: %s is %lld, not %s", __FILE__, __LINE__, #a, is_, #wanted);       \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

static handle_t disk, memory;   /* the first disk; a memory object */
static char *data;              /* that memory */
static struct blk_info info;

/* Get at the disk and at `size` bytes of memory for it. */
static inline void blk_begin(size_t size)
{
    void *at;

    disk = start_handle(START_BLK);
    CHECK(disk != HANDLE_NONE);
    CHECK_IS(sys_blk_info(disk, &info), 0);
    CHECK_IS(shm_new(size, &memory, &at), 0);
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
    CHECK_IS(sys_blk_reap(disk, &done, 1, TIMEOUT_NEVER), 1);
    CHECK(done.cookie == cookie);
    return done.status;
}

/* The test has passed: a line that only this program, in this run, can print. */
static inline void passed(const char *marker)
{
    say("%s nonce=%s secret=%s", marker, cmdline_text("nonce"), test_secret);
}

#endif
