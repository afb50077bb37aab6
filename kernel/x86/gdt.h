/* Segments, task-state segment and interrupt descriptor table (Intel SDM vol. 3, 3.4, 6.14, 7.7). */
#ifndef X86_GDT_H
#define X86_GDT_H

#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_USER_DATA   0x1b /* SYSRET wants data before code */
#define SEL_USER_CODE   0x23
#define SEL_TSS         0x28

#ifndef __ASSEMBLER__
#include "x86/cpu.h"

#define TSS_RSP0 4 /* byte offset in the task-state segment */

/* Stacks of their own for double fault, NMI and machine check. */
#define GDT_IST_COUNT 3
/*
 * Load GDT, TSS and IDT on the calling CPU and make GS its struct cpu. Traps work from here on. ist_tops: the tops of
 * those stacks; NULL for the boot CPU, which has some in the image.
 */
void gdt_init(struct cpu *cpu, const uintptr_t ist_tops[GDT_IST_COUNT]);
/* Where the CPU switches its stack to on a trap from user mode. */
static inline void gdt_set_kernel_stack(struct cpu *cpu, uintptr_t top)
{
    __builtin_memcpy((char *)cpu->tss + TSS_RSP0, &top, sizeof top);
    cpu->kernel_rsp = top;
}
#endif

#endif
