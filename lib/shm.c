/* Memory objects, mapped. */
#include <rugo/shm.h>

#include <rugo/syscall.h>

static size_t page_round(size_t n)
{
    return (n + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
}

int shm_new(size_t size, handle_t *shm, void **addr)
{
    handle_t h = sys_shm_create(size, 0);
    int st;

    if (h < 0)
        return h;
    st = shm_attach(h, VM_READ | VM_WRITE, addr, NULL);
    if (st != 0) {
        (void)sys_handle_close(h);
        return st;
    }
    *shm = h;
    return 0;
}

int shm_attach(handle_t shm, uint32_t prot, void **addr, size_t *size)
{
    int64_t bytes = sys_shm_size(shm), at;

    if (bytes < 0)
        return (int)bytes;
    at = sys_shm_map(HANDLE_SELF, shm, 0, page_round((size_t)bytes), 0, prot);
    if (at < 0)
        return (int)at;
    *addr = (void *)at;
    if (size != NULL)
        *size = (size_t)bytes;
    return 0;
}

void shm_detach(void *addr, size_t size)
{
    (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)addr, page_round(size));
}
