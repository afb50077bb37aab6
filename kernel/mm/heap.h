/*
 * Kernel heap: objects of up to a page, from slabs of one frame each.
 *
 * An empty slab's frame goes back, so that what a dead process cost is free again. Nothing bigger than a page is
 * ever needed: big tables have two levels.
 */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include "klib/types.h"

/* n bytes (1 … PAGE_SIZE) with undefined contents, aligned to 16 (to its size, if that is a power of two); NULL when memory is out. */
void *kmalloc(size_t n) __attribute__((malloc));
/* The same, zeroed. */
void *kzalloc(size_t n) __attribute__((malloc));
void kfree(void *p);
/*
 * For who keeps one freed object at hand for the next time: after kpark it counts as free, and is filled as such in a kernel
 * that checks itself, but nobody else gets it until kunpark (for n bytes, contents undefined). Interrupts are off.
 */
void kpark(void *p);
void kunpark(void *p, size_t n);
/* Slabs that would not be there if objects lay as densely as they can: what in-use objects scattered over slabs keep. */
uint64_t heap_slack_frames(void);

#endif
