/*
 * Queues in order of priority, and of arrival within one. Putting an element in costs a step for each priority that is in the
 * queue, the rest nothing that grows. The node lies inside the element.
 *
 *   queue ── leader of priority 9 ── leader of priority 6 ── …      highest first
 *                  │ equals                 │ equals
 *                 next                     next                     rings, first come first
 */
#ifndef KLIB_PRIO_QUEUE_H
#define KLIB_PRIO_QUEUE_H

#include "klib/list.h"

struct prio_node {
    struct list leaders; /* of a leader: in the queue */
    struct list equals;  /* the ring of those with its priority */
    uint8_t priority;
    bool leads; /* the first of its ring */
};

struct prio_queue {
    struct list leaders;
};

static inline void prio_queue_init(struct prio_queue *q)
{
    list_init(&q->leaders);
}
static inline void prio_node_init(struct prio_node *n)
{
    list_init(&n->equals);
    n->leads = false;
}
static inline bool prio_queue_empty(const struct prio_queue *q)
{
    return list_empty(&q->leaders);
}
/* Whether n is in a queue. */
static inline bool prio_queued(const struct prio_node *n)
{
    return n->leads || !list_empty(&n->equals);
}

/* n is in no queue. */
static inline void prio_add(struct prio_queue *q, struct prio_node *n, uint32_t priority)
{
    struct list *at = q->leaders.prev;
    struct prio_node *leader = NULL;
    n->priority = (uint8_t)priority;
    for (; at != &q->leaders; at = at->prev) {
        leader = LIST_ENTRY(at, struct prio_node, leaders);
        if (leader->priority >= priority)
            break;
    }
    n->leads = at == &q->leaders || leader->priority != priority;
    if (n->leads)
        list_add_head(at, &n->leaders);
    else
        list_add_tail(&leader->equals, &n->equals);
}

/* Take n out of its queue; harmless when it is in none. */
static inline void prio_del(struct prio_node *n)
{
    if (UNLIKELY(!list_empty(&n->equals))) {
        struct prio_node *heir = LIST_ENTRY(n->equals.next, struct prio_node, equals);
        list_del(&n->equals);
        if (!n->leads)
            return;
        heir->leads = true;
        list_add_head(&n->leaders, &heir->leaders);
    }
    if (n->leads)
        list_unlink(&n->leaders);
    n->leads = false;
}

/* The first, or NULL. */
static inline struct prio_node *prio_first(const struct prio_queue *q)
{
    return prio_queue_empty(q) ? NULL : LIST_ENTRY(q->leaders.next, struct prio_node, leaders);
}

/* The one after n, or NULL. */
static inline struct prio_node *prio_next(const struct prio_queue *q, const struct prio_node *n)
{
    struct prio_node *next = LIST_ENTRY(n->equals.next, struct prio_node, equals);
    if (!next->leads)
        return next;
    return next->leaders.next == &q->leaders
               ? NULL
               : LIST_ENTRY(next->leaders.next, struct prio_node, leaders);
}

/* The body may take n out. */
#define PRIO_FOR(n, q)                                                                \
    for (struct prio_node *n = prio_first(q), *n##_next = n ? prio_next(q, n) : n; n; \
         n = n##_next, n##_next = n ? prio_next(q, n) : n)

#endif
