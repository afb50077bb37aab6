/*
 * `test=vm.dma`: memory that a device works on stays until its request is reaped: it does not shrink, is not sealed under a
 * write, and unmapping it or closing its handle changes nothing for the request.
 */
#include "tests/prog/blk.h"

enum { SIZE = 16 * PAGE_SIZE, COUNT = 8 };

static void reap(int64_t status)
{
    struct blk_completion done;

    EXPECT(1, sys_blk_reap(disk, &done, 1, TIMEOUT_NEVER));
    EXPECT(status, done.status);
}

int main(void)
{
    blk_begin(SIZE);
    memset(data, 'x', SIZE);
    EXPECT(0, submit(BLK_READ, 0, 0, COUNT, 1));
    EXPECT(-EBUSY, sys_shm_resize(memory, PAGE_SIZE));
    EXPECT(0, sys_shm_resize(memory, 2 * SIZE));        /* growing takes nothing away */
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, (uintptr_t)data, SIZE));
    EXPECT(-EBUSY, sys_shm_seal(memory, SHM_SEAL_WRITE));
    reap(0);
    EXPECT(0, sys_shm_resize(memory, SIZE));
    EXPECT(0, sys_shm_seal(memory, SHM_SEAL_WRITE));
    EXPECT(-EPERM, submit(BLK_READ, 0, 0, COUNT, 2));   /* the device would write to it */
    EXPECT(0, submit(BLK_WRITE, 0, 0, COUNT, 3));       /* back comes what was read */
    EXPECT(-EBUSY, sys_shm_resize(memory, PAGE_SIZE));
    EXPECT(0, sys_handle_close(memory));
    reap(0);
    memory = NEED_HANDLE(sys_shm_create(SIZE, 0));
    EXPECT(0, sys_shm_resize(memory, PAGE_SIZE));
    EXPECT(-EINVAL, submit(BLK_READ, PAGE_SIZE, 0, COUNT, 4));
    EXPECT(0, submit(BLK_READ, 0, 0, COUNT, 5));
    reap(0);
    EXPECT(0, sys_shm_resize(memory, SIZE));
    test_mark("VM: dma ok");
    return 0;
}
