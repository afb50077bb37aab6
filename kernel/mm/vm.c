/* Address spaces (vm.h). */
#include "mm/aspace.h"
#include "klib/string.h"
#include "mm/heap.h"
#include "mm/pagetable.h"
#include "x86/random.h"

/* Where mappings without an address go, upwards: from a random page of the 2^28 from here on. */
#define MMAP_LOW   0x100000000000ull
#define MMAP_PAGES (1ull << 28)
#define PROT_MASK  (VM_READ | VM_WRITE | VM_EXEC)
/* Page-table entries looked at with an address space locked once, when a lot of it goes. */
#define DROP_AT_ONCE 1024u
/* What a page-table entry keeps when its protection changes. */
#define PTE_KEPT (PTE_ADDR | PTE_ACCESSED | PTE_DIRTY | PTE_OWN | PTE_COPYING)
/* What a region counts for in it. */
#define DROP_REGION 16u
/* Regions of an address space: bounds the search for a gap, and what mapping costs the kernel. */
#define REGIONS_MAX 65536u
/* Bytes that are charged for a region. */
#define REGION_COST 128u
_Static_assert(sizeof(struct region) <= REGION_COST, "a region pays for itself");
/* Bytes that an address space pays for at a time. */
#define PAY_AT_ONCE (16u * PAGE_SIZE)

static uintptr_t start_of(const struct region *r)
{
    return r->node.key;
}

static struct region *region_from(struct tree_node *n)
{
    return n ? CONTAINER(n, struct region, node) : NULL;
}

/* The region that holds va, or NULL; it may be on its way out. */
static struct region *region_at(struct aspace *as, uintptr_t va)
{
    struct region *r = as->recent;
    if (r && va >= start_of(r) && va < r->end)
        return r;
    r = region_from(tree_floor(&as->regions, va));
    if (!r || va >= r->end)
        return NULL;
    as->recent = r;
    return r;
}

/* The region that holds va and is there to stay, or NULL. */
static struct region *live_region_at(struct aspace *as, uintptr_t va)
{
    struct region *r = region_at(as, va);
    return r && !r->gone ? r : NULL;
}

/* The first region that ends above va, or NULL. */
static struct region *region_from_va(struct aspace *as, uintptr_t va)
{
    struct region *r = as->recent;
    if (r && va >= start_of(r) && va < r->end)
        return r;
    struct tree_node *n = tree_floor(&as->regions, va);
    if (n && region_from(n)->end > va)
        return region_from(n);
    return region_from(n ? tree_next(n) : tree_first(&as->regions));
}

/* ---- making and leaving address spaces ---- */

/* A frame that as pays for, with undefined contents; 0: there is none, or its account is at the limit. */
static paddr_t own_frame(struct aspace *as)
{
    if (!purse_take(&as->purse, PAGE_SIZE))
        return 0;
    paddr_t p = frame_alloc();
    if (LIKELY(p))
        as->pages++;
    else
        purse_return(&as->purse, PAGE_SIZE);
    return p;
}

static paddr_t own_zeroed(struct aspace *as)
{
    paddr_t p = own_frame(as);
    if (LIKELY(p))
        frame_zero(p);
    return p;
}

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
    as->base = MMAP_LOW + ((random_u64() % MMAP_PAGES) << PAGE_SHIFT);
    as->hint = as->base;
    pt_share_kernel(as->root);
    return as;
}

/* ---- pages ---- */

static paddr_t table_frame(void *arg)
{
    return own_zeroed(arg);
}

/* What drop_pages takes: all, or only pages of the region's memory object. */
enum drop { DROP_ALL, DROP_OBJECTS };

/*
 * Take the n entries from e on, for va and what follows, out of the page tables. Frames of the address space itself go
 * into the batch. An entry is 0 or holds a frame, be it present or not.
 */
static void drop_entries(struct region *r, pte_t *e, uintptr_t va, uint64_t n, enum drop what,
                         struct vm_batch *b)
{
    for (pte_t *end = e + n; e < end; e++, va += PAGE_SIZE) {
        pte_t old = *e;
        if (!old || (what == DROP_OBJECTS && (old & PTE_OWN)))
            continue;
        __atomic_store_n(e, 0, __ATOMIC_RELAXED);
        if (old & PTE_PRESENT)
            vm_batch_add(b, va);
        if (old & PTE_OWN) {
            frame_list_add(&b->frames, old & PTE_ADDR);
            r->as->pages--;
            purse_return(&r->as->purse, PAGE_SIZE);
        }
    }
}

/* Entries from va on that lie in one table and below end, at most max. */
static uint64_t run_of(uintptr_t va, uintptr_t end, uint64_t max)
{
    return min_u64(min_u64(PTES_PER_TABLE - pte_index(va, 0), (end - va) >> PAGE_SHIFT), max);
}

/*
 * Take the pages of r in [va, end) out of the page tables, from va on. Returns how far it came: at least a step, all
 * the way while *left, the entries it may yet look at, lasts.
 */
static uintptr_t drop_pages(struct region *r, uintptr_t va, uintptr_t end, enum drop what,
                            unsigned *left, struct vm_batch *b)
{
    while (va < end && *left) {
        uintptr_t next;
        pte_t *e = pt_walk(r->as->root, va, &next);
        uint64_t n = 1;
        if (e) {
            n = run_of(va, end, *left);
            drop_entries(r, e, va, n, what, b);
            next = va + (n << PAGE_SHIFT);
        }
        va = next;
        *left -= (unsigned)n;
    }
    return va < end ? va : end;
}

/* The bits of an entry. What may not be accessed at all is not present: the kernel may not read it either. */
static pte_t prot_bits(uint32_t prot)
{
    if (!(prot & VM_READ))
        return 0;
    return PTE_PRESENT | PTE_USER | (prot & VM_WRITE ? PTE_WRITE : 0) |
           (prot & VM_EXEC ? 0 : PTE_NX);
}

/* Whether a CPU may know more of an entry than it allows now. */
static bool reduced(pte_t old, pte_t new)
{
    return (old & PTE_PRESENT) &&
           (!(new &PTE_PRESENT) || (old & ~new &PTE_WRITE) || (new & ~old &PTE_NX));
}

/* The bits of an entry of r; kept: what PTE_KEPT keeps of it. A page of the object itself is not for writing a copy. */
static pte_t entry_bits(const struct region *r, pte_t kept)
{
    bool writable = kept & PTE_OWN ? !(kept & PTE_COPYING) : !r->copy;
    return kept | prot_bits(writable ? r->prot : r->prot & ~VM_WRITE);
}

/* A protection that is being raised may not have come to a page yet when it is touched. */
static void raise(const struct region *r, pte_t *e)
{
    pte_t new = entry_bits(r, *e & PTE_KEPT);
    if (!reduced(*e, new))
        __atomic_store_n(e, new, __ATOMIC_RELAXED);
}

/* Put a copy of the object's page p in; where e held it already, the other CPUs must know before it is written. */
static status_t make_copy(struct region *r, uintptr_t va, pte_t *e, paddr_t p, struct vm_batch *b)
{
    paddr_t own = own_frame(r->as);
    if (!own)
        return -ENOMEM;
    memcpy(phys_to_virt(own), phys_to_virt(p), PAGE_SIZE);
    pte_t told = 0;
    if (*e & PTE_PRESENT) {
        vm_batch_add(b, va);
        told = PTE_COPYING;
    }
    __atomic_store_n(e, entry_bits(r, own | PTE_OWN | told), __ATOMIC_RELAXED);
    return OK;
}

/* Bring in a page that e has none for. */
static status_t fill(struct region *r, uintptr_t va, pte_t *e, bool write, struct vm_batch *b)
{
    if (!r->shm) {
        paddr_t own = own_zeroed(r->as);
        if (own)
            *e = entry_bits(r, own | PTE_OWN);
        return own ? OK : -ENOMEM;
    }
    paddr_t p;
    status_t st = shm_get_page(r->shm, r->shm_page + ((va - start_of(r)) >> PAGE_SHIFT), &p);
    if (st != OK)
        return st;
    if (r->copy && write)
        return make_copy(r, va, e, p, b);
    *e = entry_bits(r, p);
    return OK;
}

/*
 * Bring a page of r in; the lock is held. When the batch is not empty afterwards the other CPUs must be told and the
 * same be called again, with *told the frame of the copy that they have been told of.
 */
static status_t bring_in(struct region *r, uintptr_t va, bool write, paddr_t told, pte_t **out,
                         struct vm_batch *b)
{
    pte_t *e = *out = pt_slot(r->as->root, va, 0, table_frame, r->as);
    if (!e)
        return -ENOMEM;
    if (!*e)
        return fill(r, va, e, write, b);
    if (write && r->copy && !(*e & PTE_OWN))
        return make_copy(r, va, e, *e & PTE_ADDR, b);
    if (write && (*e & PTE_COPYING)) {
        if ((*e & PTE_ADDR) != told)
            vm_batch_add(b, va);
        else
            *e &= ~PTE_COPYING;
    }
    raise(r, e);
    return OK;
}

/* What a page is wanted for. */
struct want {
    uint32_t access; /* VM_READ … */
    bool loading; /* whatever the protection, but nothing that others see */
};

static status_t check_want(const struct region *r, const struct want *w)
{
    if (!r)
        return -EFAULT;
    if (w->loading)
        return r->shm && !r->copy ? -EACCES : OK;
    return r->prot & w->access ? OK : -EACCES;
}

/*
 * Bring the page at va in and give its region and entry. The lock is held; it is let go of while other CPUs are told that
 * a page of an object has made room for a copy.
 */
static status_t get_page(struct aspace *as, uintptr_t va, const struct want *w, struct region **r,
                         pte_t **e)
{
    uintptr_t page = align_down(va, PAGE_SIZE);
    paddr_t told = 0;
    for (;;) {
        struct vm_batch b = { 0 };
        *r = live_region_at(as, va);
        status_t st = check_want(*r, w);
        if (st == OK)
            st = bring_in(*r, page, w->access & VM_WRITE, told, e, &b);
        if (LIKELY(!b.to))
            return st;
        told = **e & PTE_ADDR;
        vm_batch_settle(as, &b);
        if (!b.cpus)
            continue;
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        spin_lock(&as->lock);
    }
}

status_t vm_fault(struct aspace *as, uintptr_t va, uint32_t access)
{
    const struct want w = { .access = access };
    struct region *r;
    pte_t *e;
    spin_lock(&as->lock);
    status_t st = get_page(as, va, &w, &r, &e);
    spin_unlock(&as->lock);
    return st;
}

/* ---- regions ---- */

static bool writes_shared(const struct region *r, uint32_t prot)
{
    return (prot & VM_WRITE) && r->shm && !r->copy;
}

static bool write_stopped(const struct shm *s)
{
    return __atomic_load_n(&s->write_stop, __ATOMIC_RELAXED);
}

/* Make r one of its address space and of its object's mappings; false: the object is not to be written. */
static bool region_link(struct region *r)
{
    struct shm *s = r->shm;
    if (s) {
        spin_lock(&s->maps_lock);
        bool allowed = !writes_shared(r, r->prot) || !write_stopped(s);
        if (allowed) {
            r->sweep = s->sweep;
            list_add_tail(&s->mappings, &r->shm_node);
        }
        spin_unlock(&s->maps_lock);
        if (!allowed)
            return false;
        object_get(&s->obj);
    }
    tree_insert(&r->as->regions, &r->node);
    r->as->region_count++;
    return true;
}

/* Pay for n regions more; false: too many, or over the limit. */
static bool regions_pay(struct aspace *as, uint32_t n)
{
    return as->region_count + n <= REGIONS_MAX && purse_take(&as->purse, n * REGION_COST);
}

/* Memory for a region, set up field by field, as a loop over its bytes takes longer. */
static struct region *region_new(struct aspace *as)
{
    struct region *r = kmalloc(sizeof *r);
    if (!r)
        return NULL;
    r->as = as;
    r->shm = NULL;
    r->shm_page = 0;
    r->gone = 0;
    r->gone_at = r->sweep = 0;
    list_init(&r->shm_node);
    return r;
}

/* Take r, which has no pages any more, out of its address space; if it has an object it is trash then. */
static void region_remove(struct region *r, struct list *trash)
{
    struct shm *s = r->shm;
    tree_remove(&r->as->regions, &r->node);
    r->as->region_count--;
    purse_return(&r->as->purse, REGION_COST);
    if (r->as->recent == r)
        r->as->recent = NULL;
    if (!s) {
        kfree(r);
        return;
    }
    spin_lock(&s->maps_lock);
    list_del(&r->shm_node);
    spin_unlock(&s->maps_lock);
    list_add_tail(trash, &r->shm_node);
}

/* Free regions that had an object, without a lock: it may go with them. */
static void trash_free(struct list *trash)
{
    struct list *n;
    while ((n = list_pop(trash)) != NULL) {
        struct region *r = LIST_ENTRY(n, struct region, shm_node);
        object_put(&r->shm->obj);
        kfree(r);
    }
}

/* Cut r at va into two; `upper` is the memory for the second half, which is next to r among the object's mappings. */
static void region_split(struct region *r, uintptr_t va, struct region *upper)
{
    *upper = *r;
    upper->node.key = va;
    upper->shm_page += (va - start_of(r)) >> PAGE_SHIFT;
    list_init(&upper->shm_node);
    r->end = va;
    if (r->shm) {
        object_get(&r->shm->obj);
        spin_lock(&r->shm->maps_lock);
        upper->sweep = r->sweep;
        list_add_head(&r->shm_node, &upper->shm_node);
        spin_unlock(&r->shm->maps_lock);
    }
    tree_insert(&r->as->regions, &upper->node);
    r->as->region_count++;
}

/* A free range of len bytes at or above the hint; 0 if there is none. */
static uintptr_t find_gap(struct aspace *as, uintptr_t from, uint64_t len)
{
    uintptr_t at = from;
    for (struct region *r = region_from_va(as, at); r; r = region_from(tree_next(&r->node))) {
        if (start_of(r) >= at && start_of(r) - at >= len)
            break;
        at = r->end;
    }
    return USER_MAX - at >= len && at <= USER_MAX ? at : 0;
}

static bool range_free(struct aspace *as, uintptr_t addr, uint64_t len)
{
    struct region *r = region_from_va(as, addr);
    return !r || start_of(r) >= addr + len;
}

static bool range_valid(uintptr_t addr, uint64_t len)
{
    return len && !((addr | len) & PAGE_MASK) && user_range_ok(addr, len);
}

/* Where a new mapping goes; 0 if nowhere. */
static uintptr_t place(struct aspace *as, const struct vm_map_args *a)
{
    uintptr_t hint = align_down(a->addr, PAGE_SIZE);
    if (hint && range_valid(hint, a->len) && range_free(as, hint, a->len))
        return hint;
    uintptr_t at = find_gap(as, as->hint, a->len);
    if (at)
        return at;
    return find_gap(as, USER_MIN, a->len);
}

/* On x86 what can be written or executed can be read. */
static uint32_t effective(uint32_t prot)
{
    return prot & (VM_WRITE | VM_EXEC) ? prot | VM_READ : prot;
}

static status_t check_map(const struct vm_map_args *a)
{
    if (!a->len || (a->len & PAGE_MASK) || a->len > USER_MAX || (a->prot & ~PROT_MASK))
        return -EINVAL;
    if ((a->prot & VM_WRITE) && (a->prot & VM_EXEC))
        return -EINVAL;
    if (a->fixed && !range_valid(a->addr, a->len))
        return -EINVAL;
    if (a->shm && ((a->offset & PAGE_MASK) || a->offset > shm_size_of(a->shm) ||
                   a->len > shm_size_of(a->shm) - a->offset))
        return -EINVAL;
    return OK;
}

/* Give r its place and what it is; the lock is held. */
static status_t map_region(struct aspace *as, struct region *r, const struct vm_map_args *a)
{
    if (a->fixed && !range_free(as, a->addr, a->len))
        return -EEXIST;
    uintptr_t va = a->fixed ? a->addr : place(as, a);
    if (!va || !regions_pay(as, 1))
        return -ENOMEM;
    r->node.key = va;
    r->end = va + a->len;
    r->prot = (uint8_t)effective(a->prot);
    r->max_prot = (uint8_t)a->max_prot;
    r->copy = a->copy;
    r->shm = a->shm;
    r->shm_page = a->offset >> PAGE_SHIFT;
    if (!region_link(r)) {
        purse_return(&as->purse, REGION_COST);
        return -EPERM;
    }
    as->recent = r;
    if (va == as->hint)
        as->hint = r->end;
    return OK;
}

status_t vm_map(struct aspace *as, const struct vm_map_args *a, uintptr_t *at)
{
    status_t st = check_map(a);
    if (st != OK)
        return st;
    spin_lock(&as->lock);
    struct region *r = region_new(as);
    st = r ? map_region(as, r, a) : -ENOMEM;
    if (st == OK)
        *at = start_of(r);
    else
        kfree(r);
    spin_unlock(&as->lock);
    return st;
}

/* The region that crosses va, or NULL. */
static struct region *crossing(struct aspace *as, uintptr_t va)
{
    struct region *r = live_region_at(as, va);
    return r && start_of(r) != va ? r : NULL;
}

/* Cut regions so that none crosses addr or end; -ENOMEM, and nothing has changed. */
static status_t cut_at_ends(struct aspace *as, uintptr_t addr, uintptr_t end)
{
    struct region *low = crossing(as, addr), *high = crossing(as, end);
    uint32_t cuts = (low != NULL) + (high != NULL);
    if (!cuts)
        return OK;
    struct region *upper[2] = { low ? region_new(as) : NULL, high ? region_new(as) : NULL };
    bool memory = (!low || upper[0]) && (!high || upper[1]);
    if (!memory || !regions_pay(as, cuts)) {
        kfree(upper[0]);
        kfree(upper[1]);
        return -ENOMEM;
    }
    if (high) /* first: it may be the same region, and keeps its start */
        region_split(high, end, upper[1]);
    if (low)
        region_split(low, addr, upper[0]);
    return OK;
}

/* All regions of [addr, end) are on their way out from now on: as good as gone for everybody. */
static void condemn(struct aspace *as, uintptr_t addr, uintptr_t end)
{
    struct region *r = region_from_va(as, addr);
    for (; r && start_of(r) < end; r = region_from(tree_next(&r->node)))
        if (!r->gone)
            r->gone = start_of(r);
}

/*
 * The first region of [at, end) that is on its way out, or NULL. Those that another thread is unmapping belong to it,
 * wherever they reach: the place must be free when we say so.
 */
static struct region *next_condemned(struct aspace *as, uintptr_t at, uintptr_t end)
{
    struct region *r = region_from_va(as, at);
    while (r && start_of(r) < end && !r->gone)
        r = region_from(tree_next(&r->node));
    return r && start_of(r) < end ? r : NULL;
}

/*
 * Empty the regions of [at, end), some of them at once; returns where to go on. Those that are empty stay until no CPU
 * holds their translations any more, so that nothing else is mapped in their place before.
 */
static uintptr_t empty_some(struct aspace *as, uintptr_t at, uintptr_t end, struct vm_batch *b)
{
    unsigned left = DROP_AT_ONCE;
    struct region *r = NULL;
    while (at < end && left && (r = next_condemned(as, at, end))) {
        if (r->gone >
            start_of(
                r)) { /* what another thread has dropped must be forgotten before we say it is gone */
            vm_batch_add(b, start_of(r));
            vm_batch_add(b, r->end - PAGE_SIZE);
        }
        r->gone = drop_pages(r, r->gone, r->end, DROP_ALL, &left, b);
        if (r->gone < r->end)
            return start_of(r) > at ? start_of(r) : at;
        r->gone_at = (uint32_t)as->generation + 1;
        at = r->end;
        left -= (unsigned)min_u64(left, DROP_REGION);
    }
    return r ? at : end;
}

/* Take the regions of [at, end) out that were empty when the generation was below `limit`. */
static void remove_empty(struct aspace *as, uintptr_t at, uintptr_t end, uint32_t limit,
                         struct list *trash)
{
    struct region *r = region_from_va(as, at), *next;
    for (; r && start_of(r) < end; r = next) {
        next = r->end < end ? region_from(tree_next(&r->node)) : NULL;
        if (r->gone == r->end && (int32_t)(r->gone_at - limit) <= 0)
            region_remove(r, trash);
    }
}

/*
 * Unmap some of [at, end); returns where to go on. The lock is held, and let go of while other CPUs are told; the batch
 * and the trash are for the caller to empty without it.
 */
static uintptr_t unmap_some(struct aspace *as, uintptr_t at, uintptr_t end, struct vm_batch *b,
                            struct list *trash)
{
    uint32_t limit = (uint32_t)as->generation + 1;
    uintptr_t next = empty_some(as, at, end, b);
    vm_batch_settle(as, b);
    if (b->cpus) {
        spin_unlock(&as->lock);
        vm_batch_finish(b);
        spin_lock(&as->lock);
    }
    remove_empty(as, at, next, limit, trash);
    return next;
}

/* Make the regions of a range whole and condemn them. */
static status_t begin_unmap(struct aspace *as, uintptr_t addr, uintptr_t end)
{
    struct region *r = live_region_at(as, addr);
    if (r && start_of(r) == addr && r->end == end) { /* most often */
        r->gone = addr;
        return OK;
    }
    status_t st = cut_at_ends(as, addr, end);
    if (st == OK)
        condemn(as, addr, end);
    return st;
}

/* In steps, with interrupts on in between, but for other threads all of it is gone at once. */
status_t vm_unmap(struct aspace *as, uintptr_t addr, uint64_t len)
{
    if (!range_valid(addr, len))
        return -EINVAL;
    struct vm_batch b = { 0 };
    struct list trash = LIST_INIT(trash);
    uintptr_t at = addr, end = addr + len;
    spin_lock(&as->lock);
    status_t st = begin_unmap(as, addr, end);
    while (st == OK && at < end) {
        at = unmap_some(as, at, end, &b, &trash);
        if (at >= end && addr < as->hint && addr >= as->base)
            as->hint = addr;
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        trash_free(&trash);
        if (at >= end)
            return OK;
        spin_lock(&as->lock);
    }
    spin_unlock(&as->lock);
    return st;
}

/* Give the n entries from e on, for va and what follows, the protection of r. */
static void update_entries(const struct region *r, pte_t *e, uintptr_t va, uint64_t n,
                           struct vm_batch *b)
{
    for (pte_t *end = e + n; e < end; e++, va += PAGE_SIZE) {
        pte_t old = *e, new = entry_bits(r, old & PTE_KEPT);
        if (!old)
            continue;
        __atomic_store_n(e, new, __ATOMIC_RELAXED);
        if (reduced(old, new))
            vm_batch_add(b, va);
    }
}

/* Give entries in [va, end) the protection of their regions; returns how far it came. */
static uintptr_t update_some(struct aspace *as, uintptr_t va, uintptr_t end, struct vm_batch *b)
{
    unsigned left = DROP_AT_ONCE;
    while (va < end && left) {
        struct region *r = live_region_at(as, va);
        uintptr_t next = va + PAGE_SIZE;
        pte_t *e = r ? pt_walk(as->root, va, &next) : NULL;
        uint64_t n = 1;
        if (e) {
            n = run_of(va, min_u64(r->end, end), left);
            update_entries(r, e, va, n, b);
            next = va + (n << PAGE_SHIFT);
        }
        va = next;
        left -= (unsigned)n;
    }
    return va;
}

/* A change of protection. */
struct change {
    uintptr_t addr, end;
    uint32_t prot;
    bool anonymous; /* not for memory objects */
};

/* Whether it may be done; *needed: whether it changes anything. */
static status_t check_change(struct aspace *as, const struct change *c, bool *needed)
{
    *needed = false;
    for (uintptr_t at = c->addr; at < c->end;) {
        struct region *r = live_region_at(as, at);
        if (!r || (c->anonymous && r->shm))
            return -EINVAL;
        if (c->prot & ~r->max_prot)
            return -EACCES;
        if (writes_shared(r, c->prot) && write_stopped(r->shm))
            return -EPERM;
        *needed |= r->prot != c->prot;
        at = r->end;
    }
    return OK;
}

/* Whether b, the next region after a, may as well be part of it. */
static bool can_join(const struct region *a, const struct region *b)
{
    return a->end == start_of(b) && !a->shm && !b->shm && !a->gone && !b->gone &&
           a->prot == b->prot && a->max_prot == b->max_prot;
}

/* Join what became the same by a change, so that regions don't get more and more. */
static void join_regions(struct aspace *as, uintptr_t addr, uintptr_t end)
{
    struct region *r = region_from_va(as, addr - PAGE_SIZE), *next;
    while (r && start_of(r) < end && (next = region_from(tree_next(&r->node)))) {
        if (!can_join(r, next)) {
            r = next;
            continue;
        }
        r->end = next->end;
        tree_remove(&as->regions, &next->node);
        as->region_count--;
        purse_return(&as->purse, REGION_COST);
        if (as->recent == next)
            as->recent = r;
        kfree(next);
    }
}

static void set_protection(struct aspace *as, const struct change *c)
{
    struct region *r = region_from_va(as, c->addr);
    for (; r && start_of(r) < c->end; r = region_from(tree_next(&r->node)))
        r->prot = (uint8_t)c->prot;
    join_regions(as, c->addr, c->end);
    for (uintptr_t at = c->addr; at < c->end;) {
        struct vm_batch b = { 0 };
        at = update_some(as, at, c->end, &b);
        vm_batch_settle(as, &b);
        if (at == c->end && !b.cpus)
            break;
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        spin_lock(&as->lock);
    }
}

static status_t change_protection(struct aspace *as, const struct change *c)
{
    bool needed;
    spin_lock(&as->lock);
    status_t st = check_change(as, c, &needed);
    if (st == OK && needed)
        st = cut_at_ends(as, c->addr, c->end);
    if (st == OK && needed)
        set_protection(as, c);
    spin_unlock(&as->lock);
    return st;
}

status_t vm_protect(struct aspace *as, uintptr_t addr, uint64_t len, uint32_t prot)
{
    prot = effective(prot);
    if (!range_valid(addr, len) || (prot & ~PROT_MASK) || ((prot & VM_WRITE) && (prot & VM_EXEC)))
        return -EINVAL;
    return change_protection(as, &(struct change){ addr, addr + len, prot, false });
}

status_t vm_commit(struct aspace *as, uintptr_t addr, uint64_t len)
{
    if (!range_valid(addr, len))
        return -EINVAL;
    return change_protection(as, &(struct change){ addr, addr + len, VM_READ | VM_WRITE, true });
}

/* Whether the range is mapped as a whole, with memory of the address space's own. */
static bool all_private(struct aspace *as, uintptr_t addr, uintptr_t end)
{
    for (uintptr_t at = addr; at < end;) {
        const struct region *r = live_region_at(as, at);
        if (!r || (r->shm && !r->copy))
            return false;
        at = r->end;
    }
    return true;
}

/* Drop pages of [at, end) that are mapped still; returns how far it came. */
static uintptr_t discard_some(struct aspace *as, uintptr_t at, uintptr_t end, struct vm_batch *b)
{
    unsigned left = DROP_AT_ONCE;
    while (at < end && left) {
        struct region *r = live_region_at(as, at);
        if (r)
            at = drop_pages(r, at, min_u64(r->end, end), DROP_ALL, &left, b);
        else
            at += PAGE_SIZE;
        left -= !r;
    }
    return at;
}

status_t vm_decommit(struct aspace *as, uintptr_t addr, uint64_t len)
{
    if (!range_valid(addr, len))
        return -EINVAL;
    spin_lock(&as->lock);
    status_t st = all_private(as, addr, addr + len) ? OK : -EINVAL;
    for (uintptr_t at = addr; st == OK && at < addr + len;) {
        struct vm_batch b = { 0 };
        at = discard_some(as, at, addr + len, &b);
        vm_batch_settle(as, &b);
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        spin_lock(&as->lock);
    }
    spin_unlock(&as->lock);
    return st;
}

void aspace_destroy(struct aspace *as)
{
    aspace_evict(as);
    for (struct tree_node *n; (n = tree_first(&as->regions));) {
        struct region *r = region_from(n);
        struct vm_batch b = { 0 };
        struct list trash = LIST_INIT(trash);
        unsigned left = DROP_AT_ONCE;
        spin_lock(&as->lock);
        r->gone = drop_pages(r, r->gone ? r->gone : start_of(r), r->end, DROP_ALL, &left, &b);
        if (r->gone == r->end)
            region_remove(r, &trash);
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        trash_free(&trash);
    }
    uint64_t tables = pt_free_user(as->root);
    as->pages -= tables;
    ASSERT(as->pages == 0);
    purse_return(&as->purse, tables << PAGE_SHIFT);
    purse_empty(&as->purse, true);
    kfree(as);
}

/* ---- memory of others ---- */

struct shm *vm_object_at(struct aspace *as, uintptr_t va, uint64_t *offset)
{
    spin_lock(&as->lock);
    struct region *r = region_at(as, va);
    struct shm *s = r && !r->copy ? r->shm : NULL;
    if (s) {
        object_get(&s->obj);
        *offset = (r->shm_page << PAGE_SHIFT) + (va - start_of(r));
    }
    spin_unlock(&as->lock);
    return s;
}

/* Pin the page of r at va, with entry e. */
static status_t pin_page(const struct region *r, uintptr_t va, pte_t e, uint32_t access,
                         struct vm_pin *pin)
{
    bool own = e & PTE_OWN;
    pin->shm = writes_shared(r, access) ? r->shm : NULL;
    if (pin->shm) {
        status_t st = shm_pin(pin->shm, true);
        if (st != OK)
            return st;
        object_get(&pin->shm->obj);
    }
    pin->frame = !own && shm_is_static(r->shm) ? 0 : e & PTE_ADDR;
    pin->at = (char *)phys_to_virt(e & PTE_ADDR) + (va & PAGE_MASK);
    if (pin->frame)
        frame_pin(pin->frame);
    return OK;
}

status_t vm_pin(struct aspace *as, uintptr_t va, uint32_t access, struct vm_pin *pin)
{
    const struct want w = { .access = access };
    struct region *r;
    pte_t *e;
    spin_lock(&as->lock);
    status_t st = get_page(as, va, &w, &r, &e);
    if (st == OK)
        st = pin_page(r, va, *e, access, pin);
    spin_unlock(&as->lock);
    return st;
}

void vm_unpin(const struct vm_pin *pin)
{
    if (pin->frame)
        frame_unpin(pin->frame);
    if (!pin->shm)
        return;
    shm_unpin(pin->shm, true);
    object_put(&pin->shm->obj);
}

static status_t foreign(struct aspace *as, uintptr_t va, void *buf, size_t n, const struct want *w)
{
    char *at = buf;
    if (!user_range_ok(va, n))
        return n ? -EFAULT : OK;
    while (n) {
        size_t piece = min_u64(n, PAGE_SIZE - (va & PAGE_MASK));
        struct region *r;
        pte_t *e;
        spin_lock(&as->lock);
        status_t st = get_page(as, va, w, &r, &e);
        if (st == OK) {
            char *page = (char *)phys_to_virt(*e & PTE_ADDR) + (va & PAGE_MASK);
            bool write = w->access & VM_WRITE;
            memcpy(write ? page : at, write ? at : page, piece);
        }
        spin_unlock(&as->lock);
        if (st != OK)
            return st == -ENOMEM ? st : -EFAULT;
        va += piece;
        at += piece;
        n -= piece;
    }
    return OK;
}

status_t vm_read_foreign(struct aspace *as, uintptr_t va, void *dst, size_t n)
{
    const struct want w = { .access = VM_READ };
    return foreign(as, va, dst, n, &w);
}

status_t vm_write_foreign(struct aspace *as, uintptr_t va, const void *src, size_t n,
                          bool ignore_prot)
{
    const struct want w = { .access = VM_WRITE, .loading = ignore_prot };
    return foreign(as, va, (void *)(uintptr_t)src, n, &w);
}

/* ---- all mappings of an object ---- */

/* Work on r from `at` on, with its address space locked; how far it came. */
typedef uintptr_t (*sweep_step)(struct region *r, uintptr_t at, void *arg, struct vm_batch *b);

/*
 * Do some work on the first mapping that this sweep has not finished with; *last and *at: on which and where it goes on.
 * False: there is none. Mappings that are done go to the end of the list, where new ones go too. The address space's lock
 * ranks below the list's, so it is only tried for.
 */
static bool sweep_some(struct shm *s, sweep_step step, void *arg, struct region **last,
                       uintptr_t *at)
{
    struct vm_batch b = { 0 };
    spin_lock(&s->maps_lock);
    struct list *n = s->mappings.next;
    struct region *r = LIST_ENTRY(n, struct region, shm_node);
    bool more = n != &s->mappings && r->sweep != s->sweep;
    if (more && spin_try(&r->as->lock)) {
        struct aspace *as = r->as;
        *at = step(r, r == *last ? *at : start_of(r), arg, &b);
        *last = r;
        if (*at >= r->end) {
            r->sweep = s->sweep;
            list_del(n);
            list_add_tail(&s->mappings, n);
            *last = NULL;
        }
        vm_batch_settle(as, &b);
        spin_unlock(&as->lock);
    }
    spin_unlock(&s->maps_lock);
    vm_batch_finish(&b);
    return more;
}

/* The object is busy: there is one sweep at a time. */
static void sweep(struct shm *s, sweep_step step, void *arg)
{
    struct region *last = NULL;
    uintptr_t at = 0;
    spin_lock(&s->maps_lock);
    s->sweep++;
    spin_unlock(&s->maps_lock);
    while (sweep_some(s, step, arg, &last, &at))
        cpu_pause();
}

static uintptr_t cut_step(struct region *r, uintptr_t at, void *arg, struct vm_batch *b)
{
    uint64_t first = *(uint64_t *)arg, skip = first > r->shm_page ? first - r->shm_page : 0;
    unsigned left = DROP_AT_ONCE;
    if (skip >= (r->end - start_of(r)) >> PAGE_SHIFT)
        return r->end;
    uintptr_t from = start_of(r) + (skip << PAGE_SHIFT);
    return drop_pages(r, at > from ? at : from, r->end, DROP_OBJECTS, &left, b);
}

void vm_object_cut(struct shm *s, uint64_t first)
{
    sweep(s, cut_step, &first);
}

/* Also those that became read-only a moment ago may not have told all CPUs yet. */
static uintptr_t stop_step(struct region *r, uintptr_t at, void *arg, struct vm_batch *b)
{
    bool *writable = arg;
    *writable |= writes_shared(r, r->prot);
    if (r->copy || *writable)
        return r->end;
    vm_batch_add(b, start_of(r));
    vm_batch_add(b, r->end - PAGE_SIZE);
    return r->gone ? r->end : update_some(r->as, at, r->end, b);
}

bool vm_object_stop_writes(struct shm *s)
{
    bool writable = false;
    sweep(s, stop_step, &writable);
    return !writable;
}
