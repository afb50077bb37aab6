/* System calls on upcalls. */
#include "proc/upcall.h"
#include <syscall_table.h>

int64_t sys_thread_upcall(uint64_t tid, uint32_t number)
{
    return upcall_to_thread(process_current(), tid, number);
}

int64_t sys_process_upcall(handle_t proc, uint32_t number)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_MANAGE, &p);
    if (st != OK)
        return st;
    st = p->critical && p != process_current() ? -EPERM : upcall_to_process(p, number);
    object_put(&p->obj);
    return st;
}

int64_t sys_upcall_set(uintptr_t entry)
{
    if (entry && !user_range_ok(entry, 1))
        return -EINVAL;
    upcall_set_entry(entry);
    return OK;
}

int64_t sys_upcall_action(uint32_t number, uint32_t action)
{
    return upcall_set_action(number, action);
}

int64_t sys_upcall_stack(uintptr_t base, size_t len)
{
    if (len && (len < UPCALL_STACK_MIN || !user_range_ok(base, len)))
        return -EINVAL;
    upcall_set_stack(base, len);
    return OK;
}

int64_t sys_upcall_mask(uint32_t how, uint64_t set, struct user_out old)
{
    uint64_t mask = current_thread()->upcalls.mask;
    if (how > UPCALL_SETMASK)
        return -EINVAL;
    status_t st = old.addr ? copy_to_user(old, &mask, sizeof mask) : OK;
    if (st != OK)
        return st;
    upcall_set_mask(how == UPCALL_BLOCK ? mask | set : how == UPCALL_UNBLOCK ? mask & ~set : set);
    return OK;
}

int64_t sys_upcall_return(uintptr_t context)
{
    upcall_request_return(context);
    return OK;
}
