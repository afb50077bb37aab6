/*
 * Ordered sets: a red-black tree with the node inside the element, keyed by a 64-bit number that is unique in the tree.
 *
 * Its depth is at most 2 log2(n + 1), whatever programs choose as keys. Callers lock.
 */
#ifndef KLIB_TREE_H
#define KLIB_TREE_H

#include "klib/types.h"

struct tree_node {
    uint64_t key;
    struct tree_node *left, *right;
    uintptr_t parent_red; /* parent; bit 0: the node is red */
};

struct tree {
    struct tree_node *root;
    /*
     * NULL, or told when the shape changes: `up` has taken the place of `down`, which is further down now. For who keeps
     * facts about a node's subtree in it.
     */
    void (*moved)(struct tree_node *up, struct tree_node *down);
};

/* n->key must be set and not in the tree yet. */
void tree_insert(struct tree *t, struct tree_node *n);
/* What a node that comes between two neighbours (NULL: there is none) hangs from at first; NULL: from nothing. */
static inline struct tree_node *tree_parent_between(struct tree_node *prev, struct tree_node *next)
{
    /* prev has a right child: then next is the leftmost of those. */
    return prev && !prev->right ? prev : next;
}
/* The same for who knows the neighbours that n comes between. */
void tree_insert_between(struct tree *t, struct tree_node *prev, struct tree_node *next,
                         struct tree_node *n);
void tree_remove(struct tree *t, struct tree_node *n);
/* The node with the key, or NULL. */
struct tree_node *tree_find(const struct tree *t, uint64_t key);
/* The node with the greatest key not above key, or NULL. */
struct tree_node *tree_floor(const struct tree *t, uint64_t key);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n);

/* The node that n hangs from; NULL: it is the root. */
static inline struct tree_node *tree_parent(const struct tree_node *n)
{
    return (struct tree_node *)(n->parent_red & ~(uintptr_t)1);
}

#endif
