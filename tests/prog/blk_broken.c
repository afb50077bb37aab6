/*
 * A device that breaks its promises (test=blk.broken): reads until the host has damaged the rings,
 * which ends requests with EIO and never with a hang; then nothing is accepted any more.
 */
#include "tests/prog/blk.h"

#define WAIT (20000 * MS)

static int64_t now(void)
{
    return sys_time_now(CLOCK_MONOTONIC);
}

int main(void)
{
    struct blk_completion done;
    int64_t end = now() + WAIT, st = 0;

    blk_begin(PAGE_SIZE);
    EXPECT(0, transfer(BLK_READ, 0, 0, 1));
    EXPECT(-ETIMEDOUT, handle_wait(disk, EV_ERR, 0));
    printf("BLK: waiting for damage\n");
    while (st == 0 && now() < end) {
        NEED(sys_thread_sleep(20 * MS));
        st = transfer(BLK_READ, 0, 0, 1);
    }
    EXPECT(-EIO, st);
    for (int i = 0; i < 300; i++)
        EXPECT(-EIO, submit(BLK_READ, 0, 0, 1, 1));
    EXPECT(0, handle_wait(disk, EV_ERR, 0));
    EXPECT(0, sys_blk_reap(disk, &done, 1, 0));
    test_mark("BLK: broken ok");
    return 0;
}
