/* Ordered sets (tree.h). */
#include "klib/tree.h"

/* Makes the shape of trees unforeseeable: programs choose the keys of many. */
static uint64_t seed = 0x9e3779b97f4a7c15ull;

void tree_set_seed(uint64_t s)
{
    seed ^= s;
}

static uint64_t priority(const struct tree_node *n)
{
    uint64_t x = n->key + seed;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    return x ^ (x >> 27);
}

static void replace_child(struct tree *t, struct tree_node *parent, struct tree_node *old,
                          struct tree_node *new)
{
    if (!parent)
        t->root = new;
    else if (parent->left == old)
        parent->left = new;
    else
        parent->right = new;
    if (new)
        new->parent = parent;
}

/* Lift n above its parent, keeping the order of keys. */
static void rotate_up(struct tree *t, struct tree_node *n)
{
    struct tree_node *p = n->parent, *moved;
    replace_child(t, p->parent, p, n);
    if (p->left == n) {
        moved = n->right;
        p->left = moved;
        n->right = p;
    } else {
        moved = n->left;
        p->right = moved;
        n->left = p;
    }
    p->parent = n;
    if (moved)
        moved->parent = p;
}

void tree_insert(struct tree *t, struct tree_node *n)
{
    struct tree_node *parent = NULL, **link = &t->root;
    while (*link) {
        parent = *link;
        link = n->key < parent->key ? &parent->left : &parent->right;
    }
    n->left = n->right = NULL;
    n->parent = parent;
    *link = n;
    while (n->parent && priority(n->parent) < priority(n))
        rotate_up(t, n);
}

void tree_remove(struct tree *t, struct tree_node *n)
{
    while (n->left && n->right)
        rotate_up(t, priority(n->left) > priority(n->right) ? n->left : n->right);
    replace_child(t, n->parent, n, n->left ? n->left : n->right);
}

struct tree_node *tree_floor(const struct tree *t, uint64_t key)
{
    struct tree_node *n = t->root, *best = NULL;
    while (n) {
        if (n->key <= key) {
            best = n;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return best;
}

struct tree_node *tree_find(const struct tree *t, uint64_t key)
{
    struct tree_node *n = tree_floor(t, key);
    return n && n->key == key ? n : NULL;
}

struct tree_node *tree_first(const struct tree *t)
{
    struct tree_node *n = t->root;
    while (n && n->left)
        n = n->left;
    return n;
}

struct tree_node *tree_next(const struct tree_node *n)
{
    if (n->right) {
        n = n->right;
        while (n->left)
            n = n->left;
        return (struct tree_node *)(uintptr_t)n;
    }
    while (n->parent && n->parent->right == n)
        n = n->parent;
    return n->parent;
}
