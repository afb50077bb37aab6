/* A disk whose size changes while it is in use (test=blk.resize): the new end counts at once. */
#include "tests/prog/blk.h"

static void wait_for_other_size(uint64_t old)
{
    for (int i = 0; i < 2000 && info.sectors == old; i++) {
        CHECK_IS(sys_thread_sleep(10 * MS), 0);
        CHECK_IS(sys_blk_info(disk, &info), 0);
    }
    CHECK(info.sectors != old);
}

int main(void)
{
    uint64_t old;

    blk_begin(PAGE_SIZE);
    old = info.sectors;
    CHECK_IS(transfer(BLK_READ, 0, old, 1), -EINVAL);
    say("BLK: sectors=%llu", (unsigned long long)old);
    wait_for_other_size(old);
    CHECK_IS(transfer(BLK_READ, 0, info.sectors - 1, 1), 0);
    CHECK_IS(transfer(BLK_READ, 0, info.sectors, 1), -EINVAL);
    say("BLK: resized sectors=%llu", (unsigned long long)info.sectors);
    passed("BLK: resize ok");
    return 0;
}
