/* System calls on threads, and the clock. */
#include "ipc/futex.h"
#include "proc/upcall.h"
#include "x86/clock.h"
#include <syscall_table.h>

#define THREAD_RIGHTS (RIGHT_WAIT | RIGHT_DUP | RIGHT_TRANSFER | RIGHT_INSPECT | RIGHT_MANAGE)

/* The handle comes first: a thread that runs can't be taken back. */
static handle_t spawn(struct process *p, const struct user_start *start)
{
    status_t st;
    struct thread *t = process_thread_create(p, start, &st);
    if (!t)
        return st;
    object_get(&t->obj); /* handle_give takes the other one */
    handle_t h = handle_give(&t->obj, THREAD_RIGHTS);
    st = h < 0 ? h : process_thread_start(p, t);
    if (h >= 0 && st != OK)
        handle_close_if(&process_current()->handles, h, &t->obj);
    object_put(&t->obj);
    return st != OK ? st : h;
}

static bool start_ok(uintptr_t entry, uintptr_t stack, uintptr_t tls)
{
    return user_range_ok(entry, 1) && stack <= USER_MAX && tls < USER_MAX;
}

int64_t sys_thread_spawn(handle_t proc, uintptr_t entry, uintptr_t stack, uint64_t arg,
                         uintptr_t tls, uint32_t flags)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_MANAGE, &p);
    if (st != OK)
        return st;
    if (flags || !start_ok(entry, stack, tls)) {
        object_put(&p->obj);
        return -EINVAL;
    }
    struct user_start start = { .entry = entry, .stack = stack, .tls = tls, .arg = arg };
    if (p == process_current())
        start.mask = current_thread()->upcalls.mask;
    handle_t h = spawn(p, &start);
    object_put(&p->obj);
    return h;
}

int64_t sys_thread_create(uintptr_t entry, uintptr_t stack, uint64_t arg, uintptr_t tls,
                          uint64_t mask, uint32_t flags)
{
    struct process *p = process_current();
    if (flags & ~THREAD_INHERIT || !start_ok(entry, stack, tls))
        return -EINVAL;
    if (flags & THREAD_INHERIT)
        mask |= current_thread()->upcalls.mask;
    struct user_start start = {
        .entry = entry, .stack = stack, .tls = tls, .arg = arg, .mask = upcall_maskable(mask)
    };
    status_t st;
    struct thread *t = process_thread_create(p, &start, &st);
    if (!t)
        return st;
    int64_t id = (int64_t)t->id;
    st = process_thread_start(p, t);
    object_put(&t->obj);
    return st != OK ? st : id;
}

int64_t sys_thread_exit(uintptr_t clear)
{
    uint32_t zero = 0;
    /* A bad address has nobody left to be told. */
    if (clear && copy_to_user((struct user_out){ clear }, &zero, sizeof zero) == OK)
        (void)futex_wake(clear, UINT32_MAX, false);
    process_thread_exit();
}

/* The thread a handle stands for (HANDLE_SELF: the caller), with a reference. */
static status_t get_thread(handle_t h, uint32_t rights, struct thread **t)
{
    struct object *o = &current_thread()->obj;
    status_t st = OK;
    if (h == HANDLE_SELF)
        object_get(o);
    else
        st = handle_get(h, OBJ_THREAD, rights, &o);
    *t = CONTAINER(o, struct thread, obj);
    return st;
}

int64_t sys_thread_set_affinity(handle_t h, uint64_t mask)
{
    struct thread *t;
    status_t st = get_thread(h, RIGHT_MANAGE, &t);
    if (st != OK)
        return st;
    st = thread_set_affinity(t, (uint32_t)mask) ? OK : -EINVAL;
    object_put(&t->obj);
    return st;
}

int64_t sys_thread_set_priority(handle_t h, uint32_t priority)
{
    struct thread *t;
    status_t st = get_thread(h, RIGHT_MANAGE, &t);
    if (st != OK)
        return st;
    if (priority > PRIORITY_MAX)
        st = -EINVAL;
    else
        st = thread_set_priority(t, priority) ? OK : -EPERM;
    object_put(&t->obj);
    return st;
}

int64_t sys_yield(void)
{
    thread_yield();
    return OK;
}

int64_t sys_thread_self(void)
{
    return (int64_t)current_thread()->id;
}

int64_t sys_thread_set_tls(uintptr_t base)
{
    if (base >= USER_MAX)
        return -EINVAL;
    current_thread()->fs_base = base;
    wrmsr(MSR_FS_BASE, base);
    return OK;
}

int64_t sys_thread_sleep(int64_t ns)
{
    return ns < 0 ? -EINVAL : thread_sleep((uint64_t)ns);
}

int64_t sys_time_now(uint32_t clock)
{
    if (clock == CLOCK_MONOTONIC)
        return (int64_t)clock_ns();
    return clock == CLOCK_REALTIME ? clock_wall_ns() : -EINVAL;
}
