/* Looking at endpoints, sessions and the calls in them (endpoint.h). */
#include "ipc/endpoint.h"
#include "klib/string.h"

/* Longer queues are not counted to their end: an endpoint is not locked for as long as a program likes. */
#define COUNT_MAX 1000u

static uint64_t length(const struct list *l)
{
    uint64_t n = 0;
    LIST_FOR (at, l)
        if (++n == COUNT_MAX)
            break;
    return n;
}

static uint64_t queue_length(const struct prio_queue *q)
{
    uint64_t n = 0;
    PRIO_FOR (at, q)
        if (++n == COUNT_MAX)
            break;
    return n;
}

void endpoint_describe(struct object *o, struct object_facts *f)
{
    struct endpoint *ep = CONTAINER(o, struct endpoint, obj);
    spin_lock(&ep->lock);
    f->size = queue_length(&ep->queue);
    f->detail = length(&ep->received);
    spin_unlock(&ep->lock);
}

void session_describe(struct object *o, struct object_facts *f)
{
    struct session *s = CONTAINER(o, struct session, obj);
    spin_lock(&s->ep->lock);
    f->peer = s->ep->obj.number;
    f->size = s->queued;
    f->detail = s->node.key;
    spin_unlock(&s->ep->lock);
}

static bool is_call_of(const struct msg_slot *slot, const struct session *s, uint64_t thread)
{
    return slot->session == s && slot->thread && slot->thread->id == thread;
}

uint32_t session_call_place(struct session *s, uint64_t thread)
{
    uint32_t place = PLACE_NONE;
    spin_lock(&s->ep->lock);
    LIST_FOR (n, &s->ep->received)
        if (is_call_of(CONTAINER(n, struct msg_slot, node), s, thread))
            place = PLACE_RECEIVED;
    LIST_FOR (n, &s->calls)
        if (is_call_of(CONTAINER(n, struct msg_slot, item.session_node), s, thread))
            place = PLACE_QUEUED;
    spin_unlock(&s->ep->lock);
    return place;
}

size_t msg_peek(void *out, size_t n)
{
    const struct msg_slot *s = current_thread()->msg;
    size_t len = s ? min_u64(n, __atomic_load_n(&s->buf->len, __ATOMIC_RELAXED)) : 0;
    if (len)
        memcpy(out, s->buf->data, min_u64(len, IPC_DATA_MAX));
    return min_u64(len, IPC_DATA_MAX);
}
