/* Address spaces (vm.h). */
#include "mm/vm.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/pagetable.h"

#define MMAP_BASE 0x100000000000ull /* where mappings without an address go, upwards */
#define PROT_MASK (VM_READ | VM_WRITE | VM_EXEC)
/* More pages than this are flushed by reloading CR3 instead of one by one. */
#define FLUSH_ALL_PAGES 64
/* Page-table entries looked at with an address space locked once, when a lot of it goes. */
#define DROP_AT_ONCE 1024u
/* Regions of an address space: bounds the search for a gap, and what mapping costs the kernel. */
#define REGIONS_MAX 65536u

static uintptr_t start_of(const struct region *r)
{
    return r->node.key;
}

static struct region *region_from(struct tree_node *n)
{
    return n ? CONTAINER(n, struct region, node) : NULL;
}

/* The region that holds va, or NULL. */
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

/* The first region that ends above va, or NULL. */
static struct region *region_from_va(struct aspace *as, uintptr_t va)
{
    struct tree_node *n = tree_floor(&as->regions, va);
    if (n && region_from(n)->end > va)
        return region_from(n);
    return region_from(n ? tree_next(n) : tree_first(&as->regions));
}

/* ---- making and leaving address spaces ---- */

static struct aspace *loaded; /* on the only CPU there is */

struct aspace *aspace_create(void)
{
    struct aspace *as = kzalloc(sizeof *as);
    paddr_t root = as ? frame_alloc_zeroed() : 0;
    if (!root) {
        kfree(as);
        return NULL;
    }
    spin_init(&as->lock, RANK_ASPACE);
    as->root = root;
    as->hint = MMAP_BASE;
    as->pages = 1;
    pt_share_kernel(root);
    return as;
}

void aspace_switch(struct aspace *as)
{
    if (!as || as == loaded)
        return;
    loaded = as;
    write_cr3(as->root);
}

struct aspace *aspace_current(void)
{
    return loaded;
}

static void flush(struct aspace *as, uintptr_t from, uintptr_t to)
{
    if (as != loaded)
        return;
    if (to - from > FLUSH_ALL_PAGES * PAGE_SIZE) {
        write_cr3(as->root);
        return;
    }
    for (; from < to; from += PAGE_SIZE)
        tlb_flush_page(from);
}

/* ---- pages ---- */

static paddr_t table_frame(void *arg)
{
    struct aspace *as = arg;
    paddr_t p = frame_alloc();
    as->pages += p != 0;
    return p;
}

/* The first address above va whose table at that level could exist: skips what is surely unmapped. */
static uintptr_t skip_empty(struct aspace *as, uintptr_t va)
{
    for (int level = 3; level > 0; level--) {
        pte_t *e = pt_slot(as->root, va, level, NULL, NULL);
        if (!e || !(*e & PTE_PRESENT))
            return align_down(va, level_size(level)) + level_size(level);
    }
    return va;
}

/*
 * Take pages of r out of the page tables, from its start on, freeing private ones. Returns how far it came after
 * DROP_AT_ONCE entries: at least a step, at most r->end. An entry is 0 or holds a frame, be it present or not.
 */
static uintptr_t drop_pages(struct region *r)
{
    struct aspace *as = r->as;
    unsigned left = DROP_AT_ONCE;
    uintptr_t va = start_of(r);
    while (va < r->end && left) {
        uintptr_t next = skip_empty(as, va);
        if (next > va) {
            va = next;
            left--;
            continue;
        }
        pte_t *e = pt_slot(as->root, va, 0, NULL, NULL);
        pte_t *end =
            e +
            min_u64(min_u64(PTES_PER_TABLE - pte_index(va, 0), (r->end - va) >> PAGE_SHIFT), left);
        left -= (unsigned)(end - e);
        for (; e < end; e++, va += PAGE_SIZE) {
            if (!*e)
                continue;
            paddr_t p = *e & PTE_ADDR;
            *e = 0;
            if (as == loaded)
                tlb_flush_page(va);
            if (!r->shm) {
                frame_free(p);
                as->pages--;
            }
        }
    }
    return va < r->end ? va : r->end;
}

/* The bits of an entry. What may not be accessed at all is not present: the kernel may not read it either. */
static pte_t prot_bits(uint32_t prot)
{
    if (!(prot & VM_READ))
        return 0;
    return PTE_PRESENT | PTE_USER | (prot & VM_WRITE ? PTE_WRITE : 0) |
           (prot & VM_EXEC ? 0 : PTE_NX);
}

/* Bring a page of r in; the lock is held. Returns its entry, NULL when memory is out. */
static pte_t *bring_in(struct region *r, uintptr_t va)
{
    struct aspace *as = r->as;
    pte_t *e = pt_slot(as->root, va, 0, table_frame, as);
    if (!e || *e)
        return e;
    paddr_t p;
    if (r->shm) {
        p = shm_page(r->shm, r->shm_page + ((va - start_of(r)) >> PAGE_SHIFT));
    } else {
        p = frame_alloc_zeroed();
        as->pages += p != 0;
    }
    if (!p)
        return NULL;
    *e = p | prot_bits(r->prot);
    return e;
}

status_t vm_fault(struct aspace *as, uintptr_t va, uint32_t access)
{
    status_t st = -EFAULT;
    spin_lock(&as->lock);
    struct region *r = region_at(as, va);
    if (r && (r->prot & access)) {
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

/* Unlink and free; its pages are gone already. Returns the reference on the object for the caller to drop. */
static struct shm *region_free(struct region *r)
{
    struct shm *s = r->shm;
    tree_remove(&r->as->regions, &r->node);
    r->as->region_count--;
    if (r->as->recent == r)
        r->as->recent = NULL;
    if (s) {
        spin_lock(&s->maps_lock);
        list_del(&r->shm_node);
        spin_unlock(&s->maps_lock);
    }
    kfree(r);
    return s;
}

/*
 * Unmap some of r from its start on, until all of it is gone and *s is the object to drop (or NULL). Its start moves
 * up on the way, past no other region's.
 */
static void region_shrink(struct region *r, struct shm **s)
{
    uintptr_t va = drop_pages(r);
    if (va == r->end) {
        *s = region_free(r);
        return;
    }
    r->shm_page += (va - start_of(r)) >> PAGE_SHIFT;
    r->node.key = va;
    *s = NULL;
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
    bool room = as->region_count < REGIONS_MAX;
    uintptr_t va = !room      ? 0
                   : a->fixed ? (range_free(as, a->addr, a->len) ? a->addr : 0)
                              : place(as, a);
    if (va) {
        r->node.key = va;
        r->end = va + a->len;
        r->prot = effective(a->prot);
        r->max_prot = a->max_prot;
        r->shm = a->shm;
        r->shm_page = a->offset >> PAGE_SHIFT;
        if (a->shm)
            object_get(&a->shm->obj);
        region_link(r);
        as->recent = r;
        if (va == as->hint)
            as->hint = r->end;
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
    struct region *r = region_at(as, va);
    return r && start_of(r) != va;
}

/* Cut regions so that none crosses addr or addr+len, or -ENOMEM. spare[2]: memory or NULL, used or left. */
static status_t cut_at_ends(struct aspace *as, uintptr_t addr, uint64_t len,
                            struct region *spare[2])
{
    uintptr_t ends[2] = { addr, addr + len };
    for (int i = 0; i < 2; i++)
        if (crosses(as, ends[i]) && (!spare[i] || as->region_count + 2 > REGIONS_MAX))
            return -ENOMEM;
    for (int i = 0; i < 2; i++) {
        if (!crosses(as, ends[i]))
            continue;
        region_split(region_at(as, ends[i]), ends[i], spare[i]);
        spare[i] = NULL;
    }
    return OK;
}

/* The first region that lies in [addr, end) as a whole, or NULL. */
static struct region *region_within(struct aspace *as, uintptr_t addr, uintptr_t end)
{
    struct region *r = region_from_va(as, addr);
    if (r && start_of(r) < addr)
        r = region_from(tree_next(&r->node));
    return r && r->end <= end ? r : NULL;
}

/*
 * In steps, with interrupts on in between: other threads may see it half done, and what they map in the range
 * meanwhile goes too, unless it reaches out of it.
 */
status_t vm_unmap(struct aspace *as, uintptr_t addr, uint64_t len)
{
    if (!range_valid(addr, len))
        return -EINVAL;
    struct region *spare[2] = { NULL, NULL }, *r = NULL;
    spin_lock(&as->lock);
    if (crosses(as, addr) || crosses(as, addr + len)) {
        spin_unlock(&as->lock);
        spare[0] = region_new(as, 0, 0);
        spare[1] = region_new(as, 0, 0);
        spin_lock(&as->lock);
    }
    status_t st = cut_at_ends(as, addr, len, spare);
    if (st == OK && addr < as->hint && addr >= MMAP_BASE)
        as->hint = addr;
    while (st == OK && (r = region_within(as, addr, addr + len))) {
        struct shm *s;
        region_shrink(r, &s);
        spin_unlock(&as->lock);
        if (s)
            object_put(&s->obj);
        spin_lock(&as->lock);
    }
    spin_unlock(&as->lock);
    kfree(spare[0]);
    kfree(spare[1]);
    return st;
}

/* Give the entries of r its protection. */
static void update_pages(struct region *r)
{
    for (uintptr_t va = start_of(r); va < r->end;) {
        uintptr_t next = skip_empty(r->as, va);
        if (next > va) {
            va = next;
            continue;
        }
        pte_t *e = pt_slot(r->as->root, va, 0, NULL, NULL);
        pte_t *end = e + min_u64(PTES_PER_TABLE - pte_index(va, 0), (r->end - va) >> PAGE_SHIFT);
        for (; e < end; e++, va += PAGE_SIZE)
            if (*e)
                *e = (*e & (PTE_ADDR | PTE_ACCESSED | PTE_DIRTY)) | prot_bits(r->prot);
    }
}

static status_t check_protect(struct aspace *as, uintptr_t addr, uint64_t len, uint32_t prot)
{
    uintptr_t at = addr;
    while (at < addr + len) {
        struct region *r = region_at(as, at);
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
    if (st == OK) {
        struct region *r = region_from_va(as, addr);
        for (; r && start_of(r) < addr + len; r = region_from(tree_next(&r->node))) {
            r->prot = prot;
            update_pages(r);
        }
        flush(as, addr, addr + len);
    }
    spin_unlock(&as->lock);
    kfree(spare[0]);
    kfree(spare[1]);
    return st;
}

/* Whatever runs next on this CPU, it is not in as any more. */
static void leave(struct aspace *as)
{
    uint64_t flags = irq_save();
    if (loaded == as) {
        loaded = NULL;
        write_cr3(kernel_root());
    }
    irq_restore(flags);
}

void aspace_destroy(struct aspace *as)
{
    leave(as);
    for (struct tree_node *n; (n = tree_first(&as->regions));) {
        struct shm *s;
        spin_lock(&as->lock);
        region_shrink(region_from(n), &s);
        spin_unlock(&as->lock);
        if (s)
            object_put(&s->obj);
    }
    as->pages -= pt_free_user(as->root);
    ASSERT(as->pages == 0);
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
        struct region *r = region_at(as, va);
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
