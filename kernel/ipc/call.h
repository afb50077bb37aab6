/* What the general way of a call (endpoint.c) and the fast one (syscall/fastcall.c) share, with the endpoint locked. */
#ifndef IPC_CALL_H
#define IPC_CALL_H

#include "ipc/endpoint.h"

/* What a sleep ends with when who ended it has done all that the sleeper waited for (the fast way). */
#define WOKEN_DONE 2
/* The fast way's result when nothing was done: the general one is to be gone. */
#define IPC_NOT_FAST 1

/* ---- tokens ---- */

#define MSG_INDEX_BITS 20
#define SLOTS_MAX \
    (1u << MSG_INDEX_BITS) /* more than threads fit into memory: nobody can use them up */
#define SLOTS_CHUNK (PAGE_SIZE / sizeof(struct slot_cell)) /* cells in a page */

extern struct slot_cell
    *msg_cells[SLOTS_MAX / SLOTS_CHUNK]; /* [a] set once, with the slots locked (msg.c) */

/* The cell of a number, or NULL. */
static inline struct slot_cell *msg_cell_of(uint32_t index)
{
    struct slot_cell *chunk = __atomic_load_n(&msg_cells[index / SLOTS_CHUNK], __ATOMIC_ACQUIRE);
    return chunk ? &chunk[index % SLOTS_CHUNK] : NULL;
}

/*
 * The slot whose call, received on ep (locked) and not answered yet, has that token; or NULL. A cell names ep only while
 * its slot's call is being served there, and that changes only with ep locked. A generation, which may stand in the same
 * place, is no kernel address.
 */
static inline struct msg_slot *msg_slot_received(struct endpoint *ep, uint64_t token)
{
    struct slot_cell *cell = msg_cell_of(token & (SLOTS_MAX - 1));
    if (UNLIKELY(!cell || __atomic_load_n(&cell->ep, __ATOMIC_ACQUIRE) != ep))
        return NULL;
    return LIKELY(cell->slot->token == token) ? cell->slot : NULL;
}

/* ---- the steps of a call ---- */

/* The header of a received message; what is not said is 0. Data and handles are the caller's business. */
static inline void call_fill(struct ipc_msg *buf, uint32_t type, const struct session *s,
                             uint64_t token, uint32_t len, uint64_t in_len, uint64_t out_len)
{
    buf->type = type;
    buf->len = len;
    buf->badge = s->badge;
    buf->session = s->node.key;
    buf->token = token;
    buf->nhandles = 0;
    buf->move = 0;
    buf->in_addr = buf->out_addr = 0;
    buf->in_len = in_len;
    buf->out_len = out_len;
}

/* Note what memory the caller offers. */
static inline void call_offer(struct msg_slot *s)
{
    s->in_len = s->buf->in_len;
    s->out_len = s->buf->out_len;
    if (s->in_len | s->out_len) {
        s->in_addr = s->buf->in_addr;
        s->out_addr = s->buf->out_addr;
    }
}

/* s is in a new call of that session. */
static inline void call_begin(struct msg_slot *s, struct session *session, enum call_state state)
{
    s->token += 1u << MSG_INDEX_BITS;
    s->session = session;
    s->state = state;
}

/* The server has the call. */
static inline void call_received(struct endpoint *ep, struct msg_slot *s)
{
    s->state = CALL_RECEIVED;
    list_add_tail(&ep->received, &s->node);
    __atomic_store_n(&s->cell->ep, ep, __ATOMIC_RELEASE);
}

/* The server, which had received it, has it no more. */
static inline void call_left_server(struct msg_slot *s)
{
    list_unlink(&s->node);
    __atomic_store_n(&s->cell->ep, NULL, __ATOMIC_RELEASE);
}

/* The first thread to have a message of those that sleep for one, or NULL. */
static inline struct thread *endpoint_sleeper(const struct endpoint *ep)
{
    return ep->waiter ? ep->waiter : wait_queue_first(&ep->receivers);
}
/* Lend the caller's priority to who will serve the call, which is about to be queued (lend.c). */
void call_lend(struct endpoint *ep, struct msg_slot *s);
/* Lend it to the thread that has received the call, ep->server. */
void call_lend_receiver(struct endpoint *ep, struct msg_slot *s);
/* Lend what the caller's priority is now, instead of what it was before. */
void call_lend_again(struct endpoint *ep, struct msg_slot *s);
/* Nothing is lent any more. */
void call_take_back(struct msg_slot *s);

/* The calling thread is in no call any more. */
static inline void call_over(struct msg_slot *s)
{
    s->state = CALL_IDLE;
    s->session = NULL;
    s->item.kind = ITEM_CALL; /* of the next one: it may have been cancelled */
}

/* Hand handles over to the slot of who is to have them. */
static inline void cargo_pass(struct ipc_cargo *to, struct ipc_cargo *from)
{
    for (uint32_t i = 0; i < from->nhandles; i++)
        to->grants[i] = from->grants[i];
    to->nhandles = from->nhandles;
    from->nhandles = 0;
}
/*
 * Put handles that came into the calling thread's table, and their numbers into its buffer. answer: they answer a call, and
 * sessions among them are its process's to pay for. No lock is held.
 */
void cargo_deliver(struct ipc_cargo *c, struct ipc_msg *buf, bool answer);
/*
 * Go on with the call of the calling thread, which was received and from which it woke early (st: wait_sleep's). Returns
 * when it is over.
 */
status_t endpoint_call_resume(struct msg_slot *s, uint64_t deadline, int st) MUST_CHECK;
/* The same for a receive, after a sleep in ep->receivers. */
status_t endpoint_receive_resume(struct endpoint *ep, uint64_t deadline, int st) MUST_CHECK;

#endif
