/* System calls on endpoints, sessions and messages. */
#include "ipc/endpoint.h"
#include "proc/upcall.h"
#include "syscall/fastcall.h"
#include <syscall_table.h>

#define FLAGS_KNOWN IPC_NONBLOCK

static status_t get_endpoint(handle_t h, uint32_t rights, struct endpoint **ep)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_ENDPOINT, rights, &o);
    if (st == OK)
        *ep = CONTAINER(o, struct endpoint, obj);
    return st;
}

/* As a grant: it counts as a handle while the call goes on. */
static status_t get_session(handle_t h, struct grant *g, struct session **s)
{
    status_t st = handle_get_grant(h, OBJ_SESSION, RIGHT_SEND, g);
    if (st == OK)
        *s = CONTAINER(g->obj, struct session, obj);
    return st;
}

int64_t sys_msg_buffer(void)
{
    uintptr_t at;
    status_t st = msg_slot_make(&at);
    return st != OK ? st : (int64_t)at;
}

int64_t sys_endpoint_create(uint32_t flags)
{
    if (flags)
        return -EINVAL;
    struct endpoint *ep = endpoint_create();
    return ep ? handle_give(&ep->obj,
                            RIGHT_RECV | RIGHT_OWN | RIGHT_DUP | RIGHT_TRANSFER | RIGHT_WAIT)
              : -ENOMEM;
}

int64_t sys_endpoint_reset(handle_t h)
{
    struct endpoint *ep;
    status_t st = get_endpoint(h, RIGHT_OWN, &ep);
    if (st != OK)
        return st;
    endpoint_reset(ep);
    object_put(&ep->obj);
    return OK;
}

int64_t sys_session_create(handle_t h, uint64_t badge, uint32_t flags, struct user_out out)
{
    struct endpoint *ep;
    uint64_t id;
    status_t st = get_endpoint(h, flags & SESSION_KEEP ? RIGHT_OWN : RIGHT_RECV, &ep);
    if (st != OK)
        return st;
    st = flags & ~(SESSION_KEEP | SESSION_SILENT) ? -EINVAL : user_probe_out(out, sizeof id);
    struct session *s = st == OK ? session_create(ep, badge, flags & SESSION_KEEP) : NULL;
    object_put(&ep->obj);
    if (!s)
        return st == OK ? -ENOMEM : st;
    s->obj.silent = flags & SESSION_SILENT;
    object_get(&s->obj); /* handle_give takes the other one */
    handle_t new = handle_give(&s->obj, RIGHT_SEND | RIGHT_DUP | RIGHT_TRANSFER | RIGHT_WAIT);
    if (new >= 0)
        id = session_open(s);
    object_put(&s->obj);
    if (new >= 0 && copy_to_user(out, &id, sizeof id) != OK) { /* unmapped since it was probed */
        (void)handle_close_in(&process_current()->handles, new);
        return -EFAULT;
    }
    return new;
}

int64_t sys_session_signal(handle_t h, uint64_t id, uint32_t clear, uint32_t set)
{
    struct endpoint *ep;
    status_t st = get_endpoint(h, RIGHT_RECV, &ep);
    if (st != OK)
        return st;
    st = (clear | set) & ~EV_SESSION ? -EINVAL : session_signal(ep, id, clear, set);
    object_put(&ep->obj);
    return st;
}

int64_t sys_session_revoke(handle_t h, uint64_t id)
{
    struct endpoint *ep;
    status_t st = get_endpoint(h, RIGHT_RECV, &ep);
    if (st != OK)
        return st;
    st = session_revoke(ep, id);
    object_put(&ep->obj);
    return st;
}

int64_t sys_ipc_send(handle_t h, uint32_t flags)
{
    struct session *s;
    struct grant g;
    status_t st = get_session(h, &g, &s);
    if (st != OK)
        return st;
    st = flags & ~FLAGS_KNOWN ? -EINVAL : endpoint_send(s, !(flags & IPC_NONBLOCK));
    grant_drop(&g);
    return st == -EINTR ? STATUS_RESTART : st;
}

int64_t ipc_call_general(handle_t h, int64_t timeout)
{
    struct session *s;
    struct grant g;
    status_t st = get_session(h, &g, &s);
    if (st != OK)
        return st;
    st = endpoint_call(s, timeout);
    grant_drop(&g);
    return st == -EINTR && timeout < 0 ? STATUS_RESTART : st;
}

int64_t sys_ipc_recv(handle_t h, uint32_t flags, int64_t timeout)
{
    struct endpoint *ep;
    status_t st = get_endpoint(h, RIGHT_RECV, &ep);
    if (st != OK)
        return st;
    st = flags & ~FLAGS_KNOWN ? -EINVAL : endpoint_receive(ep, !(flags & IPC_NONBLOCK), timeout);
    object_put(&ep->obj);
    return st;
}

int64_t sys_ipc_reply(handle_t h, uint64_t token)
{
    struct endpoint *ep;
    status_t st = get_endpoint(h, RIGHT_RECV, &ep);
    if (st != OK)
        return st;
    st = endpoint_reply(ep, token);
    object_put(&ep->obj);
    return st;
}

int64_t ipc_reply_recv_general(handle_t h, uint64_t token, uint32_t flags, int64_t timeout)
{
    struct endpoint *ep;
    status_t st = get_endpoint(h, RIGHT_RECV, &ep);
    if (st != OK)
        return st;
    st = flags & ~FLAGS_KNOWN ? -EINVAL : token ? endpoint_reply(ep, token) : OK;
    if (st == OK || st == -ESRCH)
        st = endpoint_receive(ep, !(flags & IPC_NONBLOCK), timeout);
    object_put(&ep->obj);
    return st;
}

int64_t sys_msg_read(handle_t h, uint64_t token, uint64_t offset, struct user_out buf, size_t len)
{
    struct endpoint *ep;
    status_t st = get_endpoint(h, RIGHT_RECV, &ep);
    if (st != OK)
        return st;
    int64_t n = endpoint_bulk(ep, token, offset, buf.addr, len, false);
    object_put(&ep->obj);
    return n;
}

int64_t sys_msg_write(handle_t h, uint64_t token, uint64_t offset, struct user_in buf, size_t len)
{
    struct endpoint *ep;
    status_t st = get_endpoint(h, RIGHT_RECV, &ep);
    if (st != OK)
        return st;
    int64_t n = endpoint_bulk(ep, token, offset, buf.addr, len, true);
    object_put(&ep->obj);
    return n;
}
