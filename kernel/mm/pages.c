/* Page-table entries of many pages of a region (pages.h). */
#include "mm/pages.h"
#include "mm/pagetable.h"

/* The first entry from e on that holds something; end: there is none. */
static inline pte_t *skip_empty(pte_t *e, pte_t *end)
{
    if (e < end && *e)
        return e;
    while (end - e >= 4 && !(e[0] | e[1] | e[2] | e[3]))
        e += 4;
    while (e < end && !*e)
        e++;
    return e;
}

/* Take the n entries from first on, for va and what follows, out of the page tables. */
static void drop_entries(struct region *r, pte_t *first, uintptr_t va, uint64_t n, enum drop what,
                         struct vm_batch *b)
{
    pte_t *end = first + n;
    for (pte_t *e = skip_empty(first, end); e < end; e = skip_empty(e + 1, end)) {
        pte_t old = *e;
        if (what == DROP_OBJECTS && (old & PTE_OWN))
            continue;
        __atomic_store_n(e, 0, __ATOMIC_RELAXED);
        if (old & PTE_PRESENT)
            vm_batch_add(b, va + ((uintptr_t)(e - first) << PAGE_SHIFT));
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

uintptr_t drop_used(struct region *r, uintptr_t va, uintptr_t end, enum drop what, unsigned *work,
                    struct vm_batch *b)
{
    while (va < end && *work) {
        uintptr_t next;
        pte_t *e = pt_walk(r->as->root, va, &next);
        uint64_t n = 1;
        if (e) {
            n = run_of(va, end, *work);
            drop_entries(r, e, va, n, what, b);
            next = va + (n << PAGE_SHIFT);
        }
        va = next;
        *work -= (unsigned)n;
    }
    return va < end ? va : end;
}

/* Give the n entries from first on, for va and what follows, the protection of r. */
static void update_entries(const struct region *r, pte_t *first, uintptr_t va, uint64_t n,
                           struct vm_batch *b)
{
    pte_t *end = first + n;
    for (pte_t *e = skip_empty(first, end); e < end; e = skip_empty(e + 1, end)) {
        pte_t old = *e, new = entry_bits(r, old & PTE_KEPT);
        __atomic_store_n(e, new, __ATOMIC_RELAXED);
        if (reduced(old, new))
            vm_batch_add(b, va + ((uintptr_t)(e - first) << PAGE_SHIFT));
    }
}

uintptr_t update_used(struct region *r, uintptr_t va, uintptr_t end, unsigned *work,
                      struct vm_batch *b)
{
    while (va < end && *work) {
        uintptr_t next;
        pte_t *e = pt_walk(r->as->root, va, &next);
        uint64_t n = 1;
        if (e) {
            n = run_of(va, end, *work);
            update_entries(r, e, va, n, b);
            next = va + (n << PAGE_SHIFT);
        }
        va = next;
        *work -= (unsigned)n;
    }
    return va < end ? va : end;
}
