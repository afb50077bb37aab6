/* Endpoints, sessions and messages (endpoint.h). */
#include "ipc/call.h"
#include "klib/string.h"
#include "mm/heap.h"

/* A one-way message on its way. */
struct send_item {
    struct ipc_item item;
    struct session *session; /* holds a reference */
    struct ipc_cargo *cargo; /* handles; NULL: none */
    struct account *payer;   /* the sender's; account_pay */
    uint32_t len;
    uint8_t data[];
};
_Static_assert(sizeof(struct send_item) + IPC_DATA_MAX <= PAGE_SIZE, "kmalloc gives no more");

/* Sessions ended with the endpoint locked once: bounds the time that interrupts are off. */
#define END_AT_ONCE 16
/* Killed callers that a session has the server answer; the tokens of more are void at once. */
#define GHOSTS_MAX 64u

static uint64_t queued_messages; /* [a] */

uint64_t ipc_message_count(void)
{
    return __atomic_load_n(&queued_messages, __ATOMIC_RELAXED);
}

/* What to let go of once no lock is held. */
struct trash {
    struct list sends;    /* struct send_item.item.session_node */
    struct list sessions; /* struct session.closed.session_node, each with a reference to drop */
    struct list ghosts;   /* struct msg_slot.node */
};

static void trash_init(struct trash *t)
{
    list_init(&t->sends);
    list_init(&t->sessions);
    list_init(&t->ghosts);
}

/* ---- queueing ---- */

static void item_init(struct ipc_item *item, enum item_kind kind)
{
    item->kind = kind;
    prio_node_init(&item->node);
    list_init(&item->session_node);
}

/* Wake one that sleeps for a message. */
static void wake_receiver(struct endpoint *ep, int result)
{
    struct thread *t = ep->waiter;
    ep->waiter = NULL;
    if (!t || !thread_wake(t, result))
        (void)wait_wake_one(&ep->receivers, result);
}

/*
 * Put an item of s into the queue. One-way messages that were sent on s before, at most IPC_SEND_CREDIT, become as important,
 * so that it does not overtake them.
 */
static void place(struct session *s, struct ipc_item *item, uint32_t priority)
{
    LIST_FOR (n, &s->sends) {
        struct ipc_item *sent = LIST_ENTRY(n, struct ipc_item, session_node);
        if (sent->node.priority >= priority)
            continue;
        prio_del(&sent->node);
        prio_add(&s->ep->queue, &sent->node, priority);
    }
    prio_add(&s->ep->queue, &item->node, priority);
}

static void enqueue(struct session *s, struct ipc_item *item)
{
    place(s, item, thread_priority(current_thread()));
    wake_receiver(s->ep, 0);
    object_signal(&s->ep->obj, 0, EV_READABLE);
}

static void dequeue(struct endpoint *ep, struct ipc_item *item)
{
    prio_del(&item->node);
    list_del(&item->session_node);
    if (prio_queue_empty(&ep->queue))
        object_signal(&ep->obj, EV_READABLE, 0);
}

/* Bytes that the sender's job pays for a message. */
static uint64_t send_cost(uint32_t len, bool handles)
{
    return align_up(sizeof(struct send_item) + len, 64) + (handles ? sizeof(struct ipc_cargo) : 0);
}

static void send_free(struct send_item *m)
{
    __atomic_fetch_sub(&queued_messages, 1, __ATOMIC_RELAXED);
    if (m->cargo)
        cargo_drop(m->cargo);
    account_uncharge(m->payer, JOB_MESSAGES, 1);
    account_refund(m->payer, send_cost(m->len, m->cargo));
    kfree(m->cargo);
    object_put(&m->session->obj);
    kfree(m);
}

/* The server has nothing to do with the call any more, if it had; nor will it hear of it. */
static void end_service(struct msg_slot *s)
{
    if (s->state == CALL_RECEIVED)
        call_left_server(s);
    if (prio_queued(&s->item.node))
        dequeue(s->session->ep, &s->item);
}

static void bury(struct msg_slot *ghost, struct trash *trash)
{
    end_service(ghost);
    list_del(&ghost->ghost_node);
    ghost->session->ghost_count--;
    list_add_tail(&trash->ghosts, &ghost->node);
}

static void bury_all(struct session *s, struct trash *trash)
{
    LIST_FOR (n, &s->ghosts)
        bury(LIST_ENTRY(n, struct msg_slot, ghost_node), trash);
}

/* End the call of a slot with a result and wake its caller, if there still is one. */
static void finish_call(struct msg_slot *s, int result, struct trash *trash)
{
    if (!s->thread) {
        bury(s, trash);
        return;
    }
    end_service(s);
    call_take_back(s);
    s->state = CALL_DONE;
    s->result = result;
    (void)thread_wake(s->thread, 0);
}

/* ---- endpoints and sessions ---- */

static void endpoint_destroy(struct object *o)
{
    struct endpoint *ep = CONTAINER(o, struct endpoint, obj);
    ASSERT(prio_queue_empty(&ep->queue) && list_empty(&ep->received) && !ep->sessions.root);
    kfree(ep);
}

/* Take a session out of its endpoint: nothing can be sent on it any more. The tree's reference goes to the trash. */
static void revoke(struct session *s, struct trash *trash)
{
    struct endpoint *ep = s->ep;
    s->revoked = true;
    tree_remove(&ep->sessions, &s->node);
    LIST_FOR (n, &s->sends) {
        dequeue(ep, LIST_ENTRY(n, struct ipc_item, session_node));
        list_add_tail(&trash->sends, n);
    }
    LIST_FOR (n, &s->calls)
        finish_call(CONTAINER(n, struct msg_slot, item.session_node), -EPIPE, trash);
    bury_all(s, trash);
    if (prio_queued(&s->closed.node))
        dequeue(ep, &s->closed);
    list_add_tail(&trash->sessions, &s->closed.session_node);
    wait_wake_all(&s->senders, -EPIPE);
    object_signal(&s->obj, 0, EV_HUP);
}

static void empty_trash(struct trash *t)
{
    struct list *n;
    while ((n = list_pop(&t->sends)))
        send_free(CONTAINER(n, struct send_item, item.session_node));
    while ((n = list_pop(&t->ghosts))) {
        struct msg_slot *ghost = LIST_ENTRY(n, struct msg_slot, node);
        object_put(&ghost->session->obj);
        msg_slot_forget(ghost);
    }
    while ((n = list_pop(&t->sessions)))
        object_put(&CONTAINER(n, struct session, closed.session_node)->obj);
}

static struct session *session_from(struct tree_node *n)
{
    return n ? CONTAINER(n, struct session, node) : NULL;
}

/*
 * End sessions with ids above *from and below to, all or those that a reset ends: as many as go at once. *from is the
 * last one looked at then; false: there are no more.
 */
static bool end_some(struct endpoint *ep, bool all, uint64_t *from, uint64_t to)
{
    struct trash trash;
    unsigned left = END_AT_ONCE;
    trash_init(&trash);
    spin_lock(&ep->lock);
    struct tree_node *n = tree_floor(&ep->sessions, *from), *next;
    n = n ? tree_next(n) : tree_first(&ep->sessions);
    for (; n && n->key < to && left; n = next, left--) {
        struct session *s = session_from(n);
        *from = n->key;
        next = tree_next(n);
        /* A kept session whose clients are all gone means nothing to the next incarnation. */
        if (all || !s->keep || prio_queued(&s->closed.node))
            revoke(s, &trash);
    }
    spin_unlock(&ep->lock);
    empty_trash(&trash);
    return left == 0;
}

/* End all sessions, or those that a reset ends, and all calls that were received. */
static void end_incarnation(struct endpoint *ep, bool all)
{
    uint64_t from = 0;
    struct trash trash;
    trash_init(&trash);
    spin_lock(&ep->lock);
    uint64_t to = ep->next_id;
    ep->dead |= all;
    LIST_FOR (n, &ep->received)
        finish_call(CONTAINER(n, struct msg_slot, node), -ECONNRESET, &trash);
    if (all) {
        wake_receiver(ep, -EPIPE);
        wait_wake_all(&ep->receivers, -EPIPE);
    }
    spin_unlock(&ep->lock);
    empty_trash(&trash);
    while (end_some(ep, all, &from, to))
        ;
}

static void endpoint_last_handle(struct object *o)
{
    end_incarnation(CONTAINER(o, struct endpoint, obj), true);
}

void endpoint_reset(struct endpoint *ep)
{
    end_incarnation(ep, false);
}

static const struct object_ops endpoint_ops = { endpoint_destroy, endpoint_last_handle,
                                                endpoint_describe };

struct endpoint *endpoint_create(void)
{
    struct endpoint *ep = kzalloc(sizeof *ep);
    if (!ep)
        return NULL;
    object_init(&ep->obj, OBJ_ENDPOINT, &endpoint_ops);
    spin_init(&ep->lock, RANK_ENDPOINT);
    prio_queue_init(&ep->queue);
    list_init(&ep->received);
    wait_queue_init(&ep->receivers);
    ep->next_id = 1;
    return ep;
}

static void session_destroy(struct object *o)
{
    struct session *s = CONTAINER(o, struct session, obj);
    object_put(&s->ep->obj);
    kfree(s);
}

static void session_last_handle(struct object *o)
{
    struct session *s = CONTAINER(o, struct session, obj);
    spin_lock(&s->ep->lock);
    if (!s->revoked && !prio_queued(&s->closed.node))
        enqueue(s, &s->closed);
    spin_unlock(&s->ep->lock);
}

static const struct object_ops session_ops = { session_destroy, session_last_handle,
                                               session_describe };

struct session *session_create(struct endpoint *ep, uint64_t badge, bool keep)
{
    struct session *s = kzalloc(sizeof *s);
    if (!s)
        return NULL;
    object_init(&s->obj, OBJ_SESSION, &session_ops);
    object_get(&ep->obj);
    s->ep = ep;
    s->badge = badge;
    s->keep = keep;
    s->revoked = true; /* until session_open */
    list_init(&s->sends);
    list_init(&s->calls);
    list_init(&s->ghosts);
    item_init(&s->closed, ITEM_CLOSED);
    wait_queue_init(&s->senders);
    return s;
}

uint64_t session_open(struct session *s)
{
    struct endpoint *ep = s->ep;
    spin_lock(&ep->lock);
    uint64_t id = s->node.key = ep->next_id++;
    s->revoked = ep->dead;
    if (!s->revoked) {
        object_get(&s->obj); /* the tree's */
        tree_insert(&ep->sessions, &s->node);
        if (__atomic_load_n(&s->obj.handles, __ATOMIC_ACQUIRE) == 0) /* closed again already */
            enqueue(s, &s->closed);
    }
    spin_unlock(&ep->lock);
    return id;
}

status_t session_signal(struct endpoint *ep, uint64_t id, uint32_t clear, uint32_t set)
{
    spin_lock(&ep->lock);
    struct session *s = session_from(tree_find(&ep->sessions, id));
    if (s)
        object_signal(&s->obj, clear, set);
    spin_unlock(&ep->lock);
    return s ? OK : -ENOENT;
}

status_t session_revoke(struct endpoint *ep, uint64_t id)
{
    struct trash trash;
    trash_init(&trash);
    spin_lock(&ep->lock);
    struct session *s = session_from(tree_find(&ep->sessions, id));
    if (s)
        revoke(s, &trash);
    spin_unlock(&ep->lock);
    empty_trash(&trash);
    return s ? OK : -ENOENT;
}

/* ---- sending ---- */

/* Let the calling process's job pay for a message; -EAGAIN: it has sent all that it may have waiting. */
static status_t send_pay(struct account *a, const struct ipc_cargo *cargo)
{
    if (!account_charge(a, JOB_MESSAGES, 1))
        return -EAGAIN;
    status_t st = account_pay(a, send_cost(cargo->len, cargo->nhandles));
    if (st != OK)
        account_uncharge(a, JOB_MESSAGES, 1);
    return st;
}

/* Memory for a message and its handles. */
static struct send_item *send_alloc(const struct ipc_cargo *cargo)
{
    struct send_item *m = kmalloc(sizeof *m + cargo->len);
    if (!m)
        return NULL;
    m->cargo = cargo->nhandles ? kmalloc(sizeof *m->cargo) : NULL;
    if (m->cargo || !cargo->nhandles)
        return m;
    kfree(m);
    return NULL;
}

/* A message with what the slot's buffer holds; the cargo is used up. -ENOMEM, -EAGAIN. */
static status_t make_send(struct session *s, const struct msg_slot *slot,
                          const struct ipc_cargo *cargo, struct send_item **out)
{
    struct account *payer = &process_current()->job->account;
    status_t st = send_pay(payer, cargo);
    if (st != OK)
        return st;
    struct send_item *m = send_alloc(cargo);
    if (!m) {
        account_uncharge(payer, JOB_MESSAGES, 1);
        account_refund(payer, send_cost(cargo->len, cargo->nhandles));
        return -ENOMEM;
    }
    item_init(&m->item, ITEM_SEND);
    m->session = s;
    m->payer = payer;
    if (m->cargo)
        *m->cargo = *cargo;
    m->len = cargo->len;
    memcpy(m->data, slot->buf->data, cargo->len);
    object_get(&s->obj);
    __atomic_fetch_add(&queued_messages, 1, __ATOMIC_RELAXED);
    *out = m;
    return OK;
}

/* Wait until the session has credit for one more message; the endpoint is locked. */
static status_t wait_credit(struct session *s, bool wait)
{
    while (!s->revoked && s->queued >= IPC_SEND_CREDIT) {
        if (!wait)
            return -EAGAIN;
        int st = wait_sleep(&s->senders, &s->ep->lock, WAIT_FOREVER);
        if (st < 0)
            return st;
    }
    return s->revoked ? -EPIPE : OK;
}

status_t endpoint_send(struct session *s, bool wait)
{
    struct msg_slot *slot = current_thread()->msg;
    struct ipc_cargo cargo;
    if (!slot)
        return -ENOBUFS;
    status_t st = cargo_load(&cargo, slot->buf);
    if (st != OK)
        return st;
    struct send_item *m;
    st = make_send(s, slot, &cargo, &m);
    if (st != OK) {
        cargo_drop(&cargo);
        return st;
    }
    spin_lock(&s->ep->lock);
    st = wait_credit(s, wait);
    if (st == OK) {
        s->queued++;
        enqueue(s, &m->item);
        list_add_tail(&s->sends, &m->item.session_node);
    }
    spin_unlock(&s->ep->lock);
    if (st != OK) {
        send_free(m);
        return st;
    }
    /* Nothing takes it back from here on, and nobody would tell its sender of its delivery: moved handles are the message's. */
    for (uint32_t i = 0; i < cargo.nhandles; i++)
        if (cargo.move >> i & 1)
            handle_close_if(&process_current()->handles, cargo.source[i], cargo.grants[i].obj);
    return OK;
}

/* ---- calling ---- */

/* Tell the server, once, that the caller wants its answer now. */
static void cancel(struct msg_slot *s)
{
    if (s->item.kind == ITEM_CANCEL)
        return;
    s->item.kind = ITEM_CANCEL;
    enqueue(s->session, &s->item);
}

/* The calling thread's priority may have changed: its place in the queue and what it lends do with it. */
static void follow_priority(struct msg_slot *s)
{
    __atomic_fetch_and(&s->thread->work, ~WORK_PRIORITY, __ATOMIC_SEQ_CST);
    uint32_t priority = thread_priority(s->thread);
    if (prio_queued(&s->item.node) && s->item.node.priority != priority) {
        prio_del(&s->item.node);
        place(s->session, &s->item, priority);
    }
    call_lend_again(s->session->ep, s);
}

/* Whether the calling thread has work of these kinds. */
static bool has_work(uint32_t kinds)
{
    return __atomic_load_n(&current_thread()->work, __ATOMIC_SEQ_CST) & kinds;
}

/*
 * Sleep until the call is done. What ends the wait sooner withdraws a call that was not received and cancels one that
 * was; then only a kill ends it (-EINTR with the state CALL_RECEIVED). st: what ended a sleep that there was already, or
 * OK. The endpoint is locked.
 */
static int await_answer(struct endpoint *ep, struct msg_slot *s, uint64_t deadline, int st)
{
    uint32_t heed = WORK_KILL | WORK_UPCALL;
    while (s->state != CALL_DONE) {
        if (has_work(WORK_PRIORITY)) {
            follow_priority(s);
            if (st == -EINTR && !has_work(heed))
                st = OK; /* it woke for nothing else */
        }
        if (st < 0 && s->state == CALL_QUEUED) {
            dequeue(ep, &s->item);
            return st;
        }
        if (st < 0) {
            cancel(s);
            if (thread_killed(s->thread))
                return -EINTR;
            deadline = WAIT_FOREVER;
            heed = WORK_KILL;
        }
        st = wait_sleep_heeding(&s->caller, &ep->lock, deadline, heed | WORK_PRIORITY);
    }
    return s->result;
}

/* The server may be copying to or from memory of the caller, who must not go on meanwhile. The endpoint is locked. */
static void await_copies(struct endpoint *ep, struct msg_slot *s)
{
    while (s->copying)
        (void)wait_sleep_heeding(&s->caller, &ep->lock, WAIT_FOREVER, 0);
}

/*
 * The calling thread is killed in its call, which was received: leave the slot to the server. Returns what to let go of
 * with no lock held, NULL: nothing; the thread keeps its slot then, and the token is void.
 */
static struct shm *leave_call(struct msg_slot *s)
{
    if (s->session->ghost_count == GHOSTS_MAX) {
        end_service(s);
        s->state = CALL_DONE;
        return NULL;
    }
    object_get(&s->session->obj);
    s->session->ghost_count++;
    list_add_tail(&s->session->ghosts, &s->ghost_node);
    return msg_slot_leave(s);
}

/* Until the call of the calling thread is over; st as await_answer. The endpoint is locked, and not on return. */
static status_t complete_call(struct endpoint *ep, struct msg_slot *s, uint64_t deadline, int st)
{
    struct shm *left = NULL;
    st = await_answer(ep, s, deadline, st);
    await_copies(ep, s);
    if (s->state == CALL_DONE)
        st = s->result;
    else if (s->state == CALL_RECEIVED)
        left = leave_call(s);
    call_take_back(s);
    if (!left)
        call_over(s);
    spin_unlock(&ep->lock);
    if (left)
        object_put(&left->obj);
    else if (st != OK)
        cargo_drop(&s->cargo);
    else
        cargo_deliver(&s->cargo, s->buf, true);
    return st;
}

status_t endpoint_call(struct session *session, int64_t timeout)
{
    struct msg_slot *s = current_thread()->msg;
    struct endpoint *ep = session->ep;
    if (!s)
        return -ENOBUFS;
    status_t st = cargo_load(&s->cargo, s->buf);
    if (st != OK)
        return st;
    call_offer(s);
    uint64_t deadline = deadline_from(timeout);
    CPU_COUNT(ipc_calls);
    spin_lock(&ep->lock);
    if (session->revoked) {
        spin_unlock(&ep->lock);
        cargo_drop(&s->cargo);
        return -EPIPE;
    }
    call_begin(s, session, CALL_QUEUED);
    list_add_tail(&session->calls, &s->item.session_node);
    call_lend(ep, s);
    enqueue(session, &s->item);
    return complete_call(ep, s, deadline, OK);
}

status_t endpoint_call_resume(struct msg_slot *s, uint64_t deadline, int st)
{
    struct endpoint *ep = s->session->ep;
    spin_lock(&ep->lock);
    return complete_call(ep, s, deadline, st);
}

/* ---- receiving ---- */

/* What a delivery leaves to be done with no lock held. */
struct delivery {
    struct ipc_cargo cargo;
    struct process *sender; /* of a call with moved handles; holds a reference */
    struct trash trash;
};

static void take_call(struct endpoint *ep, struct msg_slot *s, struct ipc_msg *buf,
                      struct delivery *d)
{
    if (s->item.kind == ITEM_CANCEL) {
        call_fill(buf, IPC_CANCEL, s->session, s->token, 0, 0, 0);
        return;
    }
    call_received(ep, s);
    call_lend_receiver(ep, s);
    call_fill(buf, IPC_CALL, s->session, s->token, s->cargo.len, s->in_len, s->out_len);
    memcpy(buf->data, s->buf->data, s->cargo.len);
    d->cargo = s->cargo;
    s->cargo.nhandles = 0;
    if (d->cargo.move) {
        d->sender = s->thread->process;
        object_get(&d->sender->obj);
    }
}

static void take_send(struct send_item *m, struct ipc_msg *buf, struct delivery *d)
{
    call_fill(buf, IPC_SEND, m->session, 0, m->len, 0, 0);
    memcpy(buf->data, m->data, m->len);
    if (m->cargo) {
        d->cargo = *m->cargo;
        m->cargo->nhandles = 0;
    }
    list_add_tail(&d->trash.sends, &m->item.session_node);
    m->session->queued--;
    (void)wait_wake_one(&m->session->senders, 0);
}

/* The last event of the badge: nobody waits for an answer to it any more. */
static void take_closed(struct session *s, struct ipc_msg *buf, struct delivery *d)
{
    s->revoked = true;
    tree_remove(&s->ep->sessions, &s->node);
    bury_all(s, &d->trash);
    list_add_tail(&d->trash.sessions, &s->closed.session_node);
    call_fill(buf, IPC_CLOSED, s, 0, 0, 0, 0);
}

static void take(struct endpoint *ep, struct ipc_item *item, struct ipc_msg *buf,
                 struct delivery *d)
{
    dequeue(ep, item);
    switch (item->kind) {
    case ITEM_CALL:
    case ITEM_CANCEL: take_call(ep, CONTAINER(item, struct msg_slot, item), buf, d); break;
    case ITEM_SEND: take_send(CONTAINER(item, struct send_item, item), buf, d); break;
    case ITEM_CLOSED: take_closed(CONTAINER(item, struct session, closed), buf, d); break;
    }
}

/* Handles arrive: moved ones leave the sender, then all enter the receiver's table. */
static void finish_delivery(struct delivery *d, struct ipc_msg *buf)
{
    for (uint32_t i = 0; d->sender && i < d->cargo.nhandles; i++)
        if (d->cargo.move >> i & 1)
            handle_close_if(&d->sender->handles, d->cargo.source[i], d->cargo.grants[i].obj);
    if (d->sender)
        object_put(&d->sender->obj);
    cargo_deliver(&d->cargo, buf, false);
    empty_trash(&d->trash);
}

/* Take a message, waiting for it; st as await_answer. The endpoint is locked, and not on return. */
static status_t complete_receive(struct endpoint *ep, bool wait, uint64_t deadline, int st)
{
    struct msg_slot *own = current_thread()->msg;
    struct delivery d;
    d.cargo.nhandles = 0;
    d.sender = NULL;
    trash_init(&d.trash);
    /* What is still in the queue of a dead endpoint is being ended: nobody could answer it. */
    while (st == OK && (ep->dead || prio_queue_empty(&ep->queue)))
        st = ep->dead ? -EPIPE : wait ? wait_sleep(&ep->receivers, &ep->lock, deadline) : -EAGAIN;
    if (st >= 0)
        ep->server = (struct server_name){ own->cell, own->thread->id };
    if (st == OK)
        take(ep, LIST_ENTRY(prio_first(&ep->queue), struct ipc_item, node), own->buf, &d);
    spin_unlock(&ep->lock);
    if (st < 0)
        return st;
    if (st == WOKEN_DONE)
        cargo_deliver(&own->cargo, own->buf, false);
    else
        finish_delivery(&d, own->buf);
    return OK;
}

status_t endpoint_receive(struct endpoint *ep, bool wait, int64_t timeout)
{
    if (!current_thread()->msg)
        return -ENOBUFS;
    uint64_t deadline = deadline_from(timeout);
    spin_lock(&ep->lock);
    return complete_receive(ep, wait, deadline, OK);
}

status_t endpoint_receive_resume(struct endpoint *ep, uint64_t deadline, int st)
{
    struct thread *t = current_thread();
    spin_lock(&ep->lock);
    if (ep->waiter == t)
        ep->waiter = NULL;
    prio_del(&t->wait_node);
    return complete_receive(ep, true, deadline, st);
}

/* ---- answering ---- */

status_t endpoint_reply(struct endpoint *ep, uint64_t token)
{
    struct msg_slot *own = current_thread()->msg;
    struct ipc_cargo cargo;
    struct grant moved[IPC_HANDLE_MAX];
    if (!own)
        return -ENOBUFS;
    status_t st = cargo_load(&cargo, own->buf);
    if (st != OK)
        return st;
    memcpy(moved, cargo.grants, sizeof moved); /* only compared with, after they are gone */
    struct trash trash;
    trash_init(&trash);
    spin_lock(&ep->lock);
    struct msg_slot *s = msg_slot_received(ep, token);
    bool heard = s && s->thread;
    if (heard) {
        s->buf->len = cargo.len;
        memcpy(s->buf->data, own->buf->data, cargo.len);
        s->cargo = cargo;
    }
    if (s)
        finish_call(s, OK, &trash);
    spin_unlock(&ep->lock);
    empty_trash(&trash);
    if (!heard) {
        cargo_drop(&cargo);
        return -ESRCH;
    }
    for (uint32_t i = 0; i < cargo.nhandles; i++)
        if (cargo.move >> i & 1)
            handle_close_if(&process_current()->handles, cargo.source[i], moved[i].obj);
    return OK;
}

/* ---- bulk data ---- */

/* Whether the caller still waits for what is copied. */
static bool still_served(const struct msg_slot *s)
{
    return __atomic_load_n(&s->state, __ATOMIC_RELAXED) == CALL_RECEIVED &&
           !thread_killed(s->thread);
}

/* A page that has to be made for it comes out of the caller's share of memory, not of the server's. */
static status_t pin_callers(const struct msg_slot *s, uintptr_t va, uint32_t access,
                            struct vm_pin *pin)
{
    uint32_t own = thread_set_floor(s->thread->frame_floor);
    status_t st = vm_pin(s->thread->aspace, va, access, pin);
    (void)thread_set_floor(own);
    return st;
}

/* Copy what lies within a page of the caller's. */
static status_t bulk_piece(const struct msg_slot *s, uintptr_t theirs, uintptr_t ours, size_t n,
                           bool to_caller)
{
    struct vm_pin pin;
    if (!still_served(s))
        return -ESRCH;
    if (pin_callers(s, theirs, to_caller ? VM_WRITE : VM_READ, &pin) != OK)
        return -EREMOTEIO;
    status_t st = to_caller ? copy_from_user(pin.at, (struct user_in){ ours }, n)
                            : copy_to_user((struct user_out){ ours }, pin.at, n);
    vm_unpin(&pin);
    return st;
}

static status_t bulk_copy(const struct msg_slot *s, uintptr_t theirs, uintptr_t ours, size_t n,
                          bool to_caller)
{
    status_t st = OK;
    if (n && !user_range_ok(theirs, n))
        return -EREMOTEIO;
    while (n && st == OK) {
        size_t piece = min_u64(n, PAGE_SIZE - (theirs & PAGE_MASK));
        st = bulk_piece(s, theirs, ours, piece, to_caller);
        theirs += piece;
        ours += piece;
        n -= piece;
    }
    return st;
}

/* The caller of token, who stays in the call until bulk_end, or NULL. */
static struct msg_slot *bulk_begin(struct endpoint *ep, uint64_t token)
{
    spin_lock(&ep->lock);
    struct msg_slot *s = msg_slot_received(ep, token);
    if (s && s->thread && still_served(s))
        s->copying++;
    else
        s = NULL;
    spin_unlock(&ep->lock);
    return s;
}

static void bulk_end(struct endpoint *ep, struct msg_slot *s)
{
    spin_lock(&ep->lock);
    if (--s->copying == 0 && !still_served(s))
        (void)thread_wake(s->thread, 0);
    spin_unlock(&ep->lock);
}

int64_t endpoint_bulk(struct endpoint *ep, uint64_t token, uint64_t offset, uintptr_t addr,
                      size_t len, bool to_caller)
{
    if (!user_range_ok(addr, len))
        return len ? -EFAULT : 0;
    struct msg_slot *s = bulk_begin(ep, token);
    if (!s)
        return -ESRCH;
    uint64_t size = to_caller ? s->out_len : s->in_len;
    uint64_t base = to_caller ? s->out_addr : s->in_addr;
    uint64_t n = offset < size ? min_u64(len, size - offset) : 0;
    status_t st = n && __builtin_add_overflow(base, offset, &base)
                      ? -EREMOTEIO
                      : bulk_copy(s, base, addr, n, to_caller);
    bulk_end(ep, s);
    return st == OK ? (int64_t)n : st;
}
