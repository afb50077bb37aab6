/* Kernel mappings: device registers and stacks (declared in pagetable.h). */
#include "klib/spinlock.h"
#include "mm/frame.h"
#include "mm/pagetable.h"

#define STACK_PAGES (KSTACK_SIZE / PAGE_SIZE)
#define STACK_SLOT  (KSTACK_SIZE + PAGE_SIZE) /* the guard is the lowest page */
#define DEVICE_AREA (KMAP_BASE + KMAP_SIZE / 2)

static struct {
    struct spinlock lock;
    uintptr_t next_stack, next_device;
    uintptr_t free_stack; /* tops of free stacks, linked through their highest word */
} kmap = {.lock = SPINLOCK_INIT(RANK_KMAP), .next_stack = KMAP_BASE, .next_device = DEVICE_AREA};

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

/* Map the pages of a stack at va, or none. */
static bool map_stack(uintptr_t va)
{
    paddr_t pages[STACK_PAGES] = {0};
    pte_t *e[STACK_PAGES];
    for (unsigned i = 0; i < STACK_PAGES; i++) {
        e[i] = pt_slot(kernel_root(), va + i * PAGE_SIZE, 0, table_frame, NULL);
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

uintptr_t kstack_alloc(void)
{
    uintptr_t top = 0;
    spin_lock(&kmap.lock);
    if (kmap.free_stack) {
        top = kmap.free_stack;
        kmap.free_stack = ((uintptr_t *)top)[-1];
    } else if (kmap.next_stack + STACK_SLOT <= DEVICE_AREA && map_stack(kmap.next_stack + PAGE_SIZE)) {
        kmap.next_stack += STACK_SLOT;
        top = kmap.next_stack;
    }
    spin_unlock(&kmap.lock);
    return top;
}

void kstack_free(uintptr_t top)
{
    spin_lock(&kmap.lock);
    ((uintptr_t *)top)[-1] = kmap.free_stack;
    kmap.free_stack = top;
    spin_unlock(&kmap.lock);
}

bool kstack_guard_hit(uintptr_t va)
{
    return va >= KMAP_BASE && va < kmap.next_stack && (va - KMAP_BASE) % STACK_SLOT < PAGE_SIZE;
}
