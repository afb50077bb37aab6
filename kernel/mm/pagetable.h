/* Page tables: walking, filling, and the kernel's own half. */
#ifndef MM_PAGETABLE_H
#define MM_PAGETABLE_H

#include "klib/boot_info.h"
#include "x86/pte.h"

/* Gives a frame of zeros for a page table, or 0. */
typedef paddr_t (*frame_source)(void *arg);

/*
 * Build the kernel's half from the boot answers and switch to it: image W^X in 4 KiB pages, all memory at HHDM_BASE
 * (the image's read-only parts read-only there as well), everything global and, but for the text, not executable.
 * Takes its page tables from the memory map directly; until it returns nothing else may.
 * After it, frame_add_range has been called for all usable memory that is left; memory of the loader is not yet in.
 */
void kernel_paging_init(const struct boot_info *bi);
/* Add the loader's memory and that of the ACPI tables, once nothing needs them. */
void kernel_reclaim_loader(const struct boot_info *bi);

/* n pages of memory below 64 KiB, which the allocator never gets, for starting other CPUs; 0: there are none. */
paddr_t low_memory(const struct boot_info *bi, unsigned n);

/* Physical address of the kernel's own PML4. */
paddr_t kernel_root(void);
/* Copy the kernel's half into a new PML4. */
void pt_share_kernel(paddr_t root);

/*
 * The entry for va at level (0: 4 KiB page) below root. Missing tables are made from source (NULL: don't make any).
 * NULL: a table is missing. Tables in the user half are made user-accessible.
 */
pte_t *pt_slot(paddr_t root, uintptr_t va, int level, frame_source source, void *arg);
/* The 4 KiB entry for va; NULL where a table is missing, with *next the end of what that table would cover. */
pte_t *pt_walk(paddr_t root, uintptr_t va, uintptr_t *next);
/* The 4 KiB entry for va, or 0 if none is present. */
pte_t pt_lookup(paddr_t root, uintptr_t va);
/* Free all page tables of the user half and the PML4 itself; the number of frames freed. Mapped frames are the caller's. */
uint64_t pt_free_user(paddr_t root);

/* ---- kernel mappings (kmap.c) ---- */

/* Map device registers uncached; stays mapped. NULL when memory is out, or when the CPU has no such addresses. */
volatile void *kmap_device(paddr_t at, uint64_t length);
/*
 * A kernel stack of KSTACK_SIZE bytes with an unmapped guard page below: its top, or 0. Contents undefined. May wait for
 * the other CPUs: interrupts are on and no spinlock is held (but for the idle threads, made before there are others).
 */
#define KSTACK_SIZE 8192u
uintptr_t kstack_alloc(void);
/* Never waits. */
void kstack_free(uintptr_t top);
/* Frames of free stacks that stay mapped; kstack_trim frees them. Neither takes a lock but for frames. */
uint32_t kstack_spare_frames(void);
/* Frames of the page tables of kernel mappings: they grow with the stacks there were at once, and stay. */
uint32_t kmap_table_frames(void);
void kstack_trim(void);
/* Whether va lies in the guard page of a kernel stack. */
bool kstack_guard_hit(uintptr_t va);

#endif
