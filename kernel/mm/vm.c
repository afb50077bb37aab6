/* Address spaces (vm.h). */
#include "mm/aspace.h"
#include "klib/string.h"
#include "mm/heap.h"
#include "mm/pagetable.h"

#define MMAP_BASE 0x100000000000ull /* where mappings without an address go, upwards */
#define PROT_MASK (VM_READ | VM_WRITE | VM_EXEC)
/* Page-table entries looked at with an address space locked once, when a lot of it goes. */
#define DROP_AT_ONCE 1024u
/* What a page-table entry keeps when its protection changes. */
#define PTE_KEPT (PTE_ADDR | PTE_ACCESSED | PTE_DIRTY)
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
    struct tree_node *n = tree_floor(&as->regions, va);
    if (n && region_from(n)->end > va)
        return region_from(n);
    return region_from(n ? tree_next(n) : tree_first(&as->regions));
}

/* ---- making and leaving address spaces ---- */

/* A frame of zeros that as pays for; 0: there is none, or its account is at the limit. */
static paddr_t own_frame(struct aspace *as)
{
    if (!purse_take(&as->purse, PAGE_SIZE))
        return 0;
    paddr_t p = frame_alloc_zeroed();
    if (LIKELY(p))
        as->pages++;
    else
        purse_return(&as->purse, PAGE_SIZE);
    return p;
}

struct aspace *aspace_create(struct account *a)
{
    struct aspace *as = kzalloc(sizeof *as);
    if (!as)
        return NULL;
    purse_init(&as->purse, a, JOB_MEMORY, PAY_AT_ONCE);
    as->root = own_frame(as);
    if (!as->root) {
        purse_empty(&as->purse, true);
        kfree(as);
        return NULL;
    }
    spin_init(&as->lock, RANK_ASPACE);
    as->hint = MMAP_BASE;
    pt_share_kernel(as->root);
    return as;
}

/* ---- pages ---- */

static paddr_t table_frame(void *arg)
{
    return own_frame(arg);
}

/*
 * Take the n entries from e on, for va and what follows, out of the page tables. Frames of the address space itself go
 * into the batch. An entry is 0 or holds a frame, be it present or not.
 */
static void drop_entries(struct region *r, pte_t *e, uintptr_t va, uint64_t n, struct vm_batch *b)
{
    for (pte_t *end = e + n; e < end; e++, va += PAGE_SIZE) {
        pte_t old = *e;
        if (!old)
            continue;
        __atomic_store_n(e, 0, __ATOMIC_RELAXED);
        if (old & PTE_PRESENT)
            vm_batch_add(b, va);
        if (!r->shm) {
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
static uintptr_t drop_pages(struct region *r, uintptr_t va, uintptr_t end, unsigned *left,
                            struct vm_batch *b)
{
    while (va < end && *left) {
        uintptr_t next;
        pte_t *e = pt_walk(r->as->root, va, &next);
        uint64_t n = 1;
        if (e) {
            n = run_of(va, end, *left);
            drop_entries(r, e, va, n, b);
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

/* Bring a page of r in; the lock is held. Returns its entry, NULL when memory is out. */
static pte_t *bring_in(struct region *r, uintptr_t va)
{
    struct aspace *as = r->as;
    pte_t *e = pt_slot(as->root, va, 0, table_frame, as);
    if (!e)
        return NULL;
    if (*e) { /* a protection that is being raised may not have come here yet */
        pte_t new = (*e & PTE_KEPT) | prot_bits(r->prot);
        if (!reduced(*e, new))
            __atomic_store_n(e, new, __ATOMIC_RELAXED);
        return e;
    }
    paddr_t p =
        r->shm ? shm_page(r->shm, r->shm_page + ((va - start_of(r)) >> PAGE_SHIFT)) : own_frame(as);
    if (!p)
        return NULL;
    *e = p | prot_bits(r->prot);
    return e;
}

status_t vm_fault(struct aspace *as, uintptr_t va, uint32_t access)
{
    status_t st = -EFAULT;
    spin_lock(&as->lock);
    struct region *r = live_region_at(as, va);
    if (r && !(r->prot & access)) {
        st = -EACCES;
    } else if (r) {
        pte_t *e = bring_in(r, align_down(va, PAGE_SIZE));
        st = e ? OK : -ENOMEM;
    }
    spin_unlock(&as->lock);
    return st;
}

/* ---- regions ---- */

static void region_link(struct region *r)
{
    tree_insert(&r->as->regions, &r->node);
    r->as->region_count++;
    if (!r->shm)
        return;
    spin_lock(&r->shm->maps_lock);
    list_add_tail(&r->shm->mappings, &r->shm_node);
    spin_unlock(&r->shm->maps_lock);
}

/* Pay for n regions more; false: too many, or over the limit. */
static bool regions_pay(struct aspace *as, uint32_t n)
{
    return as->region_count + n <= REGIONS_MAX && purse_take(&as->purse, n * REGION_COST);
}

static struct region *region_new(struct aspace *as, uintptr_t start, uintptr_t end)
{
    struct region *r = kzalloc(sizeof *r);
    if (!r)
        return NULL;
    r->as = as;
    r->node.key = start;
    r->end = end;
    list_init(&r->shm_node);
    return r;
}

/* Take r, which has no pages any more, out of its address space and put it onto the list of those to be freed. */
static void region_remove(struct region *r, struct list *trash)
{
    struct shm *s = r->shm;
    tree_remove(&r->as->regions, &r->node);
    r->as->region_count--;
    purse_return(&r->as->purse, REGION_COST);
    if (r->as->recent == r)
        r->as->recent = NULL;
    if (s) {
        spin_lock(&s->maps_lock);
        list_del(&r->shm_node);
        spin_unlock(&s->maps_lock);
    }
    list_add_tail(trash, &r->shm_node);
}

/* Free the regions, without a lock: their objects may go with them. */
static void trash_free(struct list *trash)
{
    struct list *n;
    while ((n = list_pop(trash)) != NULL) {
        struct region *r = LIST_ENTRY(n, struct region, shm_node);
        if (r->shm)
            object_put(&r->shm->obj);
        kfree(r);
    }
}

/* Cut r at va into two; `upper` is the memory for the second half. */
static void region_split(struct region *r, uintptr_t va, struct region *upper)
{
    *upper = *r;
    upper->node.key = va;
    upper->shm_page += (va - start_of(r)) >> PAGE_SHIFT;
    list_init(&upper->shm_node);
    r->end = va;
    if (upper->shm)
        object_get(&upper->shm->obj);
    region_link(upper);
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

status_t vm_map(struct aspace *as, const struct vm_map_args *a, uintptr_t *at)
{
    status_t st = check_map(a);
    if (st != OK)
        return st;
    struct region *r = region_new(as, 0, 0);
    if (!r)
        return -ENOMEM;
    spin_lock(&as->lock);
    bool room = regions_pay(as, 1);
    uintptr_t va = !room      ? 0
                   : a->fixed ? (range_free(as, a->addr, a->len) ? a->addr : 0)
                              : place(as, a);
    if (va) {
        r->node.key = va;
        r->end = va + a->len;
        r->prot = (uint8_t)effective(a->prot);
        r->max_prot = (uint8_t)a->max_prot;
        r->shm = a->shm;
        r->shm_page = a->offset >> PAGE_SHIFT;
        if (a->shm)
            object_get(&a->shm->obj);
        region_link(r);
        as->recent = r;
        if (va == as->hint)
            as->hint = r->end;
    } else if (room) {
        purse_return(&as->purse, REGION_COST);
    }
    spin_unlock(&as->lock);
    if (!va) {
        kfree(r);
        return a->fixed && room ? -EEXIST : -ENOMEM;
    }
    *at = va;
    return OK;
}

/* Whether a region crosses va. */
static bool crosses(struct aspace *as, uintptr_t va)
{
    struct region *r = live_region_at(as, va);
    return r && start_of(r) != va;
}

/* Cut regions so that none crosses addr or addr+len, or -ENOMEM. spare[2]: memory or NULL, used or left. */
static status_t cut_at_ends(struct aspace *as, uintptr_t addr, uint64_t len,
                            struct region *spare[2])
{
    uintptr_t ends[2] = { addr, addr + len };
    uint32_t cuts = 0;
    for (int i = 0; i < 2; i++) {
        if (!crosses(as, ends[i]))
            continue;
        if (!spare[i])
            return -ENOMEM;
        cuts++;
    }
    if (!regions_pay(as, cuts))
        return -ENOMEM;
    for (int i = 0; i < 2; i++) {
        if (!crosses(as, ends[i]))
            continue;
        region_split(region_at(as, ends[i]), ends[i], spare[i]);
        spare[i] = NULL;
    }
    return OK;
}

/*
 * The first region at or after `at` that unmapping [at, end) takes away as a whole, or NULL. One that another thread is
 * unmapping goes with it wherever it reaches: it is of no use to anybody, and its place must be free in the end.
 */
static struct region *next_victim(struct aspace *as, uintptr_t at, uintptr_t end)
{
    struct region *r = region_from_va(as, at);
    while (r && start_of(r) < end && !r->gone && (start_of(r) < at || r->end > end))
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
    struct region *r;
    while ((r = next_victim(as, at, end)) && left) {
        if (r->gone) { /* what another thread has dropped must be forgotten before we say it is gone */
            vm_batch_add(b, start_of(r));
            vm_batch_add(b, r->end - PAGE_SIZE);
        }
        r->gone = drop_pages(r, r->gone ? r->gone : start_of(r), r->end, &left, b);
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
        next = region_from(tree_next(&r->node));
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

/* Cut at the ends of a range that is to be unmapped; the lock is held, and let go of to get memory for that. */
static status_t cut_for_unmap(struct aspace *as, uintptr_t addr, uint64_t len,
                              struct region *spare[2])
{
    if (crosses(as, addr) || crosses(as, addr + len)) {
        spin_unlock(&as->lock);
        spare[0] = region_new(as, 0, 0);
        spare[1] = region_new(as, 0, 0);
        spin_lock(&as->lock);
    }
    return cut_at_ends(as, addr, len, spare);
}

/*
 * In steps, with interrupts on in between: other threads may see it half done, and what they map in the range
 * meanwhile goes too, unless it reaches out of it.
 */
status_t vm_unmap(struct aspace *as, uintptr_t addr, uint64_t len)
{
    if (!range_valid(addr, len))
        return -EINVAL;
    struct region *spare[2] = { NULL, NULL };
    struct vm_batch b = { 0 };
    struct list trash = LIST_INIT(trash);
    uintptr_t at = addr, end = addr + len;
    spin_lock(&as->lock);
    status_t st = cut_for_unmap(as, addr, len, spare);
    if (st == OK && addr < as->hint && addr >= MMAP_BASE)
        as->hint = addr;
    while (st == OK && at < end) {
        at = unmap_some(as, at, end, &b, &trash);
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        trash_free(&trash);
        spin_lock(&as->lock);
    }
    spin_unlock(&as->lock);
    kfree(spare[0]);
    kfree(spare[1]);
    return st;
}

/* Give the n entries from e on, for va and what follows, the protection of r. */
static void update_entries(const struct region *r, pte_t *e, uintptr_t va, uint64_t n,
                           struct vm_batch *b)
{
    for (pte_t *end = e + n; e < end; e++, va += PAGE_SIZE) {
        pte_t old = *e, new = (old & PTE_KEPT) | prot_bits(r->prot);
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

static status_t check_protect(struct aspace *as, uintptr_t addr, uint64_t len, uint32_t prot)
{
    uintptr_t at = addr;
    while (at < addr + len) {
        struct region *r = live_region_at(as, at);
        if (!r)
            return -EINVAL;
        if (prot & ~r->max_prot)
            return -EACCES;
        at = r->end;
    }
    return OK;
}

status_t vm_protect(struct aspace *as, uintptr_t addr, uint64_t len, uint32_t prot)
{
    prot = effective(prot);
    if (!range_valid(addr, len) || (prot & ~PROT_MASK) || ((prot & VM_WRITE) && (prot & VM_EXEC)))
        return -EINVAL;
    struct region *spare[2] = { region_new(as, 0, 0), region_new(as, 0, 0) };
    spin_lock(&as->lock);
    status_t st = check_protect(as, addr, len, prot);
    if (st == OK)
        st = cut_at_ends(as, addr, len, spare);
    struct region *r = st == OK ? region_from_va(as, addr) : NULL;
    for (; r && start_of(r) < addr + len; r = region_from(tree_next(&r->node)))
        r->prot = (uint8_t)prot;
    for (uintptr_t at = addr; st == OK && at < addr + len;) {
        struct vm_batch b = { 0 };
        at = update_some(as, at, addr + len, &b);
        vm_batch_settle(as, &b);
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        spin_lock(&as->lock);
    }
    spin_unlock(&as->lock);
    kfree(spare[0]);
    kfree(spare[1]);
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
        r->gone = drop_pages(r, r->gone ? r->gone : start_of(r), r->end, &left, &b);
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
    struct shm *s = r ? r->shm : NULL;
    if (s) {
        object_get(&s->obj);
        *offset = (r->shm_page << PAGE_SHIFT) + (va - start_of(r));
    }
    spin_unlock(&as->lock);
    return s;
}

/* The page of r at va, with entry e; the address space is locked. */
static void pin_frame(const struct region *r, uintptr_t va, pte_t e, struct vm_pin *pin)
{
    pin->frame = r->shm && shm_is_static(r->shm) ? 0 : e & PTE_ADDR;
    pin->at = (char *)phys_to_virt(e & PTE_ADDR) + (va & PAGE_MASK);
    if (pin->frame)
        frame_pin(pin->frame);
}

status_t vm_pin(struct aspace *as, uintptr_t va, uint32_t access, struct vm_pin *pin)
{
    status_t st = -EFAULT;
    spin_lock(&as->lock);
    struct region *r = live_region_at(as, va);
    if (r && (r->prot & access)) {
        pte_t *e = bring_in(r, align_down(va, PAGE_SIZE));
        if (e)
            pin_frame(r, va, *e, pin);
        st = e ? OK : -ENOMEM;
    }
    spin_unlock(&as->lock);
    return st;
}

void vm_unpin(const struct vm_pin *pin)
{
    if (pin->frame)
        frame_unpin(pin->frame);
}

static status_t foreign(struct aspace *as, uintptr_t va, void *buf, size_t n, bool write,
                        bool ignore_prot)
{
    char *at = buf;
    if (!user_range_ok(va, n))
        return n ? -EFAULT : OK;
    while (n) {
        size_t piece = min_u64(n, PAGE_SIZE - (va & PAGE_MASK));
        status_t st = OK;
        spin_lock(&as->lock);
        struct region *r = live_region_at(as, va);
        if (!r || !(ignore_prot || (r->prot & (write ? VM_WRITE : VM_READ))) ||
            (ignore_prot && r->shm))
            st = -EFAULT;
        pte_t *e = st == OK ? bring_in(r, align_down(va, PAGE_SIZE)) : NULL;
        if (e) {
            char *page = (char *)phys_to_virt(*e & PTE_ADDR) + (va & PAGE_MASK);
            memcpy(write ? page : at, write ? at : page, piece);
        } else if (st == OK) {
            st = -ENOMEM;
        }
        spin_unlock(&as->lock);
        if (st != OK)
            return st;
        va += piece;
        at += piece;
        n -= piece;
    }
    return OK;
}

status_t vm_read_foreign(struct aspace *as, uintptr_t va, void *dst, size_t n)
{
    return foreign(as, va, dst, n, false, false);
}

status_t vm_write_foreign(struct aspace *as, uintptr_t va, const void *src, size_t n,
                          bool ignore_prot)
{
    return foreign(as, va, (void *)(uintptr_t)src, n, true, ignore_prot);
}
