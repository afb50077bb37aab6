/* Doubly linked circular lists with the node inside the element. An empty node points at itself. */
#ifndef KLIB_LIST_H
#define KLIB_LIST_H

#include "klib/types.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(l) { &(l), &(l) }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_add_tail(struct list *head, struct list *n)
{
    n->next = head;
    n->prev = head->prev;
    head->prev->next = n;
    head->prev = n;
}
static inline void list_add_head(struct list *head, struct list *n)
{
    list_add_tail(head->next, n);
}
/* Take n out of its list, for good or until it is put into another. */
static inline void list_unlink(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
}
/* The same, harmless on a node that is in none, as n is then. */
static inline void list_del(struct list *n)
{
    list_unlink(n);
    list_init(n);
}
static inline struct list *list_pop(struct list *head)
{
    struct list *n = head->next;
    if (n == head)
        return NULL;
    list_del(n);
    return n;
}

#define LIST_ENTRY(node, type, member) CONTAINER(node, type, member)
/* The body may delete n. */
#define LIST_FOR(n, head)                                                 \
    for (struct list *n = (head)->next, *n##_next = n->next; n != (head); \
         n = n##_next, n##_next = n->next)

#endif
