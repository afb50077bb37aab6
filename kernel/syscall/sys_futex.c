/* System calls on futexes. */
#include "ipc/futex.h"
#include <syscall_table.h>

int64_t sys_futex_wait(uintptr_t addr, uint32_t val, int64_t timeout, uint32_t flags)
{
    if (flags & ~FUTEX_SHARED)
        return -EINVAL;
    return futex_wait(addr, val, timeout, flags & FUTEX_SHARED);
}

int64_t sys_futex_wake(uintptr_t addr, uint32_t n, uint32_t flags)
{
    if (flags & ~FUTEX_SHARED)
        return -EINVAL;
    return futex_wake(addr, n, flags & FUTEX_SHARED);
}
