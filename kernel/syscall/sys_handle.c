/* System calls on handles. */
#include "proc/process.h"
#include <syscall_table.h>

int64_t sys_handle_close(handle_t h)
{
    return handle_close_in(&process_current()->handles, h);
}

int64_t sys_handle_dup(handle_t h, uint32_t rights, uint32_t flags, int32_t at)
{
    struct grant g;
    status_t st = handle_get_grant(h, 0, RIGHT_DUP, &g);
    if (st != OK)
        return st;
    st = rights_check(rights, g.rights);
    handle_t new = st;
    if (st == OK)
        new = handle_add(&process_current()->handles, g.obj, rights, flags, at);
    grant_drop(&g);
    return new;
}

int64_t sys_handle_info(handle_t h)
{
    uint32_t type, rights;
    status_t st = handle_inspect(h, &type, &rights);
    return st != OK ? st : (int64_t)((uint64_t)type << 32 | rights);
}
