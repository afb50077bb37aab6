/* Ports (port.h). */
#include "ipc/port.h"
#include "mm/heap.h"

/* Posts of different tokens that may wait for being reported: bounds what a program can make a port hold. */
#define POSTS_MAX 1024u

/* Something to report. */
struct ready {
    struct list node; /* [o] port->ready, while events is not 0 */
    uint64_t token; /* [I] */
    uint32_t events; /* [o] not yet reported */
    bool posted; /* [I] part of a struct post, not of a registration */
};

/* Bytes that are charged: to the job of the process whose handle it is, and to who pays for the port. */
#define REGISTRATION_COST 256u
#define POST_COST         64u

/* What port_post leaves; it ends when it is reported. */
struct post {
    struct ready ready;
    struct tree_node node; /* [o] port->posts, key: token */
};

/* NULL: no memory, or more than the port's account may use. */
static struct post *post_new(struct port *p, uint64_t token)
{
    if (!account_charge(p->obj.account, JOB_MEMORY, POST_COST))
        return NULL;
    struct post *post = kzalloc(sizeof *post);
    if (!post) {
        account_uncharge(p->obj.account, JOB_MEMORY, POST_COST);
        return NULL;
    }
    post->ready = (struct ready){ .token = token, .posted = true };
    post->node.key = token;
    list_init(&post->ready.node);
    return post;
}

static void post_free(struct port *p, struct post *post)
{
    if (!post)
        return;
    kfree(post);
    account_uncharge(p->obj.account, JOB_MEMORY, POST_COST);
}

/*
 * Whoever takes the link off the handle entry (its closing, port_del, the port's end) ends the registration; the
 * others who have found it on the port meanwhile only keep its memory.
 */
struct registration {
    uint32_t refs; /* [a] the registration itself, and who is about to end it */
    struct watch watch; /* of the object */
    struct handle_link link; /* of the handle entry */
    struct port *port; /* [I] holds a reference */
    struct object *obj; /* [I] holds a reference */
    struct process *process; /* [I] whose handle it is; holds a reference */
    handle_t handle; /* [I] */
    struct ready ready;
    struct tree_node node; /* [o] port->registrations, key: registration_key */
};

/* Two processes whose numbers have the same low half can't register the same number: the second is told EEXIST. */
static uint64_t registration_key(const struct process *p, handle_t h)
{
    return p->pid << 32 | (uint32_t)h;
}

/* Queue events to be reported and wake somebody for them. The port is locked. */
static void make_ready(struct port *p, struct ready *r, uint32_t events)
{
    r->events |= events;
    if (list_empty(&r->node))
        list_add_tail(&p->ready, &r->node);
    (void)wait_wake_one(&p->waiters, 0);
}

/* Called with the object's watch lock held. */
static void fire(struct watch *w, uint32_t events)
{
    struct registration *r = CONTAINER(w, struct registration, watch);
    spin_lock(&r->port->lock);
    make_ready(r->port, &r->ready, events);
    spin_unlock(&r->port->lock);
}

static void registration_put(struct registration *r)
{
    if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL))
        return;
    object_put(r->obj);
    account_refund(&r->process->job->account, REGISTRATION_COST);
    object_put(&r->process->obj);
    object_put(&r->port->obj);
    kfree(r);
}

/* Take r off object and port; its handle link is off already. */
static void unregister(struct registration *r)
{
    object_unwatch(r->obj, &r->watch);
    spin_lock(&r->port->lock);
    list_del(&r->ready.node);
    tree_remove(&r->port->registrations, &r->node);
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
    ASSERT(!tree_first(&p->registrations));
    for (struct tree_node *n; (n = tree_first(&p->posts));) {
        tree_remove(&p->posts, n);
        post_free(p, CONTAINER(n, struct post, node));
    }
    kfree(p);
}

/* A registration found in the tree, held; NULL stays NULL. The port is locked. */
static struct registration *hold(struct tree_node *n)
{
    struct registration *r = n ? CONTAINER(n, struct registration, node) : NULL;
    if (r)
        __atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

/* A registration of the port, held, or NULL. */
static struct registration *first_registration(struct port *p)
{
    spin_lock(&p->lock);
    struct registration *r = hold(tree_first(&p->registrations));
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
    wait_queue_init(&p->waiters);
    return p;
}

/* Whether ports can wait for an object. */
static bool can_wait(const struct object *o)
{
    switch (o->type) {
    case OBJ_JOB:
    case OBJ_PROCESS:
    case OBJ_THREAD:
    case OBJ_ENDPOINT:
    case OBJ_SESSION:
    case OBJ_TIMER:
    case OBJ_TRACE:
    case OBJ_PIPE:
    case OBJ_BLK:
    case OBJ_SERIAL: return !o->silent;
    default: return false;
    }
}

/* Look up what is to be waited for; as a grant, because its rights are looked at after its type. */
static status_t get_source(handle_t h, struct grant *g)
{
    status_t st = handle_get_grant(h, 0, 0, g);
    if (st != OK)
        return st;
    st = !can_wait(g->obj) ? -EPERM : g->rights & RIGHT_WAIT ? OK : -EACCES;
    if (st != OK)
        grant_drop(g);
    return st;
}

static struct registration *registration_new(struct port *p, handle_t h, struct object *obj,
                                             uint32_t events, uint64_t token)
{
    struct account *payer = &process_current()->job->account;
    if (account_pay(payer, REGISTRATION_COST) != OK)
        return NULL;
    struct registration *r = kzalloc(sizeof *r);
    if (!r) {
        account_refund(payer, REGISTRATION_COST);
        return NULL;
    }
    *r = (struct registration){ .refs = 1,
                                .watch = { .events = events, .fire = fire },
                                .link = { .closed = handle_closed },
                                .port = p,
                                .obj = obj,
                                .process = process_current(),
                                .handle = h,
                                .ready = { .token = token } };
    r->node.key = registration_key(r->process, h);
    list_init(&r->watch.node);
    list_init(&r->ready.node);
    object_get(&p->obj);
    object_get(obj);
    object_get(&r->process->obj);
    return r;
}

/* Put r on its port unless there is one for the same handle. */
static status_t link_to_port(struct port *p, struct registration *r)
{
    spin_lock(&p->lock);
    status_t st = p->closed ? -EBADF : tree_find(&p->registrations, r->node.key) ? -EEXIST : OK;
    if (st == OK)
        tree_insert(&p->registrations, &r->node);
    spin_unlock(&p->lock);
    return st;
}

/* Enter a new registration in port, object and handle entry, in this order; it is dropped when that fails. */
static status_t registration_enter(struct registration *r)
{
    status_t st = link_to_port(r->port, r);
    if (st != OK) {
        registration_put(r);
        return st;
    }
    object_watch(r->obj, &r->watch);
    st = handle_link_add(r->handle, r->obj, &r->link);
    if (st != OK) /* closed meanwhile */
        unregister(r);
    return st;
}

status_t port_add(struct port *p, handle_t h, uint32_t events, uint64_t token)
{
    struct grant g;
    status_t st = get_source(h, &g);
    if (st != OK)
        return st;
    struct registration *r = registration_new(p, h, g.obj, events, token);
    st = r ? registration_enter(r) : -ENOMEM;
    grant_drop(&g);
    return st;
}

status_t port_del(struct port *p, handle_t h)
{
    spin_lock(&p->lock);
    struct registration *r =
        hold(tree_find(&p->registrations, registration_key(process_current(), h)));
    spin_unlock(&p->lock);
    return r && try_unregister(r) ? OK : -ENOENT;
}

void port_wake(struct port *p)
{
    spin_lock(&p->lock);
    p->woken = true;
    (void)wait_wake_one(&p->waiters, 0);
    spin_unlock(&p->lock);
}

/* Add events to the waiting post of that token; false: there is none. The port is locked. */
static bool post_again(struct port *p, uint64_t token, uint32_t events)
{
    struct tree_node *n = tree_find(&p->posts, token);
    if (n)
        make_ready(p, &CONTAINER(n, struct post, node)->ready, events);
    return n;
}

status_t port_post(struct port *p, uint64_t token, uint32_t events)
{
    spin_lock(&p->lock);
    bool done = post_again(p, token, events);
    spin_unlock(&p->lock);
    if (done)
        return OK;
    struct post *new = post_new(p, token);
    if (!new)
        return -ENOMEM;
    spin_lock(&p->lock);
    done = post_again(p, token, events); /* by another thread meanwhile */
    status_t st = done || p->post_count < POSTS_MAX ? OK : -EAGAIN;
    if (st == OK && !done) {
        tree_insert(&p->posts, &new->node);
        p->post_count++;
        make_ready(p, &new->ready, events);
        new = NULL;
    }
    spin_unlock(&p->lock);
    post_free(p, new);
    return st;
}

/* Take the next event off the port, which is locked; false: there is none. */
static bool take_event(struct port *p, struct port_event *event)
{
    struct list *node = list_pop(&p->ready);
    if (!node)
        return false;
    struct ready *r = LIST_ENTRY(node, struct ready, node);
    *event = (struct port_event){ .token = r->token, .events = r->events };
    r->events = 0;
    if (r->posted) {
        struct post *post = CONTAINER(r, struct post, ready);
        tree_remove(&p->posts, &post->node);
        p->post_count--;
        post_free(p, post);
    }
    return true;
}

/* Sleep until there is an event (1), port_wake was called (0), or no longer (negative). The port is locked. */
static int await_event(struct port *p, uint64_t deadline)
{
    while (list_empty(&p->ready)) {
        if (p->closed)
            return -EBADF;
        if (!deadline)
            return -ETIMEDOUT;
        if (p->woken) {
            p->woken = false;
            return 0;
        }
        int st = wait_sleep(&p->waiters, &p->lock, deadline);
        if (st < 0)
            return st;
    }
    return 1;
}

int port_wait(struct port *p, struct port_event *events, unsigned n, uint64_t deadline)
{
    unsigned count = 0;
    spin_lock(&p->lock);
    int st = await_event(p, deadline);
    while (st > 0 && count < n && take_event(p, &events[count]))
        count++;
    spin_unlock(&p->lock);
    return st > 0 ? (int)count : st;
}
