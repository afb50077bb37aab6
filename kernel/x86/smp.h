/*
 * Other processors: starting them, and inter-processor interrupts.
 *
 * Only the xAPIC is used, with 8-bit APIC ids: QEMU 7.2 without KVM has no x2APIC.
 */
#ifndef X86_SMP_H
#define X86_SMP_H

#include "x86/apic.h"
#include "x86/cpu.h"
#include "x86/trapframe.h"

/* Pages below 1 MiB that starting CPUs needs: code, and three page tables. */
#define SMP_LOW_PAGES 4u

/*
 * Prepare the pages at low (physical, contiguous; they are the kernel's until smp_boot was called for the last time).
 * root: the kernel's page tables, below 4 GiB, which CPUs load once they have left the low pages.
 */
void smp_prepare(paddr_t low, paddr_t root);
/*
 * Start the CPU with cpu->apic_id: it enters entry(cpu) in the kernel, with the temporary page tables, interrupts off, and
 * on the stack with that top. One at a time: the next one only when this one has arrived. It may never come.
 */
void smp_boot(struct cpu *cpu, uintptr_t stack_top, void (*entry)(struct cpu *cpu));
/* Called by a CPU that has arrived: leave the temporary page tables. */
void smp_arrived(void);

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
/* Interrupt handler of VEC_CALL. */
void smp_call_interrupt(void *arg);

/* Make another CPU look at its run queue. */
static inline void smp_send_resched(const struct cpu *cpu)
{
    lapic_send(cpu->apic_id, VEC_RESCHED);
    CPU_COUNT(ipis);
}

#endif
