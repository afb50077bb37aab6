/*
 * The set of an address space's regions (region.h).
 *
 * most_room is a bound: where room gets smaller it stays, and whoever looks there in vain makes it true. So mapping
 * and unmapping at the same place leaves the tree above alone, and a search still costs, spread over what was mapped
 * before it, as much as the depth of the tree.
 */
#include "mm/region.h"
#include "mm/heap.h"

/* ---- finding ---- */

struct region *region_floor_slowly(struct aspace *as, uintptr_t va)
{
    if (!as->first || va < start_of(as->first))
        return NULL;
    return as->recent = region_from(tree_floor(&as->regions, va));
}

struct leaving *leaving_in(const struct aspace *as, uintptr_t start, uintptr_t end)
{
    struct leaving *l = as->leaving;
    while (l && (l->end <= start || end <= l->start))
        l = l->next;
    return l;
}

bool range_free(struct aspace *as, uintptr_t addr, uint64_t len)
{
    const struct region *r = region_above(as, addr);
    return (!r || start_of(r) >= addr + len) && !leaving_in(as, addr, addr + len);
}

/* ---- room ---- */

static uint64_t most_room_from(const struct tree_node *n)
{
    return n ? CONTAINER(n, struct region, node)->most_room : 0;
}

/* Make the bound of r as good as those of its children. */
static void tighten(struct region *r)
{
    uint64_t room = region_room(r), left = most_room_from(r->node.left),
             right = most_room_from(r->node.right);
    if (room < left)
        room = left;
    r->most_room = room < right ? right : room;
}

/* There is so much room at or below n. */
static void raise_room(struct tree_node *n, uint64_t room)
{
    for (; n && region_from(n)->most_room < room; n = tree_parent(n))
        region_from(n)->most_room = room;
}

static void moved(struct tree_node *up, struct tree_node *down)
{
    struct region *u = region_from(up), *d = region_from(down);
    if (u->most_room < d->most_room)
        u->most_room = d->most_room;
    tighten(d);
}

void regions_init(struct aspace *as)
{
    as->regions.moved = moved;
}

void regions_end(struct aspace *as)
{
    if (!as->spare)
        return;
    uint64_t flags = irq_save();
    kunpark(as->spare, sizeof *as->spare);
    irq_restore(flags);
    kfree(as->spare);
}

/* The first region at or below `top` with room for len, or NULL: none, or *work came to 0. */
static struct region *first_with_room(struct tree_node *top, uint64_t len, unsigned *work)
{
    struct tree_node *n = top;
    while (*work) {
        struct region *r = region_from(n);
        if (most_room_from(n->left) >= len) {
            n = n->left;
        } else if (region_room(r) >= len) {
            return r;
        } else if (most_room_from(n->right) >= len) {
            n = n->right;
        } else { /* the bound said too much */
            tighten(r);
            if (n == top)
                return NULL;
            n = tree_parent(n);
        }
        --*work;
    }
    return NULL;
}

/* The first node behind all of those from n down, or NULL. */
static struct tree_node *after_part(const struct tree_node *n)
{
    struct tree_node *p = tree_parent(n);
    for (; p && p->right == n; p = tree_parent(p))
        n = p;
    return p;
}

/* The first region after r with room for len, or NULL: none, or *work came to 0. */
static struct region *next_with_room(struct region *r, uint64_t len, unsigned *work)
{
    for (struct tree_node *n = &r->node; n && *work;) {
        struct region *found = NULL;
        if (most_room_from(n->right) >= len)
            found = first_with_room(n->right, len, work);
        if (found || !*work)
            return found;
        n = after_part(n);
        if (n && region_room(region_from(n)) >= len)
            return region_from(n);
    }
    return NULL;
}

/* The same without regard to what is on its way out. */
static uintptr_t gap_between(struct aspace *as, uintptr_t from, uint64_t len, unsigned *work)
{
    struct region *r = region_floor(as, from);
    struct region *next = r ? r->next : as->first;
    uintptr_t at = r && r->end > from ? r->end : from, end = next ? start_of(next) : USER_MAX;
    if (LIKELY(at <= end && end - at >= len))
        return at;
    r = r ? next_with_room(r, len, work) : next;
    if (r && region_room(r) < len) /* the first of all */
        r = next_with_room(r, len, work);
    if (!r)
        return 0;
    as->recent = r;
    return r->end;
}

uintptr_t region_gap(struct aspace *as, uintptr_t from, uint64_t len, unsigned *work)
{
    for (;;) {
        uintptr_t at = gap_between(as, from, len, work);
        const struct leaving *l = at ? leaving_in(as, at, at + len) : NULL;
        if (LIKELY(!l))
            return at;
        from = l->end;
    }
}

/* ---- coming and going ---- */

/* Field by field, as a loop over its bytes takes longer. */
struct region *region_new(struct aspace *as)
{
    struct region *r = as->spare;
    if (LIKELY(r)) {
        kunpark(r, sizeof *r);
        as->spare = NULL;
    } else if (!(r = kmalloc(sizeof *r))) {
        return NULL;
    }
    r->as = as;
    r->shm = NULL;
    r->shm_page = 0;
    r->used = false;
    r->gone = 0;
    r->gone_at = r->sweep = 0;
    list_init(&r->shm_node);
    return r;
}

void region_free(struct region *r)
{
    struct aspace *as = r->as;
    if (as->spare) {
        kfree(r);
        return;
    }
    as->spare = r;
    kpark(r);
}

/* Put r into the set. The bounds are raised first, so that they hold while the tree changes its shape. */
static void insert(struct region *r)
{
    struct aspace *as = r->as;
    struct region *prev = region_floor(as, start_of(r));
    struct region *next = prev ? prev->next : as->first;
    struct tree_node *before = prev ? &prev->node : NULL, *after = next ? &next->node : NULL;
    r->prev = prev;
    r->next = next;
    *(prev ? &prev->next : &as->first) = r;
    if (next)
        next->prev = r;
    r->most_room = region_room(r);
    raise_room(tree_parent_between(before, after), r->most_room);
    tree_insert_between(&as->regions, before, after, &r->node);
    as->region_count++;
}

/* Take r out of the set. */
static void take_out(struct region *r)
{
    struct aspace *as = r->as;
    struct region *prev = r->prev, *next = r->next;
    *(prev ? &prev->next : &as->first) = next;
    if (next)
        next->prev = prev;
    if (prev)
        raise_room(&prev->node, region_room(prev));
    tree_remove(&as->regions, &r->node);
    if (as->recent == r)
        as->recent = prev;
    as->region_count--;
    purse_return(&as->purse, REGION_COST);
}

bool region_link(struct region *r)
{
    struct shm *s = r->shm;
    if (s) {
        spin_lock(&s->maps_lock);
        bool allowed = !writes_shared(r, r->prot) || !write_stopped(s);
        if (allowed) {
            r->sweep = s->sweep;
            list_add_tail(&s->mappings, &r->shm_node);
            s->mapping_count++;
        }
        spin_unlock(&s->maps_lock);
        if (!allowed)
            return false;
        object_get(&s->obj);
    }
    insert(r);
    return true;
}

/* r is out of the set: free it, or with an object make it trash. */
static void leave_object(struct region *r, struct list *trash)
{
    struct shm *s = r->shm;
    if (!s) {
        region_free(r);
        return;
    }
    spin_lock(&s->maps_lock);
    list_del(&r->shm_node);
    s->mapping_count--;
    spin_unlock(&s->maps_lock);
    list_add_tail(trash, &r->shm_node);
}

void region_remove(struct region *r, struct list *trash)
{
    take_out(r);
    leave_object(r, trash);
}

void region_remove_first(struct aspace *as, struct list *trash)
{
    struct region *r = as->first;
    as->first = r->next;
    as->region_count--;
    purse_return(&as->purse, REGION_COST);
    leave_object(r, trash);
}

void trash_free_some(struct list *trash)
{
    struct list *n;
    while ((n = list_pop(trash)) != NULL) {
        struct region *r = LIST_ENTRY(n, struct region, shm_node);
        object_put(&r->shm->obj);
        kfree(r);
    }
}

/* Cut r at va into two; `upper` is the memory for the second half, which is next to r among the object's mappings. */
static void split(struct region *r, uintptr_t va, struct region *upper)
{
    *upper = *r;
    upper->node.key = va;
    upper->shm_page += (uint32_t)((va - start_of(r)) >> PAGE_SHIFT);
    list_init(&upper->shm_node);
    r->end = va;
    if (r->shm) {
        object_get(&r->shm->obj);
        spin_lock(&r->shm->maps_lock);
        upper->sweep = r->sweep;
        list_add_head(&r->shm_node, &upper->shm_node);
        r->shm->mapping_count++;
        spin_unlock(&r->shm->maps_lock);
    }
    insert(upper);
}

/* The region that crosses va and is there to stay, or NULL. */
static struct region *crossing(struct aspace *as, uintptr_t va)
{
    struct region *r = live_region_at(as, va);
    return r && start_of(r) != va ? r : NULL;
}

status_t cut_at_ends(struct aspace *as, uintptr_t addr, uintptr_t end)
{
    struct region *high = crossing(as, end), *low = crossing(as, addr);
    uint32_t cuts = (low != NULL) + (high != NULL);
    if (!cuts)
        return OK;
    struct region *upper[2] = { low ? region_new(as) : NULL, high ? region_new(as) : NULL };
    bool memory = (!low || upper[0]) && (!high || upper[1]);
    if (!memory || !regions_pay(as, cuts)) {
        for (unsigned i = 0; i < 2; i++)
            if (upper[i])
                region_free(upper[i]);
        return -ENOMEM;
    }
    if (high) /* first: it may be the same region, and keeps its start */
        split(high, end, upper[1]);
    if (low)
        split(low, addr, upper[0]);
    return OK;
}

static bool can_join(const struct region *a, const struct region *b)
{
    return a->end == start_of(b) && !a->shm && !b->shm && a->prot == b->prot &&
           a->max_prot == b->max_prot && !region_is_leaving(a) && !region_is_leaving(b);
}

struct region *region_join(struct region *r)
{
    struct region *prev = r->prev;
    if (!prev || !can_join(prev, r))
        return r;
    prev->end = r->end;
    prev->used |= r->used;
    take_out(r);
    region_free(r);
    return prev;
}
