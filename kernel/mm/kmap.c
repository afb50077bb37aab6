/* Kernel mappings: device registers and stacks (declared in pagetable.h). */
#include "klib/spinlock.h"
#include "mm/frame.h"
#include "mm/pagetable.h"

#define STACK_PAGES (KSTACK_SIZE / PAGE_SIZE)
#define STACK_SLOT  (KSTACK_SIZE + PAGE_SIZE) /* the guard is the lowest page */
#define DEVICE_AREA (KMAP_BASE + KMAP_SIZE / 2)
#define STACKS_KEPT 16u /* free stacks that stay mapped */

static struct {
    struct spinlock lock;
    uintptr_t next_stack, next_device;
    uintptr_t free_stack; /* tops of free mapped stacks, linked through their highest word */
    unsigned free_count;  /* how many they are */
    uint64_t
        free_slot; /* number + 1 of a slot without pages; they are linked through their guard's absent entry */
} kmap = { .lock = SPINLOCK_INIT(RANK_KMAP), .next_stack = KMAP_BASE, .next_device = DEVICE_AREA };

static paddr_t table_frame(void *arg)
{
    (void)arg;
    return frame_alloc();
}

volatile void *kmap_device(paddr_t at, uint64_t length)
{
    uint64_t offset = at & PAGE_MASK;
    paddr_t page = at - offset;
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
    for (uintptr_t end = va + KSTACK_SIZE; va < end; va += PAGE_SIZE) {
        pte_t *e = stack_entry(va);
        paddr_t page = *e & PTE_ADDR;
        *e = 0;
        tlb_flush_page(va);
        frame_free(page);
    }
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

uintptr_t kstack_alloc(void)
{
    spin_lock(&kmap.lock);
    uintptr_t top = kmap.free_stack;
    if (top) {
        kmap.free_stack = ((uintptr_t *)top)[-1];
        kmap.free_count--;
    } else {
        top = new_stack();
    }
    spin_unlock(&kmap.lock);
    return top;
}

void kstack_free(uintptr_t top)
{
    spin_lock(&kmap.lock);
    if (kmap.free_count < STACKS_KEPT) {
        ((uintptr_t *)top)[-1] = kmap.free_stack;
        kmap.free_stack = top;
        kmap.free_count++;
    } else {
        uint64_t slot = (top - KMAP_BASE) / STACK_SLOT - 1;
        unmap_stack(top - KSTACK_SIZE);
        *slot_link(slot) = kmap.free_slot << 1;
        kmap.free_slot = slot + 1;
    }
    spin_unlock(&kmap.lock);
}

bool kstack_guard_hit(uintptr_t va)
{
    return va >= KMAP_BASE && va < kmap.next_stack && (va - KMAP_BASE) % STACK_SLOT < PAGE_SIZE;
}
