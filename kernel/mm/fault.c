/* Page faults, and whoever else needs a page now: bringing it in (vm.h, pages.h). */
#include "klib/string.h"
#include "mm/pages.h"
#include "mm/pagetable.h"

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

paddr_t own_zeroed(struct aspace *as)
{
    paddr_t p = own_frame(as);
    if (LIKELY(p))
        frame_zero(p);
    return p;
}

static paddr_t table_frame(void *arg)
{
    return own_zeroed(arg);
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
    if (!*e) {
        r->used = true;
        return fill(r, va, e, write, b);
    }
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

static status_t check_want(const struct region *r, const struct want *w)
{
    if (!r)
        return -EFAULT;
    if (w->loading)
        return r->shm && !r->copy ? -EACCES : OK;
    return r->prot & w->access ? OK : -EACCES;
}

status_t page_get(struct aspace *as, uintptr_t va, const struct want *w, struct region **r,
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
    status_t st = page_get(as, va, &w, &r, &e);
    spin_unlock(&as->lock);
    return st;
}
