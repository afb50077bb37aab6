/*
 * The page-table entries of a region's pages. Within mm only; as->lock is held for all of it.
 *
 * What an entry allows follows from its region and from the entry itself: whose frame it is, and whether it is a copy that
 * may not be written yet. An entry is 0 or holds a frame, be it present or not.
 */
#ifndef MM_PAGES_H
#define MM_PAGES_H

#include "mm/aspace.h"
#include "mm/region.h"
#include "x86/pte.h"

/* What an entry keeps when its protection changes. */
#define PTE_KEPT (PTE_ADDR | PTE_ACCESSED | PTE_DIRTY | PTE_OWN | PTE_COPYING)

/* The bits of an entry. What may not be accessed at all is not present: the kernel may not read it either. */
static inline pte_t prot_bits(uint32_t prot)
{
    if (!(prot & VM_READ))
        return 0;
    return PTE_PRESENT | PTE_USER | (prot & VM_WRITE ? PTE_WRITE : 0) |
           (prot & VM_EXEC ? 0 : PTE_NX);
}

/* The bits of an entry of r; kept: what PTE_KEPT keeps of it. A page of the object itself is not for writing a copy. */
static inline pte_t entry_bits(const struct region *r, pte_t kept)
{
    bool writable = kept & PTE_OWN ? !(kept & PTE_COPYING) : !r->copy;
    return kept | prot_bits(writable ? r->prot : r->prot & ~VM_WRITE);
}

/* Whether a CPU may know more of an entry than it allows now. */
static inline bool reduced(pte_t old, pte_t new)
{
    return (old & PTE_PRESENT) &&
           (!(new &PTE_PRESENT) || (old & ~new &PTE_WRITE) || (new & ~old &PTE_NX));
}

/* ---- bringing in (fault.c) ---- */

/* A frame of zeros that as pays for; 0: there is none, or its account is at the limit. */
paddr_t own_zeroed(struct aspace *as);

/* What a page is wanted for. */
struct want {
    uint32_t access; /* VM_READ … */
    bool loading; /* whatever the protection, but nothing that others see */
};

/*
 * Bring the page at va in and give its region and entry. The lock is let go of while other CPUs are told that a page of
 * an object has made room for a copy. Errors as vm_fault.
 */
status_t page_get(struct aspace *as, uintptr_t va, const struct want *w, struct region **r,
                  pte_t **e) MUST_CHECK;

/* ---- taking away and changing (pages.c) ---- */

/* What region_drop_pages takes: all, or only pages of the region's memory object. */
enum drop { DROP_ALL, DROP_OBJECTS };

/*
 * Take the pages of r in [va, end) out of the page tables, from va on; frames of the address space itself go into the
 * batch. Returns how far it came: at least a step, and all the way while *work, which is counted down, lasts.
 */
uintptr_t drop_used(struct region *r, uintptr_t va, uintptr_t end, enum drop what, unsigned *work,
                    struct vm_batch *b);
static inline uintptr_t region_drop_pages(struct region *r, uintptr_t va, uintptr_t end,
                                          enum drop what, unsigned *work, struct vm_batch *b)
{
    return r->used ? drop_used(r, va, end, what, work, b) : end;
}

/* Give the pages of r in [va, end) the protection of r; returns as region_drop_pages. */
uintptr_t update_used(struct region *r, uintptr_t va, uintptr_t end, unsigned *work,
                      struct vm_batch *b);
static inline uintptr_t region_update_pages(struct region *r, uintptr_t va, uintptr_t end,
                                            unsigned *work, struct vm_batch *b)
{
    return r->used ? update_used(r, va, end, work, b) : end;
}

#endif
