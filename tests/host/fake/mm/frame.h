/* In place of the kernel's: a frame is a page of the host, and its physical address the host's. */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "klib/types.h"

paddr_t frame_alloc_zeroed(void);
void frame_free(paddr_t p);

static inline void *phys_to_virt(paddr_t p)
{
    return (void *)(uintptr_t)p;
}

#endif
