/*
 * The page tables on which the kernel is entered: the direct map of the first 4 GiB and of all
 * memory above, and the kernel's image with the rights of its segments. Their memory is the
 * loader's, so the kernel may throw them away.
 */
#include "cpu.h"
#include "shim.h"

#define PTE_P       (UINT64_C(1) << 0)
#define PTE_W       (UINT64_C(1) << 1)
#define PTE_PS      (UINT64_C(1) << 7)
#define PTE_NX      (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

#define MIB_2 (UINT64_C(2) << 20)

enum { ELF_X = 1, ELF_W = 2 };
enum { LEVEL_4K = 0, LEVEL_2M = 1, LEVEL_1G = 2, LEVEL_TOP = 3 };

/* The entry for virt at `level`; tables on the way are made as needed. */
static uint64_t *entry_at(uint64_t *table, uint64_t virt, int level)
{
    for (int l = LEVEL_TOP;; l--) {
        uint64_t *entry = &table[(virt >> (12 + 9 * l)) % 512];
        if (l == level)
            return entry;
        if ((*entry & PTE_P) == 0) {
            void *page = loader_alloc(PAGE_SIZE);
            zero_quads(page, PAGE_SIZE / 8);
            *entry = (uint64_t)page | PTE_P | PTE_W;
        }
        table = (uint64_t *)(*entry & PTE_ADDRESS);
    }
}

static bool has_1gib_pages(void)
{
    return cpuid(0x80000000).eax >= 0x80000001 && (cpuid(0x80000001).edx & (1u << 26)) != 0;
}

/* The first 4 GiB share the shim's own tables; above, whole GiBs up to the end of memory. */
static void map_direct(uint64_t *pml4, uint64_t hhdm)
{
    uint64_t step = has_1gib_pages() ? GIB : MIB_2;
    int level = step == GIB ? LEVEL_1G : LEVEL_2M;
    uint64_t top = (mem_top() + GIB - 1) & -GIB;

    for (uint64_t i = 0; i < 4; i++)
        *entry_at(pml4, hhdm + i * GIB, LEVEL_1G) = (uint64_t)low_pd[i] | PTE_P | PTE_W;
    for (uint64_t p = TOP_OF_LOW; p < top; p += step)
        *entry_at(pml4, hhdm + p, level) = p | PTE_P | PTE_W | PTE_PS;
}

static void map_segment(uint64_t *pml4, const struct kernel_image *image, const struct segment *s)
{
    uint64_t flags = PTE_P;
    uint64_t phys = image->phys + (s->virt - image->virt);

    flags |= (s->flags & ELF_W) != 0 ? PTE_W : 0;
    flags |= (s->flags & ELF_X) != 0 ? 0 : PTE_NX;
    for (uint64_t offset = 0; offset < s->mem_size; offset += PAGE_SIZE)
        *entry_at(pml4, s->virt + image->slide + offset, LEVEL_4K) = (phys + offset) | flags;
}

uint64_t paging_build(const struct kernel_image *image, uint64_t hhdm)
{
    uint64_t *pml4 = loader_alloc(PAGE_SIZE);

    zero_quads(pml4, PAGE_SIZE / 8);
    pml4[0] = (uint64_t)low_pdpt | PTE_P | PTE_W;
    map_direct(pml4, hhdm);
    for (uint32_t i = 0; i < image->segment_count; i++)
        map_segment(pml4, image, &image->segment[i]);
    return (uint64_t)pml4;
}
