/* Other processors: what they are asked to do by inter-processor interrupt. */
#ifndef X86_SMP_H
#define X86_SMP_H

#include "klib/types.h"

/*
 * Make the CPUs in the mask (bit n: cpus[n]; the calling one is left out) forget their translations of [from, to), and
 * return once they have. Interrupts are on and no spinlock is held: it waits for answers. The caller has changed the
 * page tables before, and frees the frames only after.
 */
void smp_flush_tlb(uint32_t cpu_mask, uintptr_t from, uintptr_t to);

#endif
