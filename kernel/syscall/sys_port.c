/* System calls on ports and timers. */
#include "ipc/port.h"
#include "ipc/timer_object.h"
#include "x86/clock.h"
#include <syscall_table.h>

#define EVENTS_AT_ONCE 32u /* most that one port_wait returns */

static status_t get_port(handle_t h, uint32_t rights, struct port **p)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_PORT, rights, &o);
    if (st == OK)
        *p = CONTAINER(o, struct port, obj);
    return st;
}

int64_t sys_port_create(void)
{
    struct port *p = port_create();
    return p ? handle_give(&p->obj, RIGHT_READ | RIGHT_WRITE | RIGHT_DUP | RIGHT_TRANSFER)
             : -ENOMEM;
}

int64_t sys_port_add(handle_t port, handle_t h, uint32_t events, uint64_t token)
{
    struct port *p;
    status_t st = get_port(port, RIGHT_WRITE, &p);
    if (st != OK)
        return st;
    const uint32_t known =
        EV_READABLE | EV_WRITABLE | EV_HUP | EV_ERR | EV_EXITED | EV_TIMER | EV_USER0 | EV_USER1;
    st = !events || (events & ~known) ? -EINVAL : port_add(p, h, events, token);
    object_put(&p->obj);
    return st;
}

int64_t sys_port_del(handle_t port, handle_t h)
{
    struct port *p;
    status_t st = get_port(port, RIGHT_WRITE, &p);
    if (st != OK)
        return st;
    st = port_del(p, h);
    object_put(&p->obj);
    return st;
}

int64_t sys_port_wake(handle_t port)
{
    struct port *p;
    status_t st = get_port(port, RIGHT_WRITE, &p);
    if (st != OK)
        return st;
    port_wake(p);
    object_put(&p->obj);
    return OK;
}

int64_t sys_port_post(handle_t port, uint64_t token, uint32_t events)
{
    struct port *p;
    status_t st = get_port(port, RIGHT_WRITE, &p);
    if (st != OK)
        return st;
    st = !events || (events & ~(EV_USER0 | EV_USER1)) ? -EINVAL : port_post(p, token, events);
    object_put(&p->obj);
    return st;
}

/* The buffer is tried before, so that no event is lost to a bad address. */
static int64_t wait_for(struct port *p, struct user_out out, size_t n, int64_t timeout)
{
    struct port_event events[EVENTS_AT_ONCE];
    if (n == 0)
        return -EINVAL;
    if (n > EVENTS_AT_ONCE)
        n = EVENTS_AT_ONCE;
    status_t st = user_probe_out(out, n * sizeof events[0]);
    if (st != OK)
        return st;
    int got = port_wait(p, events, (unsigned)n, timeout ? deadline_from(timeout) : 0);
    if (got < 0)
        return got == -ETIMEDOUT && timeout == 0 ? 0 : got;
    st = copy_to_user(out, events, (unsigned)got * sizeof events[0]);
    return st != OK ? st : got;
}

int64_t sys_port_wait(handle_t port, struct user_out events, size_t n, int64_t timeout)
{
    struct port *p;
    status_t st = get_port(port, RIGHT_READ, &p);
    if (st != OK)
        return st;
    int64_t got = wait_for(p, events, n, timeout);
    object_put(&p->obj);
    return got;
}

int64_t sys_timer_create(void)
{
    struct timer_object *t = timer_object_create();
    return t ? handle_give(&t->obj, RIGHT_WRITE | RIGHT_WAIT | RIGHT_DUP | RIGHT_TRANSFER)
             : -ENOMEM;
}

int64_t sys_timer_set(handle_t h, int64_t deadline, uint64_t period)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_TIMER, RIGHT_WRITE, &o);
    if (st != OK)
        return st;
    if (period > INT64_MAX)
        st = -EINVAL;
    else
        timer_object_set(CONTAINER(o, struct timer_object, obj), deadline, period);
    object_put(o);
    return st;
}
