/* Other processors (smp.h): there are none yet. */
#include "x86/smp.h"
#include "x86/cpu.h"

void smp_flush_tlb(uint32_t cpu_mask, uintptr_t from, uintptr_t to)
{
    if (!(cpu_mask & 1))
        return;
    cpu_flush_tlb(from, to);
}

void smp_call(uint32_t cpu_mask, void (*fn)(void *arg), void *arg)
{
    uint64_t flags = irq_save();
    if (cpu_mask & 1)
        fn(arg);
    irq_restore(flags);
}

uint32_t smp_cpus(void)
{
    return 1;
}
