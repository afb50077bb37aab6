/* Page-table entries of 4-level paging (Intel SDM vol. 3, 4.5). */
#ifndef X86_PTE_H
#define X86_PTE_H

#include "klib/types.h"

typedef uint64_t pte_t;

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_PWT      (1ull << 3)
#define PTE_PCD      (1ull << 4) /* uncached: device registers */
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY    (1ull << 6)
#define PTE_LARGE    (1ull << 7) /* 2 MiB or 1 GiB page */
#define PTE_GLOBAL   (1ull << 8)
#define PTE_OWN      (1ull << 9) /* ignored by the CPU: the frame is the address space's own */
#define PTE_COPYING \
    (1ull << 10) /* likewise: a copy that may not be written before all CPUs know of it */
#define PTE_NX   (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull

#define PTES_PER_TABLE 512u
/* Index into the table of a level: 0 page table, 1 page directory, 2 PDPT, 3 PML4. */
static inline unsigned pte_index(uintptr_t va, int level)
{
    return (unsigned)(va >> (PAGE_SHIFT + 9 * level)) & 511;
}
static inline uint64_t level_size(int level)
{
    return 1ull << (PAGE_SHIFT + 9 * level);
}

#endif
