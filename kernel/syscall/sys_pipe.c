/* System calls on pipes. */
#include "ipc/pipe.h"
#include "proc/process.h"
#include <syscall_table.h>

#define COMMON_RIGHTS (RIGHT_WAIT | RIGHT_DUP | RIGHT_TRANSFER)

/* As a grant: it counts as a handle while the call goes on, so that the end is not closed under it. */
static status_t get_end(handle_t h, uint32_t rights, struct grant *g, struct pipe_end **e)
{
    status_t st = handle_get_grant(h, OBJ_PIPE, rights, g);
    if (st == OK)
        *e = CONTAINER(g->obj, struct pipe_end, obj);
    return st;
}

/* Handles to both ends in the calling process, or none. */
static status_t give_ends(struct pipe_end *ends[2], uint32_t flags, struct pipe_ends *out)
{
    struct handle_table *t = &process_current()->handles;
    uint32_t place = flags & PIPE_FD ? HANDLE_FD : 0;
    out->read_end = handle_add(t, &ends[PIPE_READER]->obj, RIGHT_READ | COMMON_RIGHTS, place, 0);
    if (out->read_end < 0)
        return out->read_end;
    out->write_end = handle_add(t, &ends[PIPE_WRITER]->obj, RIGHT_WRITE | COMMON_RIGHTS, place, 0);
    if (out->write_end >= 0)
        return OK;
    (void)handle_close_in(t, out->read_end);
    return out->write_end;
}

int64_t sys_pipe_create(uint32_t flags, struct user_out uends)
{
    struct pipe_end *ends[2];
    struct pipe_ends out;
    if (flags & ~(PIPE_NONBLOCK | PIPE_FD))
        return -EINVAL;
    status_t st = user_probe_out(uends, sizeof out);
    if (st == OK)
        st = pipe_create(flags & PIPE_NONBLOCK, ends);
    if (st != OK)
        return st;
    st = give_ends(ends, flags, &out);
    object_put(&ends[PIPE_READER]->obj);
    object_put(&ends[PIPE_WRITER]->obj);
    if (st != OK)
        return st;
    st = copy_to_user(uends, &out, sizeof out);
    if (st != OK) { /* unmapped since it was probed */
        (void)handle_close_in(&process_current()->handles, out.read_end);
        (void)handle_close_in(&process_current()->handles, out.write_end);
    }
    return st;
}

int64_t sys_pipe_read(handle_t h, struct user_out buf, size_t len)
{
    struct pipe_end *e;
    struct grant g;
    status_t st = get_end(h, RIGHT_READ, &g, &e);
    if (st != OK)
        return st;
    int64_t n = pipe_read(e, buf, len);
    grant_drop(&g);
    return n;
}

int64_t sys_pipe_write(handle_t h, struct user_in buf, size_t len)
{
    struct pipe_end *e;
    struct grant g;
    status_t st = get_end(h, RIGHT_WRITE, &g, &e);
    if (st != OK)
        return st;
    int64_t n = pipe_write(e, buf, len);
    grant_drop(&g);
    return n;
}

int64_t sys_pipe_flags(handle_t h, uint32_t clear, uint32_t set)
{
    struct pipe_end *e;
    struct grant g;
    status_t st = get_end(h, 0, &g, &e);
    if (st != OK)
        return st;
    if (!(g.rights & (RIGHT_READ | RIGHT_WRITE)))
        st = -EACCES;
    else if ((clear | set) & ~PIPE_NONBLOCK)
        st = -EINVAL;
    int64_t before = st == OK ? (int64_t)pipe_set_flags(e, clear, set) : st;
    grant_drop(&g);
    return before;
}
