/* Page tables (pagetable.h). */
#include "mm/pagetable.h"
#include "klib/panic.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "x86/cpu.h"

extern char kernel_start[], text_start[], text_end[], rodata_start[], rodata_end[], data_start[],
    kernel_end[];

#define LOW_RESERVED 0x10000u /* below: real-mode data and room to start other CPUs */
#define GIB          (1ull << 30)
#define MIB2         (1ull << 21)

static paddr_t root; /* [I] after kernel_paging_init */

/* The frames used before the allocator runs come from the end of the largest usable range below 4 GiB. */
static struct {
    paddr_t next, end;
    uint32_t entry; /* in the boot memory map */
} early;
static uint64_t
    table_hhdm; /* where tables are reached: the loader's direct map until ours is loaded */

static pte_t *table(paddr_t p)
{
    return (pte_t *)(table_hhdm + p);
}

paddr_t kernel_root(void)
{
    return root;
}

static paddr_t early_frame(void *arg)
{
    (void)arg;
    if (early.next == early.end)
        panic(PANIC_BOOT, "no memory for the kernel's page tables");
    early.end -= PAGE_SIZE;
    memset(table(early.end), 0, PAGE_SIZE);
    return early.end;
}

/* A table of a user half got an entry: note where they are. */
static void note_entry(paddr_t at, unsigned index)
{
    struct frame *f = frame_of(at);
    if (f->table.end == 0 || index < f->table.low)
        f->table.low = (uint16_t)index;
    if (index >= f->table.end)
        f->table.end = (uint16_t)(index + 1);
}

pte_t *pt_slot(paddr_t top, uintptr_t va, int level, frame_source source, void *arg)
{
    paddr_t at = top;
    for (int l = 3; l > level; l--) {
        pte_t *e = &table(at)[pte_index(va, l)];
        if (UNLIKELY(!(*e & PTE_PRESENT))) {
            paddr_t fresh = source ? source(arg) : 0;
            if (!fresh)
                return NULL;
            *e = fresh | PTE_PRESENT | PTE_WRITE | (va < KERNEL_HALF ? PTE_USER : 0);
            if (va < KERNEL_HALF)
                note_entry(at, pte_index(va, l));
        }
        at = *e & PTE_ADDR;
    }
    return &table(at)[pte_index(va, level)];
}

pte_t *pt_walk(paddr_t top, uintptr_t va, uintptr_t *next)
{
    pte_t *t = phys_to_virt(top);
#pragma GCC unroll 3
    for (int l = 3; l > 0; l--) {
        pte_t e = t[pte_index(va, l)];
        if (!(e & PTE_PRESENT)) {
            *next = align_down(va, level_size(l)) + level_size(l);
            return NULL;
        }
        t = phys_to_virt(e & PTE_ADDR);
    }
    return &t[pte_index(va, 0)];
}

pte_t pt_lookup(paddr_t top, uintptr_t va)
{
    pte_t *e = pt_slot(top, va, 0, NULL, NULL);
    return e && (*e & PTE_PRESENT) ? *e : 0;
}

void pt_share_kernel(paddr_t new_root)
{
    memcpy(table(new_root) + 256, table(root) + 256, 256 * sizeof(pte_t));
}

static uint64_t free_tables(paddr_t at, int level, struct frame_list *l)
{
    uint64_t freed = 1;
    const pte_t *t = table(at);
    const struct frame *f = frame_of(at);
    for (unsigned i = f->table.low; level > 0 && i < f->table.end; i++)
        if (t[i] & PTE_PRESENT)
            freed += free_tables(t[i] & PTE_ADDR, level - 1, l);
    frame_list_add(l, at);
    return freed;
}

uint64_t pt_free_user(paddr_t top)
{
    struct frame_list l = { 0 };
    uint64_t freed = free_tables(top, 3, &l);
    frame_list_free(&l);
    return freed;
}

/* ---- building the kernel's half ---- */

static void map_image(const struct boot_info *bi, const char *from, const char *to, pte_t flags)
{
    for (uintptr_t va = (uintptr_t)from; va < (uintptr_t)to; va += PAGE_SIZE) {
        paddr_t pa = va - bi->kernel_virt + bi->kernel_phys;
        *pt_slot(root, va, 0, early_frame, NULL) = pa | flags | PTE_PRESENT | PTE_GLOBAL;
    }
}

/* Physical range of the image that nobody writes: text and read-only data. */
static struct {
    paddr_t start, end;
} constant;

static bool overlaps_constant(paddr_t at, uint64_t length)
{
    return at < constant.end && at + length > constant.start;
}

/* Map [at, end) at HHDM_BASE with the largest pages that fit; 2 MiB pages may reach over the ends. */
static void map_direct(paddr_t at, paddr_t end)
{
    const pte_t flags = PTE_PRESENT | PTE_WRITE | PTE_GLOBAL | PTE_NX;
    at = align_down(at, MIB2);
    while (at < end) {
        uintptr_t va = (uintptr_t)HHDM_BASE + at;
        pte_t *e = pt_slot(root, va, 2, early_frame, NULL);
        if (*e & PTE_LARGE) {
            at = align_down(at, GIB) + GIB;
        } else if (cpu_features.page1g && !*e && !(at & (GIB - 1)) && end - at >= GIB &&
                   !overlaps_constant(at, GIB)) {
            *e = at | flags | PTE_LARGE;
            at += GIB;
        } else if (!overlaps_constant(at, MIB2)) {
            *pt_slot(root, va, 1, early_frame, NULL) = at | flags | PTE_LARGE;
            at += MIB2;
        } else {
            for (uint64_t i = 0; i < MIB2; i += PAGE_SIZE) {
                pte_t f = overlaps_constant(at + i, PAGE_SIZE) ? flags & ~PTE_WRITE : flags;
                *pt_slot(root, va + i, 0, early_frame, NULL) = (at + i) | f;
            }
            at += MIB2;
        }
    }
}

/* Memory the kernel wants to read: all RAM, and firmware tables that are marked reserved. */
static bool wants_direct(const struct boot_mem *m)
{
    return m->base < HHDM_MAX && m->length <= HHDM_MAX - m->base &&
           (m->type < BOOT_MEM_FRAMEBUFFER || m->type == BOOT_MEM_ACPI_NVS ||
            (m->type == BOOT_MEM_RESERVED && m->base < 4 * GIB && m->length <= 64 * MIB2));
}

static void early_init(const struct boot_info *bi)
{
    uint64_t best = 0;
    for (uint32_t i = 0; i < bi->memmap_count; i++) {
        const struct boot_mem *m = &bi->memmap[i];
        if (m->type != BOOT_MEM_USABLE || m->base + m->length > 4 * GIB || m->length <= best)
            continue;
        best = m->length;
        early.next = m->base;
        early.end = m->base + m->length;
        early.entry = i;
    }
    if (!best)
        panic(PANIC_BOOT, "no usable memory below 4 GiB");
}

static void add_usable(const struct boot_info *bi)
{
    for (uint32_t i = 0; i < bi->memmap_count; i++) {
        paddr_t base = bi->memmap[i].base, end = base + bi->memmap[i].length;
        if (bi->memmap[i].type != BOOT_MEM_USABLE)
            continue;
        if (i == early.entry)
            end = early.end;
        if (base < LOW_RESERVED)
            base = LOW_RESERVED;
        if (end > HHDM_MAX)
            end = HHDM_MAX;
        if (base < end)
            frame_add_range(base, end - base);
    }
}

paddr_t low_memory(const struct boot_info *bi, unsigned n)
{
    for (uint32_t i = 0; i < bi->memmap_count; i++) {
        const struct boot_mem *m = &bi->memmap[i];
        paddr_t base = m->base ? m->base : PAGE_SIZE; /* the interrupt vectors of real mode stay */
        if ((m->type == BOOT_MEM_USABLE || m->type == BOOT_MEM_LOADER) &&
            base + n * PAGE_SIZE <= min_u64(m->base + m->length, LOW_RESERVED))
            return base;
    }
    return 0;
}

void kernel_paging_init(const struct boot_info *bi)
{
    early_init(bi);
    table_hhdm = bi->hhdm;
    root = early_frame(NULL);
    constant.start = (uintptr_t)text_start - bi->kernel_virt + bi->kernel_phys;
    constant.end = (uintptr_t)rodata_end - bi->kernel_virt + bi->kernel_phys;
    map_image(bi, text_start, text_end, 0);
    map_image(bi, rodata_start, rodata_end, PTE_NX);
    map_image(bi, data_start, kernel_end, PTE_WRITE | PTE_NX);
    for (uint32_t i = 0; i < bi->memmap_count; i++)
        if (wants_direct(&bi->memmap[i]))
            map_direct(bi->memmap[i].base, bi->memmap[i].base + bi->memmap[i].length);
    /* The top-level entries of all kernel regions exist before the first address space copies them. */
    pt_slot(root, (uintptr_t)KMAP_BASE, 2, early_frame, NULL);
    pt_slot(root, (uintptr_t)FRAMEDB_BASE, 2, early_frame, NULL);
    write_cr3(root);
    table_hhdm = HHDM_BASE;
    add_usable(bi);
}

void kernel_reclaim_loader(const struct boot_info *bi)
{
    for (uint32_t i = 0; i < bi->memmap_count; i++) {
        const struct boot_mem *m = &bi->memmap[i];
        if ((m->type == BOOT_MEM_LOADER || m->type == BOOT_MEM_ACPI_RECLAIM) &&
            m->base >= LOW_RESERVED && m->base + m->length <= HHDM_MAX)
            frame_add_range(m->base, m->length);
    }
}
