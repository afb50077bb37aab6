/* Handle tables (handle.h). */
#include "proc/handle.h"
#include "klib/string.h"
#include "mm/heap.h"
#include "proc/process.h"

#define LOW_FLAGS (HANDLE_FD | HANDLE_EXACT)
/* Handles that a table pays for at a time. */
#define PAY_AT_ONCE 16u

static uint64_t total; /* [a] */

uint64_t handle_total(void)
{
    return __atomic_load_n(&total, __ATOMIC_RELAXED);
}

void handle_table_init(struct handle_table *t, struct account *a)
{
    spin_init(&t->lock, RANK_HANDLES);
    purse_init(&t->purse, a, JOB_HANDLES, PAY_AT_ONCE);
}

static handle_t high_number(uint32_t index, uint16_t generation)
{
    return (handle_t)(HANDLE_HIGH | (uint32_t)generation << HANDLE_INDEX_BITS | index);
}

/* ---- the last handle ---- */

/*
 * What the last handle's end brings down may hold last handles of its own (a
 * message in a queue, a process that never ran), in chains as long as a program likes: they are worked off one after
 * the other, as the kernel's stack is short.
 */
void handle_orphaned(struct object *o)
{
    struct thread *t = current_thread();
    if (__atomic_exchange_n(&o->orphaned, true, __ATOMIC_ACQ_REL)) {
        object_put(o);
        return;
    }
    o->next_orphan = t->orphans;
    t->orphans = o;
    if (t->burying)
        return;
    t->burying = true;
    while ((o = t->orphans)) {
        t->orphans = o->next_orphan;
        __atomic_store_n(&o->orphaned, false, __ATOMIC_RELEASE);
        o->ops->last_handle(o);
        object_put(o);
    }
    t->burying = false;
}

void grant_drop(struct grant *g)
{
    if (g->obj)
        handle_drop(g->obj);
    g->obj = NULL;
}

/* Empty an entry; what it held is the caller's to let go. The lock is held. */
static void release(struct handle_table *t, handle_t h, struct handle_entry *e, struct grant *g,
                    struct handle_link **links)
{
    *g = (struct grant){ e->obj, e->rights };
    *links = e->links;
    e->obj = NULL;
    e->rights = 0;
    e->links = NULL;
    if (h & HANDLE_HIGH) {
        uint32_t index = (uint32_t)h & HANDLE_INDEX_MASK;
        e->generation++;
        e->next_free = (uint16_t)t->high_free;
        t->high_free = index + 1;
    } else {
        t->low_used[h / 64] &= ~(1ull << (h % 64));
    }
    t->open--;
    purse_return(&t->purse, 1);
    __atomic_fetch_sub(&total, 1, __ATOMIC_RELAXED);
}

static void let_go(struct grant *g, struct handle_link *links)
{
    while (links) {
        struct handle_link *next = links->next;
        links->closed(links);
        links = next;
    }
    grant_drop(g);
}

/* ---- adding ---- */

/* A page of entries, charged. */
static struct handle_entry *chunk_new(struct handle_table *t)
{
    if (!account_charge(t->purse.account, JOB_MEMORY, PAGE_SIZE))
        return NULL;
    struct handle_entry *chunk = kzalloc(PAGE_SIZE);
    if (!chunk)
        account_uncharge(t->purse.account, JOB_MEMORY, PAGE_SIZE);
    return chunk;
}

static struct handle_entry *low_entry(struct handle_table *t, uint32_t number)
{
    struct handle_entry **chunk = &t->low[number / HANDLE_CHUNK];
    if (!*chunk)
        *chunk = chunk_new(t);
    return *chunk ? &(*chunk)[number % HANDLE_CHUNK] : NULL;
}

static int lowest_free(const struct handle_table *t, uint32_t from)
{
    for (uint32_t n = from; n < HANDLE_FD_MAX; n++)
        if (!(t->low_used[n / 64] >> (n % 64) & 1))
            return (int)n;
    return -EMFILE;
}

static handle_t new_low(struct handle_table *t, uint32_t flags, int32_t at, struct handle_entry **e)
{
    int n = flags & HANDLE_EXACT ? at : lowest_free(t, (uint32_t)at);
    if (n < 0)
        return n;
    *e = low_entry(t, (uint32_t)n);
    if (!*e)
        return -ENOMEM;
    t->low_used[n / 64] |= 1ull << (n % 64);
    return n;
}

static handle_t new_high(struct handle_table *t, struct handle_entry **e)
{
    uint32_t index;
    if (t->high_free) {
        index = t->high_free - 1;
        *e = &t->high[index / HANDLE_CHUNK][index % HANDLE_CHUNK];
        t->high_free = (*e)->next_free;
    } else {
        index = t->high_count;
        if (index == HANDLE_HIGH_CHUNKS * HANDLE_CHUNK)
            return -EMFILE;
        struct handle_entry **chunk = &t->high[index / HANDLE_CHUNK];
        if (!*chunk && !(*chunk = chunk_new(t)))
            return -ENOMEM;
        *e = &(*chunk)[index % HANDLE_CHUNK];
        t->high_count++;
    }
    return high_number(index, (*e)->generation);
}

static handle_t new_entry(struct handle_table *t, uint32_t flags, int32_t at,
                          struct handle_entry **e)
{
    if (t->closed)
        return -ESRCH;
    if (!purse_take(&t->purse, 1))
        return -EMFILE;
    handle_t h = flags & LOW_FLAGS ? new_low(t, flags, at, e) : new_high(t, e);
    if (h < 0)
        purse_return(&t->purse, 1);
    return h;
}

/* Put obj, whose reference and handle count are passed in, into a new entry; what HANDLE_EXACT finds there goes. */
static handle_t insert(struct handle_table *t, struct object *obj, uint32_t rights, uint32_t flags,
                       int32_t at)
{
    struct handle_entry *e = NULL;
    struct grant old = { 0 };
    struct handle_link *links = NULL;
    spin_lock(&t->lock);
    handle_t h = new_entry(t, flags, at, &e);
    if (h >= 0 && e->obj) {
        release(t, h, e, &old, &links);
        t->low_used[h / 64] |= 1ull << (h % 64);
    }
    if (h >= 0) {
        e->obj = obj;
        e->rights = rights;
        e->links = NULL;
        t->open++;
        __atomic_fetch_add(&total, 1, __ATOMIC_RELAXED);
    }
    spin_unlock(&t->lock);
    let_go(&old, links);
    return h;
}

handle_t handle_add(struct handle_table *t, struct object *obj, uint32_t rights, uint32_t flags,
                    int32_t at)
{
    if ((flags & ~LOW_FLAGS) || flags == LOW_FLAGS ||
        (flags && (at < 0 || at >= (int32_t)HANDLE_FD_MAX)))
        return -EINVAL;
    object_get(obj);
    object_handle_added(obj);
    handle_t h = obj->account ? OK : object_charge(obj, t->purse.account);
    if (h == OK)
        h = insert(t, obj, rights, flags, at);
    if (h < 0)
        handle_drop(obj); /* a new object ends here as if its last handle had closed */
    return h;
}

handle_t handle_add_grant(struct handle_table *t, struct grant *g)
{
    handle_t h = insert(t, g->obj, g->rights, 0, 0);
    if (h >= 0)
        g->obj = NULL;
    return h;
}

handle_t handle_give(struct object *obj, uint32_t rights)
{
    handle_t h = handle_add(&current_thread()->process->handles, obj, rights, 0, 0);
    object_put(obj);
    return h;
}

/* ---- closing ---- */

static status_t close_matching(struct handle_table *t, handle_t h, const struct object *obj)
{
    struct grant g;
    struct handle_link *links;
    spin_lock(&t->lock);
    struct handle_entry *e = handle_entry_of(t, h);
    if (!e || (obj && e->obj != obj)) {
        spin_unlock(&t->lock);
        return -EBADF;
    }
    release(t, h, e, &g, &links);
    spin_unlock(&t->lock);
    let_go(&g, links);
    return OK;
}

status_t handle_close_in(struct handle_table *t, handle_t h)
{
    return close_matching(t, h, NULL);
}

void handle_close_if(struct handle_table *t, handle_t h, const struct object *obj)
{
    (void)close_matching(t, h, obj);
}

/* Others may still look numbers of a dying process up (moved handles, a port that ends). */
static void free_chunk(struct handle_table *t, struct handle_entry **chunk)
{
    spin_lock(&t->lock);
    struct handle_entry *c = *chunk;
    *chunk = NULL;
    spin_unlock(&t->lock);
    if (!c)
        return;
    kfree(c);
    account_uncharge(t->purse.account, JOB_MEMORY, PAGE_SIZE);
}

void handle_table_destroy(struct handle_table *t)
{
    spin_lock(&t->lock);
    t->closed = true;
    spin_unlock(&t->lock);
    for (unsigned w = 0; w < ARRAY_SIZE(t->low_used); w++)
        for (uint64_t used = t->low_used[w]; used; used &= used - 1)
            (void)handle_close_in(t, (handle_t)(w * 64 + (unsigned)__builtin_ctzll(used)));
    for (uint32_t i = 0; i < t->high_count; i++) {
        struct handle_entry *e = &t->high[i / HANDLE_CHUNK][i % HANDLE_CHUNK];
        if (e->obj)
            (void)handle_close_in(t, high_number(i, e->generation));
    }
    for (uint32_t i = 0; i < HANDLE_LOW_CHUNKS; i++)
        free_chunk(t, &t->low[i]);
    spin_lock(&t->lock);
    t->high_count = 0;
    purse_empty(&t->purse, true);
    spin_unlock(&t->lock);
    for (uint32_t i = 0; i < HANDLE_HIGH_CHUNKS && t->high[i]; i++) /* made in order */
        free_chunk(t, &t->high[i]);
}

/* ---- looking up ---- */

/* counted: g is to count as a handle as well. */
static status_t look_up(struct handle_table *t, handle_t h, uint32_t type, uint32_t rights,
                        bool counted, struct grant *g)
{
    status_t st = OK;
    spin_lock(&t->lock);
    struct handle_entry *e = handle_entry_of(t, h);
    if (UNLIKELY(!e))
        st = -EBADF;
    else if (UNLIKELY(type && e->obj->type != type))
        st = -ENODEV;
    else if (UNLIKELY((e->rights & rights) != rights))
        st = -EACCES;
    else {
        g->obj = e->obj;
        g->rights = e->rights;
        object_get(e->obj);
        if (counted)
            object_handle_added(e->obj);
    }
    spin_unlock(&t->lock);
    return st;
}

status_t handle_get_in(struct handle_table *t, handle_t h, uint32_t type, uint32_t rights,
                       struct object **out)
{
    struct grant g;
    status_t st = look_up(t, h, type, rights, false, &g);
    if (st == OK)
        *out = g.obj;
    return st;
}

status_t handle_get(handle_t h, uint32_t type, uint32_t rights, struct object **out)
{
    return handle_get_in(&current_thread()->process->handles, h, type, rights, out);
}

status_t handle_get_grant(handle_t h, uint32_t type, uint32_t need, struct grant *g)
{
    return look_up(&current_thread()->process->handles, h, type, need, true, g);
}

status_t handle_inspect(handle_t h, uint32_t *type, uint32_t *rights)
{
    struct handle_table *t = &current_thread()->process->handles;
    spin_lock(&t->lock);
    struct handle_entry *e = handle_entry_of(t, h);
    if (e) {
        *type = e->obj->type;
        *rights = e->rights;
    }
    spin_unlock(&t->lock);
    return e ? OK : -EBADF;
}

status_t handle_link_add(handle_t h, const struct object *obj, struct handle_link *l)
{
    struct handle_table *t = &current_thread()->process->handles;
    spin_lock(&t->lock);
    struct handle_entry *e = handle_entry_of(t, h);
    bool same = e && e->obj == obj;
    if (same) {
        l->next = e->links;
        e->links = l;
    }
    spin_unlock(&t->lock);
    return same ? OK : -EBADF;
}

bool handle_link_remove(struct process *p, handle_t h, struct handle_link *l)
{
    bool found = false;
    spin_lock(&p->handles.lock);
    struct handle_entry *e = handle_entry_of(&p->handles, h);
    for (struct handle_link **at = e ? &e->links : NULL; at && *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            found = true;
            break;
        }
    spin_unlock(&p->handles.lock);
    return found;
}

/* ---- looking at whole tables ---- */

/* The number of the entry at a position (low numbers, then indices of high ones) and the entry, or NULL. */
static struct handle_entry *entry_at(struct handle_table *t, uint32_t position, handle_t *h)
{
    if (position < HANDLE_FD_MAX) {
        *h = (handle_t)position;
    } else {
        uint32_t i = position - HANDLE_FD_MAX;
        *h = high_number(i, t->high[i / HANDLE_CHUNK][i % HANDLE_CHUNK].generation);
    }
    return handle_entry_of(t, *h);
}

size_t handle_look_at(struct handle_table *t, uint32_t from, struct handle_look *out, size_t n)
{
    size_t count = 0;
    spin_lock(&t->lock);
    for (uint32_t at = from; count < n && at < HANDLE_FD_MAX + t->high_count; at++) {
        handle_t h;
        struct handle_entry *e = entry_at(t, at, &h);
        if (!e)
            continue;
        object_get(e->obj);
        out[count++] = (struct handle_look){ e->obj, h, e->rights, at };
    }
    spin_unlock(&t->lock);
    return count;
}
