/* System calls for tests. */
#include "proc/fail.h"
#include "syscall/system.h"
#include <syscall_table.h>

int64_t sys_debug_fail_nth(handle_t proc, uint32_t nth, uint32_t flags)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_MANAGE, &p);
    if (st != OK)
        return st;
    int64_t result = -EINVAL;
    bool self = p == process_current();
    if (!(flags & ~(FAIL_THREAD | FAIL_CHILD)) && flags != (FAIL_THREAD | FAIL_CHILD) &&
        (self || !(flags & FAIL_THREAD)))
        result = system_testing() ? fail_plan(p, nth, flags) : -EOPNOTSUPP;
    object_put(&p->obj);
    return result;
}
