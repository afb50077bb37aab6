/*
 * The fast way of a call and its answer, for the case that decides how fast the system is: a server waits, a client calls,
 * the server answers and waits again. One CPU goes from the client's program to the server's and back.
 *
 * It crosses rooms: it looks handles up in proc's tables and does ipc's work itself, and switches threads past sched's run
 * queues (sched/handover.h). All of it runs with interrupts off. What is unusual in any way is left to the general way
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

/* The object of a handle of the calling process, with a reference; NULL: the general way says what is wrong with it. */
INLINE struct object *find(handle_t h, uint32_t type, uint32_t right)
{
    struct handle_table *t = &process_current()->handles;
    struct object *o = NULL;
    spin_acquire(&t->lock);
    struct handle_entry *e = handle_entry_of(t, h);
    if (LIKELY(e && e->obj->type == type && (e->rights & right))) {
        o = e->obj;
        object_get(o);
    }
    spin_release(&t->lock);
    return o;
}

/* What can be said of a message by a look at its header, taken once. */
struct header {
    uint32_t len, nhandles;
};

/* False: the general way is to say what is wrong with it, or move its handles. */
INLINE bool look(const struct ipc_msg *buf, struct header *h)
{
    h->len = __atomic_load_n(&buf->len, __ATOMIC_RELAXED);
    h->nhandles = __atomic_load_n(&buf->nhandles, __ATOMIC_RELAXED);
    return LIKELY(h->len <= IPC_DATA_MAX && !__atomic_load_n(&buf->move, __ATOMIC_RELAXED));
}

/*
 * Copy data of len bytes from one buffer to another, which may change meanwhile. By words; what follows the end in the
 * last one is not passed on.
 */
INLINE void copy_data(struct ipc_msg *to, const struct ipc_msg *from, uint32_t len)
{
    const char *src = (const char *)from->data, *end = src + (len & ~7u);
    intptr_t apart = (char *)to - (const char *)from;
#define WORD(p, n) ((const uint64_t *)(p))[n]
#define TO(p, n)   ((uint64_t *)(uintptr_t)((p) + apart))[n]
    for (; end - src >= 32; src += 32) {
        TO(src, 0) = WORD(src, 0);
        TO(src, 1) = WORD(src, 1);
        TO(src, 2) = WORD(src, 2);
        TO(src, 3) = WORD(src, 3);
    }
    for (; src != end; src += 8)
        TO(src, 0) = WORD(src, 0);
    if (len & 7)
        TO(src, 0) = WORD(src, 0) & ((1ull << (len & 7) * 8) - 1);
#undef WORD
#undef TO
}
_Static_assert(IPC_DATA_MAX % 8 == 0 && offsetof(struct ipc_msg, data) % 8 == 0, "whole words");

/* ---- calling ---- */

/* The thread that is to have the call, taken out of its sleep, or NULL. The endpoint is locked. */
INLINE struct thread *claim_receiver(struct endpoint *ep, const struct session *session)
{
    if (UNLIKELY(session->revoked || !list_empty(&ep->queue) || list_empty(&ep->receivers.threads)))
        return NULL;
    struct thread *t = LIST_ENTRY(ep->receivers.threads.next, struct thread, wait_node);
    if (UNLIKELY(!thread_claim(t, WOKEN_DONE)))
        return NULL;
    list_del(&t->wait_node);
    return t;
}

INLINE void deliver(struct endpoint *ep, struct msg_slot *s, struct session *session,
                    struct msg_slot *server, uint32_t len)
{
    struct ipc_msg *buf = server->buf;
    call_begin(s, session, CALL_RECEIVED);
    call_received(ep, s);
    call_offer(s);
    call_fill(buf, IPC_CALL, session, msg_token(s), len);
    buf->in_len = s->in_len;
    buf->out_len = s->out_len;
    copy_data(buf, s->buf, len);
}

/*
 * Call on the session of which a reference is passed in; c: handles that go along, or NULL. It counts as held by a handle
 * meanwhile.
 */
INLINE int64_t call(struct session *session, struct msg_slot *s, uint32_t len, struct ipc_cargo *c,
                    int64_t timeout)
{
    struct endpoint *ep = session->ep;
    object_handle_added(&session->obj);
    spin_acquire(&ep->lock);
    struct thread *server = claim_receiver(ep, session);
    if (UNLIKELY(!server)) {
        spin_release(&ep->lock);
        irq_enable();
        handle_drop(&session->obj);
        return IPC_NOT_FAST;
    }
    CPU_COUNT(ipc_calls);
    deliver(ep, s, session, server->msg, len);
    if (c)
        cargo_pass(&server->msg->cargo, c);
    uint64_t deadline = timeout < 0 ? WAIT_FOREVER : deadline_from(timeout);
    int64_t st = thread_hand_over(server, &ep->lock, deadline, WORK_KILL | WORK_UPCALL);
    irq_enable();
    if (LIKELY(st == WOKEN_DONE)) {
        call_over(s);
        st = OK;
    } else {
        st = endpoint_call_resume(s, deadline, (int)st);
    }
    handle_drop(&session->obj);
    return st;
}

/* A call with handles, which the server puts into its table when it runs. */
static __attribute__((noinline)) int64_t call_with_handles(handle_t h, struct msg_slot *s,
                                                           int64_t timeout)
{
    struct ipc_cargo *c = &s->cargo;
    int64_t st = IPC_NOT_FAST;
    if (cargo_load(c, s->buf) != OK)
        return IPC_NOT_FAST;
    irq_disable();
    bool usual = !c->move && !current_thread()->work;
    struct object *o = usual ? find(h, OBJ_SESSION, RIGHT_SEND) : NULL;
    if (LIKELY(o))
        st = call(CONTAINER(o, struct session, obj), s, c->len, c, timeout);
    irq_enable();
    if (UNLIKELY(st == IPC_NOT_FAST))
        cargo_drop(c);
    return st;
}

int64_t sys_ipc_call(handle_t h, int64_t timeout)
{
    struct thread *t = current_thread();
    struct msg_slot *s = t->msg;
    struct header m;
    if (UNLIKELY(!s || timeout == 0 || !look(s->buf, &m)))
        return ipc_call_general(h, timeout);
    if (m.nhandles) {
        int64_t st = call_with_handles(h, s, timeout);
        return LIKELY(st != IPC_NOT_FAST) ? st : ipc_call_general(h, timeout);
    }
    irq_disable();
    struct object *o = t->work ? NULL : find(h, OBJ_SESSION, RIGHT_SEND);
    if (LIKELY(o)) {
        int64_t st = call(CONTAINER(o, struct session, obj), s, m.len, NULL, timeout);
        if (LIKELY(st != IPC_NOT_FAST))
            return st;
    }
    irq_enable();
    return ipc_call_general(h, timeout);
}

/* ---- answering, and waiting for the next ---- */

/* The caller of token, taken out of its sleep, or NULL. The endpoint is locked. */
INLINE struct msg_slot *claim_caller(struct endpoint *ep, uint64_t token)
{
    if (UNLIKELY(ep->dead || !list_empty(&ep->queue)))
        return NULL;
    struct msg_slot *s = msg_slot_received(ep, token);
    if (UNLIKELY(!s || !s->thread || s->copying))
        return NULL;
    return LIKELY(thread_claim(s->thread, WOKEN_DONE)) ? s : NULL;
}

INLINE void answer(struct msg_slot *s, const struct ipc_msg *buf, uint32_t len)
{
    s->buf->len = len;
    s->buf->nhandles = 0;
    copy_data(s->buf, buf, len);
    call_left_server(s);
    s->state = CALL_DONE;
    s->result = OK;
}

/* Answer at the endpoint of which a reference is passed in. */
INLINE int64_t reply_recv(struct endpoint *ep, struct msg_slot *own, uint64_t token, uint32_t len,
                          int64_t timeout)
{
    spin_acquire(&ep->lock);
    struct msg_slot *s = claim_caller(ep, token);
    if (UNLIKELY(!s)) {
        spin_release(&ep->lock);
        irq_enable();
        object_put(&ep->obj);
        return IPC_NOT_FAST;
    }
    answer(s, own->buf, len);
    list_add_tail(&ep->receivers.threads, &own->thread->wait_node);
    uint64_t deadline = timeout < 0 ? WAIT_FOREVER : deadline_from(timeout);
    int64_t st = thread_hand_over(s->thread, &ep->lock, deadline, WORK_KILL | WORK_UPCALL);
    irq_enable();
    if (UNLIKELY(st != WOKEN_DONE))
        st = endpoint_receive_resume(ep, deadline, (int)st);
    else if (own->cargo.nhandles)
        cargo_deliver(&own->cargo, own->buf, false);
    object_put(&ep->obj);
    return st == WOKEN_DONE ? OK : st;
}

int64_t sys_ipc_reply_recv(handle_t h, uint64_t token, uint32_t flags, int64_t timeout)
{
    struct thread *t = current_thread();
    struct msg_slot *own = t->msg;
    struct header m;
    if (UNLIKELY(!own || flags || timeout == 0 || !look(own->buf, &m) || m.nhandles))
        return ipc_reply_recv_general(h, token, flags, timeout);
    irq_disable();
    struct object *o = t->work ? NULL : find(h, OBJ_ENDPOINT, RIGHT_RECV);
    if (LIKELY(o)) {
        int64_t st = reply_recv(CONTAINER(o, struct endpoint, obj), own, token, m.len, timeout);
        if (LIKELY(st != IPC_NOT_FAST))
            return st;
    }
    irq_enable();
    return ipc_reply_recv_general(h, token, flags, timeout);
}
