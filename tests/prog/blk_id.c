/* `test=blk`: there is a disk, and it tells its size as the driver printed it. */
#include "tests/prog/test.h"

int main(void)
{
    handle_t blk = start_handle(START_BLK);
    struct blk_info info;

    if (blk == HANDLE_NONE) {
        printf("BLK: no disk\n");
        return 1;
    }
    NEED(sys_blk_info(blk, &info));
    EXPECT_TRUE(info.sectors > 0);
    EXPECT_TRUE(info.sector_size >= BLK_SECTOR);
    EXPECT_TRUE(info.max_sectors > 0 && info.queue > 0);
    printf("BLK: disk of %llu sectors, requests of at most %u, %u at a time%s\n",
           (unsigned long long)info.sectors, info.max_sectors, info.queue,
           info.flags & BLK_READ_ONLY ? ", read-only" : "");
    return 0;
}
