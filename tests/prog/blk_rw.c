/*
 * `test=blk.rw lba=N`: writes the nonce's text, repeated, into sector N and reads it back through
 * another page. Requests past the end and misaligned ones are refused.
 */
#include <rugo/blk.h>

#include "tests/prog/test.h"

static int refuse(handle_t blk, uint64_t sector, uint32_t count, uint64_t offset, handle_t shm)
{
    struct blk_request req = {
        .op = BLK_READ, .shm = shm, .sector = sector, .count = count, .offset = offset
    };

    return sys_blk_submit(blk, &req);
}

int main(void)
{
    handle_t blk = start_handle(START_BLK), shm;
    const char *lba_text = getenv("lba"), *nonce = test_nonce();
    struct blk_info info;
    char *page;
    int st;

    if (blk == HANDLE_NONE || lba_text == NULL) {
        printf("BLK: a disk and lba= are needed\n");
        return 1;
    }
    uint64_t lba = strtoull(lba_text, NULL, 0);
    NEED(sys_blk_info(blk, &info));
    NEED(shm_new(2 * PAGE_SIZE, &shm, (void **)&page));
    EXPECT(-EINVAL, refuse(blk, info.sectors, 1, 0, shm));
    EXPECT(-EINVAL, refuse(blk, info.sectors - 1, 2, 0, shm));
    EXPECT(-EINVAL, refuse(blk, UINT64_MAX, 2, 0, shm));
    EXPECT(-EINVAL, refuse(blk, 0, 1, 1, shm));
    EXPECT(-EINVAL, refuse(blk, 0, 0, 0, shm));
    EXPECT(-EINVAL, refuse(blk, 0, 8, PAGE_SIZE + 512, shm));
    EXPECT(-EINVAL, refuse(blk, 0, 1, UINT64_MAX - 511, shm));

    for (size_t i = 0; i < BLK_SECTOR; i++)
        page[i] = nonce[i % strlen(nonce)];
    st = blk_write(blk, shm, 0, lba, 1);
    if (st == 0)
        st = blk_flush(blk);
    if (st == 0)
        st = blk_read(blk, shm, PAGE_SIZE, lba, 1);
    if (st != 0) {
        printf("BLK: sector %llu: %s\n", (unsigned long long)lba, strerror(-st));
        return 1;
    }
    EXPECT(0, memcmp(page, page + PAGE_SIZE, BLK_SECTOR));
    test_mark("BLK: rw ok");
    return 0;
}
