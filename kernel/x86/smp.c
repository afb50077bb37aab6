/* Other processors (smp.h): there are none yet. */
#include "x86/smp.h"

void smp_flush_tlb(uint32_t cpu_mask, uintptr_t from, uintptr_t to)
{
    (void)cpu_mask;
    (void)from;
    (void)to;
}
