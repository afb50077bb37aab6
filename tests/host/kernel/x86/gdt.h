/* Stands for kernel/x86/gdt.h: fibers have stacks of their own. */
#ifndef X86_GDT_H
#define X86_GDT_H

#include "x86/cpu.h"

static inline void gdt_set_kernel_stack(struct cpu *cpu, uintptr_t top)
{
    (void)cpu, (void)top;
}

#endif
