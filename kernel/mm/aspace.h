/*
 * Which CPUs know what of an address space, for mm and the switch of threads. The rules are told above aspace.c.
 */
#ifndef MM_ASPACE_H
#define MM_ASPACE_H

#include "mm/frame.h"
#include "mm/vm.h"

/*
 * What an operation takes out of the page tables of an address space: translations that CPUs may still hold, and frames
 * that must not be used again before they don't. Starts as all zero.
 */
struct vm_batch {
    uintptr_t from, to; /* the translations lie in it; none when empty */
    uint32_t cpus;      /* that hold them yet: the others have been told, or will find out */
    struct frame_list frames;
};

/* The same as all zero, without a loop. */
static inline void vm_batch_init(struct vm_batch *b)
{
    b->from = b->to = 0;
    b->cpus = 0;
    b->frames.first = b->frames.last = NULL;
    b->frames.count = 0;
    b->frames.pinned = false;
}

/* An entry for va was present and is not any more, or allows less. */
static inline void vm_batch_add(struct vm_batch *b, uintptr_t va)
{
    if (b->to == 0)
        b->from = va;
    if (va < b->from)
        b->from = va;
    if (va >= b->to)
        b->to = va + PAGE_SIZE;
}

/*
 * The entries are changed, and as->lock is still held: forget on this CPU, and see which others must. When
 * batch->cpus is 0 nobody holds the translations any more.
 */
void vm_batch_settle_some(struct aspace *as, struct vm_batch *b);
static inline void vm_batch_settle(struct aspace *as, struct vm_batch *b)
{
    if (b->to)
        vm_batch_settle_some(as, b);
}
/* Without the lock and with interrupts on: make the other CPUs forget, then free the frames. The batch is empty then. */
void vm_batch_finish_some(struct vm_batch *b);
static inline void vm_batch_finish(struct vm_batch *b)
{
    if (b->to || b->frames.first)
        vm_batch_finish_some(b);
}

/* struct cpu.aspace_bits of the CPU with that number: in aspace->cpus and aspace->loaded. */
static inline uint64_t aspace_bits_of(uint32_t id)
{
    return (1ull << 32 | 1u) << id;
}

/*
 * aspace_switch from one address space in use to another. The CPU is told of changes to the old one until it has left it.
 * A hot path.
 */
static inline void aspace_swap(struct cpu *cpu, struct aspace *as)
{
    struct aspace *old = cpu->aspace;
    uint64_t both = cpu->aspace_bits;
    __atomic_fetch_or(&as->presence, both, __ATOMIC_SEQ_CST);
    uint64_t generation = __atomic_load_n(&as->generation, __ATOMIC_SEQ_CST);
    cpu->aspace = as;
    write_cr3(as->root);
    cpu->aspace_seen = generation;
    __atomic_fetch_and(&old->presence, ~both, __ATOMIC_SEQ_CST);
}

/* Make every CPU leave the page tables of as, which no thread is in any more. Interrupts are on. */
void aspace_evict(struct aspace *as);

#endif
