/* Other processors: what they are asked to do by inter-processor interrupt. */
#ifndef X86_SMP_H
#define X86_SMP_H

#include "klib/types.h"

/*
 * Make the CPUs in the mask (bit n: cpus[n]) forget their translations of [from, to), and return once they have. The
 * CPU that the caller is on by then does it without an interrupt: a thread may have moved since it made the mask.
 * Interrupts are on and no spinlock is held: it waits for answers. The caller has changed the page tables before, and
 * frees the frames only after.
 */
void smp_flush_tlb(uint32_t cpu_mask, uintptr_t from, uintptr_t to);
/*
 * Run fn(arg) on each CPU in the mask, with interrupts off, and return once all have. fn is short and takes no lock that
 * somebody holds with interrupts off while waiting here. The same rules.
 */
void smp_call(uint32_t cpu_mask, void (*fn)(void *arg), void *arg);
/* The mask of the CPUs that run. */
uint32_t smp_cpus(void);

#endif
