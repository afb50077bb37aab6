/*
 * Kernel mappings: device registers and stacks (declared in pagetable.h).
 *
 * A few free stacks stay mapped for each CPU. The frames of any other are free at once, though a CPU may know the
 * translation a while longer: nobody has a reason to use the address. It is the address that waits: it gets a new stack
 * only when all CPUs have forgotten the old one, which is asked of them when there is no other address at hand.
 */
#include "klib/spinlock.h"
#include "mm/frame.h"
#include "mm/pagetable.h"
#include "mm/refuse.h"
#include "x86/smp.h"

#define STACK_PAGES (KSTACK_SIZE / PAGE_SIZE)
#define STACK_SLOT  (KSTACK_SIZE + PAGE_SIZE) /* the guard is the lowest page */
#define DEVICE_AREA (KMAP_BASE + KMAP_SIZE / 2)
#define STACKS_KEPT 8u /* free stacks that stay mapped, for each CPU */

static struct {
    struct spinlock lock;
    uintptr_t next_stack, next_device;
    uint64_t
        free_slot; /* number + 1 of a slot without pages; linked through their guards' absent entries */
    uint64_t old_slot; /* [a] the same, of slots whose stack a CPU may still know */
    uint32_t tables; /* frames of page tables */
    uintptr_t kept[MAX_CPUS][STACKS_KEPT]; /* [a] tops of free stacks that stay mapped, or 0 */
} kmap = { .lock = SPINLOCK_INIT(RANK_KMAP), .next_stack = KMAP_BASE, .next_device = DEVICE_AREA };

static paddr_t table_frame(void *arg)
{
    (void)arg;
    paddr_t p = frame_alloc_zeroed();
    kmap.tables += p != 0;
    return p;
}

volatile void *kmap_device(paddr_t at, uint64_t length)
{
    uint64_t offset = at & PAGE_MASK, top = 1ull << cpu_features.phys_bits;
    paddr_t page = at - offset;
    if (at >= top || length > top - at) /* the bits above are reserved in page tables: a fault */
        return NULL;
    length = align_up(length + offset, PAGE_SIZE);
    spin_lock(&kmap.lock);
    uintptr_t va = kmap.next_device;
    bool ok = length <= KMAP_SIZE / 2 && va + length <= KMAP_BASE + KMAP_SIZE;
    for (uint64_t i = 0; ok && i < length; i += PAGE_SIZE) {
        pte_t *e = pt_slot(kernel_root(), va + i, 0, table_frame, NULL);
        ok = e != NULL;
        if (ok)
            *e = (page + i) | PTE_PRESENT | PTE_WRITE | PTE_PCD | PTE_NX | PTE_GLOBAL;
    }
    if (ok)
        kmap.next_device = va + length;
    spin_unlock(&kmap.lock);
    return ok ? (volatile void *)(va + offset) : NULL;
}

static pte_t *stack_entry(uintptr_t va)
{
    return pt_slot(kernel_root(), va, 0, table_frame, NULL);
}

/* Map the pages of a stack at va, or none. */
static bool map_stack(uintptr_t va)
{
    paddr_t pages[STACK_PAGES] = { 0 };
    pte_t *e[STACK_PAGES];
    if (!stack_entry(va - PAGE_SIZE))
        return false;
    for (unsigned i = 0; i < STACK_PAGES; i++) {
        e[i] = stack_entry(va + i * PAGE_SIZE);
        pages[i] = e[i] ? frame_alloc() : 0;
        if (pages[i])
            continue;
        while (i--)
            frame_free(pages[i]);
        return false;
    }
    for (unsigned i = 0; i < STACK_PAGES; i++)
        *e[i] = pages[i] | PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_GLOBAL;
    return true;
}

static void unmap_stack(uintptr_t va)
{
    struct frame_list frames = { 0 };
    for (uintptr_t end = va + KSTACK_SIZE; va < end; va += PAGE_SIZE) {
        pte_t *e = stack_entry(va);
        frame_list_add(&frames, *e & PTE_ADDR);
        *e = 0;
        tlb_flush_page(va);
    }
    frame_list_free(&frames);
}

/* The link of a free slot: bit 0, which says present, stays clear. */
static pte_t *slot_link(uint64_t slot)
{
    return stack_entry(KMAP_BASE + slot * STACK_SLOT);
}

/* A stack in a slot that had one before, or in a fresh one. */
static uintptr_t new_stack(void)
{
    uint64_t slot =
        kmap.free_slot ? kmap.free_slot - 1 : (kmap.next_stack - KMAP_BASE) / STACK_SLOT;
    uintptr_t base = KMAP_BASE + slot * STACK_SLOT;
    if (base + STACK_SLOT > DEVICE_AREA || !map_stack(base + PAGE_SIZE))
        return 0;
    if (kmap.free_slot) {
        kmap.free_slot = *slot_link(slot) >> 1;
        *slot_link(slot) = 0;
    } else {
        kmap.next_stack += STACK_SLOT;
    }
    return base + STACK_SLOT;
}

/* Slots whose stack somebody may know become free slots once nobody does. */
static void renew_slots(void)
{
    uint64_t old = __atomic_exchange_n(&kmap.old_slot, 0, __ATOMIC_ACQUIRE);
    if (!old)
        return;
    smp_flush_tlb(smp_cpus(), KMAP_BASE, __atomic_load_n(&kmap.next_stack, __ATOMIC_RELAXED));
    spin_lock(&kmap.lock);
    while (old) {
        pte_t *link = slot_link(old - 1);
        uint64_t next = *link >> 1;
        *link = kmap.free_slot << 1;
        kmap.free_slot = old;
        old = next;
    }
    spin_unlock(&kmap.lock);
}

static uintptr_t take_kept(unsigned cpu)
{
    uintptr_t top = 0;
    for (unsigned i = 0; i < STACKS_KEPT && !top; i++)
        if (__atomic_load_n(&kmap.kept[cpu][i], __ATOMIC_RELAXED))
            top = __atomic_exchange_n(&kmap.kept[cpu][i], 0, __ATOMIC_ACQUIRE);
    return top;
}

uintptr_t kstack_alloc(void)
{
    unsigned first = this_cpu()->id;
    uintptr_t top = 0;
    if (memory_refused())
        return 0;
    for (unsigned i = 0; i < MAX_CPUS && !top; i++)
        top = take_kept((first + i) % MAX_CPUS);
    if (top)
        return top;
    if (!__atomic_load_n(&kmap.free_slot, __ATOMIC_RELAXED))
        renew_slots();
    spin_lock(&kmap.lock);
    top = new_stack();
    spin_unlock(&kmap.lock);
    return top;
}

static void give_up(uintptr_t top)
{
    uint64_t slot = (top - KMAP_BASE) / STACK_SLOT - 1;
    unmap_stack(top - KSTACK_SIZE);
    pte_t *link = slot_link(slot);
    uint64_t first = __atomic_load_n(&kmap.old_slot, __ATOMIC_RELAXED);
    do
        *link = first << 1;
    while (!__atomic_compare_exchange_n(&kmap.old_slot, &first, slot + 1, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
}

void kstack_free(uintptr_t top)
{
    uintptr_t *kept = kmap.kept[this_cpu()->id];
    for (unsigned i = 0; i < STACKS_KEPT; i++) {
        uintptr_t none = 0;
        if (!__atomic_load_n(&kept[i], __ATOMIC_RELAXED) &&
            __atomic_compare_exchange_n(&kept[i], &none, top, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return;
    }
    give_up(top);
}

uint32_t kstack_spare_frames(void)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < MAX_CPUS * STACKS_KEPT; i++)
        n += __atomic_load_n(&kmap.kept[i / STACKS_KEPT][i % STACKS_KEPT], __ATOMIC_RELAXED) != 0;
    return n * STACK_PAGES;
}

uint32_t kmap_table_frames(void)
{
    return __atomic_load_n(&kmap.tables, __ATOMIC_RELAXED);
}

void kstack_trim(void)
{
    uintptr_t top;
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        while ((top = take_kept(cpu)) != 0)
            give_up(top);
}

bool kstack_guard_hit(uintptr_t va)
{
    return va >= KMAP_BASE && va < kmap.next_stack && (va - KMAP_BASE) % STACK_SLOT < PAGE_SIZE;
}
