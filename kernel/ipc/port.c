/* Ports (port.h). */
#include "ipc/port.h"
#include "mm/heap.h"

/*
 * Whoever takes the link off the handle entry (its closing, port_del, the port's end) ends the registration; the
 * others who have found it on the port meanwhile only keep its memory.
 */
struct registration {
    uint32_t refs;             /* [a] the registration itself, and who is about to end it */
    struct watch watch;        /* of the object */
    struct handle_link link;   /* of the handle entry */
    struct port *port;         /* [I] holds a reference */
    struct object *obj;        /* [I] holds a reference */
    struct process *process;   /* [I] whose handle it is; holds a reference */
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

static void registration_put(struct registration *r)
{
    if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL))
        return;
    object_put(r->obj);
    object_put(&r->process->obj);
    object_put(&r->port->obj);
    kfree(r);
}

/* Take r off object and port; its handle link is off already. */
static void unregister(struct registration *r)
{
    object_unwatch(r->obj, &r->watch);
    spin_lock(&r->port->lock);
    list_del(&r->ready_node);
    list_del(&r->port_node);
    spin_unlock(&r->port->lock);
    registration_put(r);
}

/* End r, which the caller holds, unless someone else is at it; drops the caller's hold. False: it was someone else. */
static bool try_unregister(struct registration *r)
{
    bool mine = handle_link_remove(r->process, r->handle, &r->link);
    if (mine)
        unregister(r);
    registration_put(r);
    return mine;
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

/* A registration of the port, held, or NULL. */
static struct registration *first_registration(struct port *p)
{
    struct registration *r = NULL;
    spin_lock(&p->lock);
    if (!list_empty(&p->registrations)) {
        r = LIST_ENTRY(p->registrations.next, struct registration, port_node);
        __atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
    }
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
    for (struct registration *r; (r = first_registration(p));)
        if (!try_unregister(r))
            thread_yield(); /* to whoever is at it */
}

static const struct object_ops ops = { .destroy = destroy, .last_handle = last_handle };

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
    return type == OBJ_JOB || type == OBJ_PROCESS || type == OBJ_THREAD || type == OBJ_ENDPOINT ||
           type == OBJ_SESSION || type == OBJ_TIMER || type == OBJ_BLK || type == OBJ_SERIAL;
}

/* Put r on its port unless there is one for the same handle. */
static status_t link_to_port(struct port *p, struct registration *r)
{
    spin_lock(&p->lock);
    status_t st = find(p, r->handle) ? -EEXIST : p->closed ? -EBADF : OK;
    if (st == OK)
        list_add_tail(&p->registrations, &r->port_node);
    spin_unlock(&p->lock);
    return st;
}

status_t port_add(struct port *p, handle_t h, uint32_t events, uint64_t token)
{
    struct object *obj;
    status_t st = handle_get(h, 0, RIGHT_WAIT, &obj);
    if (st != OK)
        return st;
    struct registration *r = can_wait(obj->type) ? kzalloc(sizeof *r) : NULL;
    if (!r) {
        st = can_wait(obj->type) ? -ENOMEM : -EPERM;
        object_put(obj);
        return st;
    }
    *r = (struct registration){ .refs = 1,
                                .watch = { .events = events, .fire = fire },
                                .link = { .closed = handle_closed },
                                .port = p,
                                .obj = obj,
                                .process = process_current(),
                                .handle = h,
                                .token = token };
    list_init(&r->watch.node);
    list_init(&r->ready_node);
    list_init(&r->port_node);
    object_get(&p->obj);
    object_get(&r->process->obj);
    st = link_to_port(p, r);
    if (st != OK) {
        registration_put(r);
        return st;
    }
    object_watch(obj, &r->watch);
    st = handle_link_add(h, obj, &r->link);
    if (st != OK) /* closed meanwhile */
        unregister(r);
    return st;
}

status_t port_del(struct port *p, handle_t h)
{
    spin_lock(&p->lock);
    struct registration *r = find(p, h);
    if (r)
        __atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
    spin_unlock(&p->lock);
    return r && try_unregister(r) ? OK : -ENOENT;
}

int port_wait(struct port *p, struct port_event *events, unsigned n, uint64_t deadline)
{
    unsigned count = 0;
    spin_lock(&p->lock);
    while (list_empty(&p->ready)) {
        int st = p->closed  ? -EBADF
                 : deadline ? wait_sleep(&p->waiters, &p->lock, deadline)
                            : -ETIMEDOUT;
        if (st < 0) {
            spin_unlock(&p->lock);
            return st;
        }
    }
    for (struct list *node; count < n && (node = list_pop(&p->ready)); count++) {
        struct registration *r = LIST_ENTRY(node, struct registration, ready_node);
        events[count] = (struct port_event){ .token = r->token, .events = r->pending };
        r->pending = 0;
    }
    spin_unlock(&p->lock);
    return (int)count;
}
