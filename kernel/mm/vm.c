/* Making and ending address spaces, mapping and unmapping (vm.h). */
#include "klib/string.h"
#include "mm/heap.h"
#include "mm/pagetable.h"
#include "mm/pages.h"
#include "x86/random.h"

/* Where mappings without an address go, upwards: from a random page of the 2^28 from here on. */
#define MMAP_LOW   0x100000000000ull
#define MMAP_PAGES (1ull << 28)
/* Bytes that an address space pays for at a time. */
#define PAY_AT_ONCE (16u * PAGE_SIZE)

struct aspace *aspace_create(struct account *a)
{
    struct aspace *as = kzalloc(sizeof *as);
    if (!as)
        return NULL;
    purse_init(&as->purse, a, JOB_MEMORY, PAY_AT_ONCE);
    as->root = own_zeroed(as);
    if (!as->root) {
        purse_empty(&as->purse, true);
        kfree(as);
        return NULL;
    }
    spin_init(&as->lock, RANK_ASPACE);
    regions_init(as);
    as->base = MMAP_LOW + ((random_u64() % MMAP_PAGES) << PAGE_SHIFT);
    as->hint = as->base;
    pt_share_kernel(as->root);
    return as;
}

/* ---- mapping ---- */

/* Where a new mapping goes: *at. -EEXIST, -ENOMEM; -EAGAIN: not known yet, to be asked again. */
static status_t place(struct aspace *as, const struct vm_map_args *a, uintptr_t *at)
{
    unsigned work = WORK_AT_ONCE;
    uintptr_t hint = align_down(a->addr, PAGE_SIZE);
    *at = hint;
    if (a->fixed)
        return range_free(as, hint, a->len) ? OK : -EEXIST;
    if (hint && range_valid(hint, a->len) && range_free(as, hint, a->len))
        return OK;
    *at = region_gap(as, as->hint, a->len, &work);
    if (UNLIKELY(!*at))
        *at = region_gap(as, USER_MIN, a->len, &work);
    return LIKELY(*at) ? OK : work ? -ENOMEM : -EAGAIN;
}

static status_t check_map(const struct vm_map_args *a)
{
    if (!a->len || (a->len & PAGE_MASK) || a->len > USER_MAX || !prot_valid(a->prot))
        return -EINVAL;
    if (a->fixed && !range_valid(a->addr, a->len))
        return -EINVAL;
    if (a->shm && ((a->offset & PAGE_MASK) || a->offset > shm_size_of(a->shm) ||
                   a->len > shm_size_of(a->shm) - a->offset))
        return -EINVAL;
    return OK;
}

/* Give r its place and what it is; the lock is held. Errors as place; -EPERM: sealed. */
HOT static status_t map_region(struct aspace *as, struct region *r, const struct vm_map_args *a)
{
    uintptr_t va;
    status_t st = place(as, a, &va);
    if (st != OK)
        return st;
    if (!regions_pay(as, 1))
        return -ENOMEM;
    r->node.key = va;
    r->end = va + a->len;
    r->prot = (uint8_t)effective_prot(a->prot);
    r->max_prot = (uint8_t)a->max_prot;
    r->copy = a->copy;
    r->shm = a->shm;
    r->shm_page = (uint32_t)(a->offset >> PAGE_SHIFT);
    if (!region_link(r)) {
        purse_return(&as->purse, REGION_COST);
        return -EPERM;
    }
    as->recent = r;
    if (LIKELY(va == as->hint))
        as->hint = r->end;
    else if ((r = region_at(as, as->hint)) != NULL)
        as->hint = r->end; /* it came to be in use otherwise */
    return OK;
}

HOT status_t vm_map(struct aspace *as, const struct vm_map_args *a, uintptr_t *at)
{
    status_t st = check_map(a);
    if (st != OK)
        return st;
    spin_lock(&as->lock);
    struct region *r = region_new(as);
    st = r ? map_region(as, r, a) : -ENOMEM;
    while (UNLIKELY(st == -EAGAIN)) {
        spin_unlock(&as->lock);
        spin_lock(&as->lock);
        st = map_region(as, r, a);
    }
    if (st == OK)
        *at = start_of(r);
    else if (r)
        region_free(r);
    spin_unlock(&as->lock);
    return st;
}

/* ---- unmapping ---- */

static void leaving_begin(struct aspace *as, struct leaving *l)
{
    l->next = as->leaving;
    as->leaving = l;
}

static void leaving_end(struct aspace *as, struct leaving *l)
{
    struct leaving **at = &as->leaving;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
}

/*
 * Empty regions that have a place in [at, end), all of them on their way out, some of them at once; returns where to go
 * on. Those that are empty stay until no CPU holds their translations any more. One that another thread is unmapping too
 * is emptied as a whole, wherever it reaches: the place must be free when we say so.
 */
static uintptr_t empty_some(struct aspace *as, uintptr_t at, uintptr_t end, struct vm_batch *b)
{
    unsigned work = WORK_AT_ONCE;
    struct region *r = region_above(as, at);
    for (; r && start_of(r) < end && work; r = r->next) {
        if (UNLIKELY(r->gone)) { /* what the other thread has dropped must be forgotten, too */
            vm_batch_add(b, start_of(r));
            vm_batch_add(b, r->end - PAGE_SIZE);
        } else {
            r->gone = start_of(r);
        }
        r->gone = region_drop_pages(r, r->gone, r->end, DROP_ALL, &work, b);
        if (r->gone < r->end)
            return start_of(r);
        r->gone_at = (uint32_t)as->generation + 1;
        work -= (unsigned)min_u64(work, WORK_REGION);
    }
    return r && start_of(r) < end ? start_of(r) : end;
}

/* Take the regions of [at, end) out that were empty when the generation was below `limit`. */
static void remove_empty(struct aspace *as, uintptr_t at, uintptr_t end, uint32_t limit,
                         struct list *trash)
{
    struct region *r = region_above(as, at), *next;
    for (; r && start_of(r) < end; r = next) {
        next = r->next;
        if (r->gone == r->end && (int32_t)(r->gone_at - limit) <= 0)
            region_remove(r, trash);
    }
}

/* Without the lock meanwhile: make the other CPUs forget what the batch, which is settled, has of [at, end); then take that out. */
static void tell_others(struct aspace *as, uintptr_t at, uintptr_t end, struct vm_batch *b,
                        struct list *trash)
{
    uint32_t limit = (uint32_t)as->generation;
    spin_unlock(&as->lock);
    vm_batch_finish(b);
    spin_lock(&as->lock);
    remove_empty(as, at, end, limit, trash);
}

/*
 * Unmap some of [at, end); returns where to go on. The lock is held, and let go of while other CPUs are told; the batch
 * and the trash are for the caller to empty without it.
 */
static uintptr_t unmap_some(struct aspace *as, uintptr_t at, uintptr_t end, struct vm_batch *b,
                            struct list *trash)
{
    uintptr_t next = empty_some(as, at, end, b);
    vm_batch_settle(as, b);
    if (b->cpus)
        tell_others(as, at, next, b, trash);
    else
        remove_empty(as, at, next, (uint32_t)as->generation + !b->to, trash);
    return next;
}

/* In steps, with the lock let go of in between. */
static status_t unmap_range(struct aspace *as, uintptr_t addr, uintptr_t end, struct vm_batch *b,
                            struct list *trash)
{
    struct leaving range = { .start = addr, .end = end };
    status_t st = cut_at_ends(as, addr, end);
    if (st != OK)
        return st;
    leaving_begin(as, &range);
    uintptr_t at = unmap_some(as, addr, end, b, trash);
    while (at < end) {
        spin_unlock(&as->lock);
        vm_batch_finish(b);
        trash_free(trash);
        spin_lock(&as->lock);
        at = unmap_some(as, at, end, b, trash);
    }
    leaving_end(as, &range);
    return OK;
}

/* The same for a region in whole that is not big, which is what is unmapped most often. */
static void unmap_region(struct region *r, struct vm_batch *b, struct list *trash)
{
    struct aspace *as = r->as;
    struct leaving range = { .start = start_of(r), .end = r->end };
    unsigned work = WORK_AT_ONCE;
    r->gone = region_drop_pages(r, range.start, range.end, DROP_ALL, &work, b);
    r->gone_at = (uint32_t)as->generation + 1;
    vm_batch_settle(as, b);
    if (LIKELY(!b->cpus)) {
        region_remove(r, trash);
        return;
    }
    leaving_begin(as, &range);
    tell_others(as, range.start, range.end, b, trash);
    leaving_end(as, &range);
}

HOT status_t vm_unmap(struct aspace *as, uintptr_t addr, uint64_t len)
{
    if (!range_valid(addr, len))
        return -EINVAL;
    struct vm_batch b;
    struct list trash = LIST_INIT(trash);
    status_t st = OK;
    vm_batch_init(&b);
    spin_lock(&as->lock);
    struct region *r = region_floor(as, addr);
    if (LIKELY(r && start_of(r) == addr && r->end == addr + len &&
               len <= WORK_AT_ONCE * PAGE_SIZE && !as->leaving))
        unmap_region(r, &b, &trash);
    else
        st = unmap_range(as, addr, addr + len, &b, &trash);
    if (st == OK && addr < as->hint && addr >= as->base)
        as->hint = addr;
    spin_unlock(&as->lock);
    vm_batch_finish(&b);
    trash_free(&trash);
    return st;
}

/* ---- the end ---- */

void aspace_destroy(struct aspace *as)
{
    aspace_evict(as);
    for (struct region *r; (r = as->first) != NULL;) {
        struct vm_batch b = { 0 };
        struct list trash = LIST_INIT(trash);
        unsigned work = WORK_AT_ONCE;
        spin_lock(&as->lock);
        r->gone =
            region_drop_pages(r, r->gone ? r->gone : start_of(r), r->end, DROP_ALL, &work, &b);
        if (r->gone == r->end)
            region_remove_first(as, &trash);
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        trash_free(&trash);
    }
    regions_end(as);
    uint64_t tables = pt_free_user(as->root);
    as->pages -= tables;
    ASSERT(as->pages == 0);
    purse_return(&as->purse, tables << PAGE_SHIFT);
    purse_empty(&as->purse, true);
    kfree(as);
}
