/*
 * The fast way of a call and its answer, for the case that decides how fast the system is: a server waits, a client calls,
 * the server answers and waits again. One CPU goes from the client's program to the server's and back.
 *
 * It crosses rooms: it looks handles up in proc's tables and does ipc's work itself, and switches threads past sched's run
 * queues (sched/handover.h). All of it runs with interrupts off, and goes back to the program so. What is unusual in any way is left to the general way
 * with nothing changed: other messages in the queue, nobody waiting, handles that move or come with an answer, work for
 * the thread to do, a peer that may not run on this CPU or has not left its own yet. A server that waits on another CPU
 * comes to this one: its client has no use for it until the answer.
 *
 *   client: ipc_call                                     server: ipc_reply_recv
 *     session, endpoint locked                             endpoint locked, slot of the token
 *     take the first receiver out of its sleep             take the caller out of its sleep
 *     header and data into its buffer                      data into its buffer
 *     the call is received                                 the call is done
 *     sleep, switch to the server ───────────────────▶     among the receivers, sleep,
 *     return ◀──────────────────────────────────────────── switch to the client
 */
#include "ipc/call.h"
#include "sched/handover.h"
#include "syscall/fastcall.h"
#include <syscall_table.h>

#define INLINE static inline __attribute__((always_inline))

/* The entry of a number, perhaps a free one, or NULL. The table is locked. */
INLINE struct handle_entry *entry_of(struct handle_table *t, handle_t h)
{
    if (UNLIKELY((uint32_t)h >> 30 != HANDLE_HIGH >> 30))
        return handle_entry_of(t, h);
    struct handle_entry *chunk = t->high[((uint32_t)h & HANDLE_INDEX_MASK) / HANDLE_CHUNK];
    struct handle_entry *e = &chunk[(uint32_t)h % HANDLE_CHUNK];
    return LIKELY(chunk && e->generation == (uint16_t)((uint32_t)h >> HANDLE_INDEX_BITS)) ? e
                                                                                          : NULL;
}

/* The object of a handle of the calling process, with a reference; NULL: the general way says what is wrong with it. */
INLINE struct object *find(const struct thread *me, handle_t h, uint32_t type, uint32_t right)
{
    struct handle_table *t = &me->process->handles;
    struct object *o = NULL;
    spin_acquire(&t->lock);
    struct handle_entry *e = entry_of(t, h);
    if (LIKELY(e && (e->rights & right) && e->obj->type == type)) {
        o = e->obj;
        object_get(o);
    }
    spin_release(&t->lock);
    return o;
}

/* The number of handles in a message, and which are to move, in its upper half: taken by one look. */
INLINE uint64_t handles_of(const struct ipc_msg *buf)
{
    return __atomic_load_n((const uint64_t *)&buf->nhandles, __ATOMIC_RELAXED);
}
_Static_assert(offsetof(struct ipc_msg, nhandles) % 8 == 0 &&
                   offsetof(struct ipc_msg, move) == offsetof(struct ipc_msg, nhandles) + 4,
               "two words in one");

/*
 * Copy data of len bytes from one buffer to another, which may change meanwhile. By words; what follows the end in the
 * last one is not passed on.
 */
INLINE void copy_data(struct ipc_msg *to, const struct ipc_msg *from, uint32_t len)
{
    uint64_t *dst = (uint64_t *)to->data;
    const uint64_t *src = (const uint64_t *)from->data;
    for (uint32_t n = len / 64; n; n--, dst += 8, src += 8) {
        dst[0] = src[0], dst[1] = src[1], dst[2] = src[2], dst[3] = src[3];
        dst[4] = src[4], dst[5] = src[5], dst[6] = src[6], dst[7] = src[7];
    }
    if (LIKELY(!(len & 63)))
        return;
    for (uint32_t n = len / 8 % 8; n; n--)
        *dst++ = *src++;
    if (len & 7)
        *dst = *src & ((1ull << (len & 7) * 8) - 1);
}
_Static_assert(IPC_DATA_MAX % 8 == 0 && offsetof(struct ipc_msg, data) % 8 == 0, "whole words");

/* Drop a reference, and a handle count with it, with interrupts off. */
INLINE void drop(struct object *o, bool handle)
{
    if (handle && UNLIKELY(object_handle_removed(o))) {
        irq_enable();
        handle_orphaned(o);
        return;
    }
    object_put(o);
}

/* ---- calling ---- */

/*
 * The thread that is to have the call, taken out of its sleep, or NULL. The endpoint is locked. One of lower priority (a
 * level is twice that, and a bit) is to be lent ours, which the general way does.
 */
INLINE struct thread *claim_receiver(struct endpoint *ep, const struct session *session,
                                     const struct thread *me)
{
    struct thread *t = ep->waiter;
    if (UNLIKELY(session->revoked || !prio_queue_empty(&ep->queue)))
        return NULL;
    if (LIKELY(t)) {
        if (UNLIKELY(me->level > (t->level | 1) || !thread_claim(t, WOKEN_DONE)))
            return NULL;
        ep->waiter = NULL;
        return t;
    }
    t = wait_queue_first(&ep->receivers);
    if (!t || me->level > (t->level | 1) || !thread_claim(t, WOKEN_DONE))
        return NULL;
    prio_del(&t->wait_node);
    return t;
}

INLINE void deliver(struct endpoint *ep, struct msg_slot *s, struct session *session,
                    struct thread *server, uint32_t len)
{
    struct ipc_msg *buf = server->msg->buf, *from = s->buf;
    s->server = (struct server_name){ server->msg->cell, server->id };
    call_begin(s, session, CALL_RECEIVED);
    call_received(ep, s);
    call_offer(s);
    call_fill(buf, IPC_CALL, session, s->token, len, s->in_len, s->out_len);
    copy_data(buf, from, len);
}

/*
 * Call on the session of which a reference is passed in; c: handles that go along, or NULL. It counts as held by a handle
 * meanwhile.
 */
INLINE int64_t call(struct session *session, struct msg_slot *s, uint32_t len, struct ipc_cargo *c,
                    uint64_t deadline)
{
    struct endpoint *ep = session->ep;
    object_handle_added(&session->obj);
    spin_acquire(&ep->lock);
    struct thread *server = claim_receiver(ep, session, s->thread);
    if (UNLIKELY(!server)) {
        spin_release(&ep->lock);
        drop(&session->obj, true);
        return IPC_NOT_FAST;
    }
    CPU_COUNT(ipc_calls);
    deliver(ep, s, session, server, len);
    if (c)
        cargo_pass(&server->msg->cargo, c);
    int64_t st =
        thread_hand_over(server, &ep->lock, deadline, WORK_KILL | WORK_UPCALL | WORK_PRIORITY);
    if (LIKELY(st == WOKEN_DONE)) {
        st = OK;
        if (c)
            s->buf->nhandles = 0; /* of the request; the answer has none */
    } else {
        irq_enable();
        st = endpoint_call_resume(s, deadline, (int)st);
    }
    drop(&session->obj, true);
    return st;
}

/* A call with handles, which the server puts into its table when it runs. */
static __attribute__((noinline)) int64_t call_with_handles(handle_t h, struct msg_slot *s,
                                                           uint64_t deadline)
{
    struct thread *me = s->thread;
    struct ipc_cargo *c = &s->cargo;
    int64_t st = IPC_NOT_FAST;
    if (cargo_load(c, s->buf) != OK)
        return IPC_NOT_FAST;
    irq_disable();
    bool usual = !c->move && !me->work;
    struct object *o = usual ? find(me, h, OBJ_SESSION, RIGHT_SEND) : NULL;
    if (LIKELY(o))
        st = call(CONTAINER(o, struct session, obj), s, c->len, c, deadline);
    irq_enable();
    if (UNLIKELY(st == IPC_NOT_FAST))
        cargo_drop(c);
    return st;
}

int64_t sys_ipc_call(handle_t h, int64_t timeout)
{
    struct thread *me = current_thread();
    struct msg_slot *s = me->msg;
    uint64_t deadline = WAIT_FOREVER;
    if (UNLIKELY(!s))
        return ipc_call_general(h, timeout);
    struct ipc_msg *buf = s->buf;
    uint32_t len = __atomic_load_n(&buf->len, __ATOMIC_RELAXED);
    if (timeout >= 0) {
        if (UNLIKELY(timeout == 0))
            return ipc_call_general(h, timeout);
        deadline = deadline_from(timeout);
    }
    int64_t st = IPC_NOT_FAST;
    irq_disable();
    if (UNLIKELY(handles_of(buf))) {
        irq_enable();
        st = call_with_handles(h, s, deadline);
    } else if (LIKELY(len <= IPC_DATA_MAX && !me->work)) {
        struct object *o = find(me, h, OBJ_SESSION, RIGHT_SEND);
        if (LIKELY(o))
            st = call(CONTAINER(o, struct session, obj), s, len, NULL, deadline);
    }
    if (LIKELY(st != IPC_NOT_FAST))
        return st;
    irq_enable();
    return ipc_call_general(h, timeout);
}

/* ---- answering, and waiting for the next ---- */

/* The caller of token, taken out of its sleep, or NULL. The endpoint is locked. */
INLINE struct msg_slot *claim_caller(struct endpoint *ep, uint64_t token)
{
    if (UNLIKELY(!prio_queue_empty(&ep->queue)))
        return NULL;
    struct msg_slot *s = msg_slot_received(ep, token);
    if (UNLIKELY(!s || !s->thread || s->copying))
        return NULL;
    return LIKELY(thread_claim(s->thread, WOKEN_DONE)) ? s : NULL;
}

INLINE void answer(struct msg_slot *s, const struct ipc_msg *buf, uint32_t len)
{
    struct ipc_msg *to = s->buf;
    to->len = len;
    copy_data(to, buf, len);
    call_left_server(s);
    if (UNLIKELY(s->lends))
        call_take_back(s);
    s->state = CALL_DONE;
    s->result = OK;
}

/* Answer at the endpoint of which a reference is passed in. */
INLINE int64_t reply_recv(struct endpoint *ep, struct msg_slot *own, uint64_t token, uint32_t len,
                          uint64_t deadline)
{
    spin_acquire(&ep->lock);
    struct msg_slot *s = claim_caller(ep, token);
    if (UNLIKELY(!s)) {
        spin_release(&ep->lock);
        drop(&ep->obj, false);
        return IPC_NOT_FAST;
    }
    answer(s, own->buf, len);
    if (UNLIKELY(ep->waiter))
        wait_queue_add(&ep->receivers, own->thread);
    else
        ep->waiter = own->thread;
    int64_t st = thread_hand_over(s->thread, &ep->lock, deadline, WORK_KILL | WORK_UPCALL);
    if (UNLIKELY(st != WOKEN_DONE)) {
        irq_enable();
        st = endpoint_receive_resume(ep, deadline, (int)st);
    } else {
        st = OK;
        if (own->cargo.nhandles)
            cargo_deliver(&own->cargo, own->buf, false);
    }
    drop(&ep->obj, false);
    return st;
}

int64_t sys_ipc_reply_recv(handle_t h, uint64_t token, uint32_t flags, int64_t timeout)
{
    struct thread *me = current_thread();
    struct msg_slot *own = me->msg;
    uint64_t deadline = WAIT_FOREVER;
    if (UNLIKELY(!own || flags))
        return ipc_reply_recv_general(h, token, flags, timeout);
    struct ipc_msg *buf = own->buf;
    uint32_t len = __atomic_load_n(&buf->len, __ATOMIC_RELAXED);
    if (timeout >= 0) {
        if (UNLIKELY(timeout == 0))
            return ipc_reply_recv_general(h, token, flags, timeout);
        deadline = deadline_from(timeout);
    }
    int64_t st = IPC_NOT_FAST;
    irq_disable();
    if (LIKELY(len <= IPC_DATA_MAX && !handles_of(buf) && !me->work)) {
        struct object *o = find(me, h, OBJ_ENDPOINT, RIGHT_RECV);
        if (LIKELY(o))
            st = reply_recv(CONTAINER(o, struct endpoint, obj), own, token, len, deadline);
    }
    if (LIKELY(st != IPC_NOT_FAST))
        return st;
    irq_enable();
    return ipc_reply_recv_general(h, token, flags, timeout);
}
