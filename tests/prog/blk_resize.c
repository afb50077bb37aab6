/* A disk whose size changes while it is in use (test=blk.resize): the new end counts at once. */
#include "tests/prog/blk.h"

static void wait_for_other_size(uint64_t old)
{
    for (int i = 0; i < 2000 && info.sectors == old; i++) {
        EXPECT(0, sys_thread_sleep(10 * MS));
        EXPECT(0, sys_blk_info(disk, &info));
    }
    EXPECT_TRUE(info.sectors != old);
}

int main(void)
{
    uint64_t old;

    blk_begin(PAGE_SIZE);
    old = info.sectors;
    EXPECT(-EINVAL, transfer(BLK_READ, 0, old, 1));
    printf("BLK: sectors=%llu\n", (unsigned long long)old);
    wait_for_other_size(old);
    EXPECT(0, transfer(BLK_READ, 0, info.sectors - 1, 1));
    EXPECT(-EINVAL, transfer(BLK_READ, 0, info.sectors, 1));
    printf("BLK: resized sectors=%llu\n", (unsigned long long)info.sectors);
    test_mark("BLK: resize ok");
    return 0;
}
