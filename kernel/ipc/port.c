/* Ports (port.h). */
#include "ipc/port.h"
#include "mm/heap.h"

struct registration {
    struct watch watch;        /* of the object */
    struct handle_link link;   /* of the handle entry */
    struct port *port;         /* [I] holds a reference */
    struct object *obj;        /* [I] holds a reference */
    struct process *process;   /* [I] whose handle it is; only compared with */
    handle_t handle;           /* [I] */
    uint64_t token;            /* [I] */
    uint32_t pending;          /* [o] events not yet reported */
    struct list ready_node;    /* [o] */
    struct list port_node;     /* [o] */
};

/* Called with the object's watch lock held. */
static void fire(struct watch *w, uint32_t events)
{
    struct registration *r = CONTAINER(w, struct registration, watch);
    struct port *p = r->port;
    spin_lock(&p->lock);
    r->pending |= events;
    if (list_empty(&r->ready_node))
        list_add_tail(&p->ready, &r->ready_node);
    (void)wait_wake_one(&p->waiters, 0);
    spin_unlock(&p->lock);
}

/* Take r off object and port and free it; its handle link is off already. */
static void unregister(struct registration *r)
{
    object_unwatch(r->obj, &r->watch);
    spin_lock(&r->port->lock);
    list_del(&r->ready_node);
    list_del(&r->port_node);
    spin_unlock(&r->port->lock);
    object_put(r->obj);
    object_put(&r->port->obj);
    kfree(r);
}

static void handle_closed(struct handle_link *l)
{
    unregister(CONTAINER(l, struct registration, link));
}

static void destroy(struct object *o)
{
    struct port *p = CONTAINER(o, struct port, obj);
    ASSERT(list_empty(&p->registrations));
    kfree(p);
}

/* Take one registration that nobody else is taking away. */
static struct registration *take_registration(struct port *p)
{
    struct registration *r = NULL;
    spin_lock(&p->lock);
    if (!list_empty(&p->registrations))
        r = LIST_ENTRY(p->registrations.next, struct registration, port_node);
    spin_unlock(&p->lock);
    return r;
}

static void last_handle(struct object *o)
{
    struct port *p = CONTAINER(o, struct port, obj);
    spin_lock(&p->lock);
    p->closed = true;
    wait_wake_all(&p->waiters, -EBADF);
    spin_unlock(&p->lock);
    for (struct registration *r; (r = take_registration(p));)
        if (handle_link_remove(r->process, r->handle, &r->link))
            unregister(r);
}

static const struct object_ops ops = {destroy, last_handle};

struct port *port_create(void)
{
    struct port *p = kzalloc(sizeof *p);
    if (!p)
        return NULL;
    object_init(&p->obj, OBJ_PORT, &ops);
    spin_init(&p->lock, RANK_PORT);
    list_init(&p->ready);
    list_init(&p->registrations);
    wait_queue_init(&p->waiters);
    return p;
}

/* The registration of the calling process's handle h, or NULL. The port is locked. */
static struct registration *find(struct port *p, handle_t h)
{
    LIST_FOR (n, &p->registrations) {
        struct registration *r = LIST_ENTRY(n, struct registration, port_node);
        if (r->handle == h && r->process == process_current())
            return r;
    }
    return NULL;
}

static bool can_wait(uint32_t type)
{
    return type == OBJ_JOB || type == OBJ_PROCESS || type == OBJ_THREAD || type == OBJ_ENDPOINT || type == OBJ_SESSION ||
           type == OBJ_TIMER || type == OBJ_BLK || type == OBJ_SERIAL;
}

static status_t check_new(struct port *p, handle_t h)
{
    spin_lock(&p->lock);
    status_t st = find(p, h) ? -EEXIST : p->closed ? -EBADF : OK;
    spin_unlock(&p->lock);
    return st;
}

status_t port_add(struct port *p, handle_t h, uint32_t events, uint64_t token)
{
    struct object *obj;
    status_t st = handle_get(h, 0, RIGHT_WAIT, &obj);
    if (st != OK)
        return st;
    if (!can_wait(obj->type))
        st = -EPERM;
    if (st == OK)
        st = check_new(p, h);
    struct registration *r = st == OK ? kzalloc(sizeof *r) : NULL;
    if (!r) {
        object_put(obj);
        return st == OK ? -ENOMEM : st;
    }
    *r = (struct registration){.watch = {.events = events, .fire = fire}, .link = {.closed = handle_closed}, .port = p,
                               .obj = obj, .process = process_current(), .handle = h, .token = token};
    list_init(&r->ready_node);
    object_get(&p->obj);
    spin_lock(&p->lock);
    list_add_tail(&p->registrations, &r->port_node);
    spin_unlock(&p->lock);
    object_watch(obj, &r->watch);
    st = handle_link_add(h, obj, &r->link);
    if (st != OK)
        unregister(r);
    return st;
}

status_t port_del(struct port *p, handle_t h)
{
    spin_lock(&p->lock);
    struct registration *r = find(p, h);
    spin_unlock(&p->lock);
    if (!r || !handle_link_remove(process_current(), h, &r->link))
        return -ENOENT;
    unregister(r);
    return OK;
}

int port_wait(struct port *p, struct port_event *events, unsigned n, uint64_t deadline)
{
    unsigned count = 0;
    spin_lock(&p->lock);
    while (list_empty(&p->ready)) {
        int st = deadline ? wait_sleep(&p->waiters, &p->lock, deadline) : -ETIMEDOUT;
        if (st < 0) {
            spin_unlock(&p->lock);
            return st;
        }
    }
    for (struct list *node; count < n && (node = list_pop(&p->ready)); count++) {
        struct registration *r = LIST_ENTRY(node, struct registration, ready_node);
        events[count] = (struct port_event){.token = r->token, .events = r->pending};
        r->pending = 0;
    }
    spin_unlock(&p->lock);
    return (int)count;
}
