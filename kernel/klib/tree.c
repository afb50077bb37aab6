/*
 * Ordered sets (tree.h).
 *
 * The rules of red-black trees: a red node's children are black, the root is black, and on all ways down from a node lie
 * equally many black ones. What is absent counts as black. Putting a red leaf below a black node and taking a red leaf
 * away, which is most often, changes nothing else.
 */
#include "klib/tree.h"

#define RED ((uintptr_t)1)

static bool is_red(const struct tree_node *n)
{
    return n && (n->parent_red & RED);
}

static void make_black(struct tree_node *n)
{
    n->parent_red &= ~RED;
}

static void make_red(struct tree_node *n)
{
    n->parent_red |= RED;
}

/* The colour stays. */
static void set_parent(struct tree_node *n, struct tree_node *parent)
{
    n->parent_red = (uintptr_t)parent | (n->parent_red & RED);
}

/* Where the tree holds n, a child of parent. */
static struct tree_node **link_of(struct tree *t, struct tree_node *parent,
                                  const struct tree_node *n)
{
    return !parent ? &t->root : parent->left == n ? &parent->left : &parent->right;
}

/* The other child of parent. */
static struct tree_node *sibling(const struct tree_node *parent, const struct tree_node *n)
{
    return parent->left == n ? parent->right : parent->left;
}

/* Lift n above its parent, keeping the order of keys. */
static void rotate_up(struct tree *t, struct tree_node *n)
{
    struct tree_node *p = tree_parent(n), *top = tree_parent(p), *moved;
    *link_of(t, top, p) = n;
    if (p->left == n) {
        moved = n->right;
        p->left = moved;
        n->right = p;
    } else {
        moved = n->left;
        p->right = moved;
        n->left = p;
    }
    set_parent(n, top);
    set_parent(p, n);
    if (moved)
        set_parent(moved, p);
    if (t->moved)
        t->moved(n, p);
}

/* n, just made red, may have a red parent. */
static void mend_insertion(struct tree *t, struct tree_node *n)
{
    struct tree_node *p;
    while (is_red(p = tree_parent(n))) {
        struct tree_node *top = tree_parent(p), *uncle = sibling(top, p);
        make_red(top);
        if (is_red(uncle)) {
            make_black(p);
            make_black(uncle);
            n = top;
            continue;
        }
        if ((p->left == n) != (top->left == p)) {
            rotate_up(t, n);
            p = n;
        }
        rotate_up(t, p);
        make_black(p);
        break;
    }
    make_black(t->root);
}

/* Hang n on at *link, below parent. */
static void hang(struct tree *t, struct tree_node *n, struct tree_node *parent,
                 struct tree_node **link)
{
    n->left = n->right = NULL;
    n->parent_red = (uintptr_t)parent | RED;
    *link = n;
    if (!parent || is_red(parent))
        mend_insertion(t, n);
}

void tree_insert(struct tree *t, struct tree_node *n)
{
    struct tree_node *parent = NULL, **link = &t->root;
    while (*link) {
        parent = *link;
        link = n->key < parent->key ? &parent->left : &parent->right;
    }
    hang(t, n, parent, link);
}

void tree_insert_between(struct tree *t, struct tree_node *prev, struct tree_node *next,
                         struct tree_node *n)
{
    struct tree_node *parent = tree_parent_between(prev, next);
    hang(t, n, parent, !parent ? &t->root : parent == prev ? &parent->right : &parent->left);
}

/* n, which may be NULL, is a child of p, and a black one is missing on the ways down to it. */
static void mend_removal(struct tree *t, struct tree_node *p, struct tree_node *n)
{
    for (; p && !is_red(n); n = p, p = tree_parent(n)) {
        struct tree_node *s = sibling(p, n);
        if (is_red(s)) {
            rotate_up(t, s);
            make_black(s);
            make_red(p);
            s = sibling(p, n);
        }
        struct tree_node *near = p->left == n ? s->left : s->right, *far = sibling(s, near);
        if (!is_red(near) && !is_red(far)) {
            make_red(s);
            continue;
        }
        if (!is_red(far)) {
            rotate_up(t, near);
            make_red(s);
            far = s;
            s = near;
        }
        rotate_up(t, s);
        s->parent_red = (uintptr_t)tree_parent(s) | (p->parent_red & RED);
        make_black(p);
        make_black(far);
        return;
    }
    if (n)
        make_black(n);
}

/* Let n, which has two children, and the next node in order take each other's place. */
static void descend(struct tree *t, struct tree_node *n)
{
    struct tree_node *s = n->right;
    while (s->left)
        s = s->left;
    struct tree_node *p = tree_parent(n), *below = tree_parent(s), *rest = s->right;
    uintptr_t red = s->parent_red & RED;
    *link_of(t, p, n) = s;
    s->parent_red = n->parent_red;
    s->left = n->left;
    set_parent(s->left, s);
    if (below == n) {
        s->right = n;
        below = s;
    } else {
        s->right = n->right;
        set_parent(s->right, s);
        below->left = n;
    }
    n->parent_red = (uintptr_t)below | red;
    n->left = NULL;
    n->right = rest;
    if (rest)
        set_parent(rest, n);
    if (t->moved)
        t->moved(s, n);
}

void tree_remove(struct tree *t, struct tree_node *n)
{
    if (n->left && n->right)
        descend(t, n);
    struct tree_node *p = tree_parent(n), *child = n->left ? n->left : n->right;
    *link_of(t, p, n) = child;
    if (child)
        set_parent(child, p);
    if (!is_red(n))
        mend_removal(t, p, child);
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
    const struct tree_node *p = tree_parent(n);
    for (; p && p->right == n; p = tree_parent(p))
        n = p;
    return (struct tree_node *)(uintptr_t)p;
}
