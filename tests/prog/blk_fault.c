/*
 * A device that fails (test=blk.fault lba=): the sector lba= can be neither read nor written,
 * all others go on working.
 */
#include "tests/prog/blk.h"

int main(void)
{
    uint64_t lba = blk_number("lba", 8);

    blk_begin(PAGE_SIZE);
    for (int i = 0; i < 3; i++) {
        EXPECT(-EIO, transfer(BLK_READ, 0, lba, 1));
        EXPECT(-EIO, transfer(BLK_WRITE, 0, lba, 1));
        EXPECT(0, transfer(BLK_READ, 0, lba + 8, 1));
    }
    test_mark("BLK: fault ok");
    return 0;
}
