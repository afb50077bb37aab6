/*
 * Ordered sets: a treap with the node inside the element, keyed by a 64-bit number that is unique in the tree.
 *
 * A node's heap priority is a hash of its key, so the shape is that of a random binary tree whatever the order of
 * insertion: expected depth 2 ln n. Callers lock.
 */
#ifndef KLIB_TREE_H
#define KLIB_TREE_H

#include "klib/types.h"

struct tree_node {
    uint64_t key;
    struct tree_node *left, *right, *parent;
};

struct tree {
    struct tree_node *root;
};

/* Stir the order of priorities; before the first tree has nodes. */
void tree_set_seed(uint64_t s);
/* n->key must be set and not in the tree yet. */
void tree_insert(struct tree *t, struct tree_node *n);
void tree_remove(struct tree *t, struct tree_node *n);
/* The node with the key, or NULL. */
struct tree_node *tree_find(const struct tree *t, uint64_t key);
/* The node with the greatest key not above key, or NULL. */
struct tree_node *tree_floor(const struct tree *t, uint64_t key);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n);

#endif
