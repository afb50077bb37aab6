/* Segments, task-state segment and interrupt descriptor table (gdt.h). */
#include "x86/gdt.h"
#include "klib/string.h"
#include "x86/trapframe.h"

#define IST_STACK_SIZE 8192
enum { IST_DF = 1, IST_NMI = 2, IST_MC = 3 };

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap;
} PACKED;
_Static_assert(sizeof(struct tss) == 104 && offsetof(struct tss, rsp) == TSS_RSP0,
               "SDM vol. 3, figure 7-11");

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
} PACKED;

struct cpu_tables {
    uint64_t gdt[7];
    struct tss tss;
} ALIGNED(64);

static struct gate idt[256] ALIGNED(16);
static struct cpu_tables tables[MAX_CPUS];
static char boot_ist_stacks[GDT_IST_COUNT][IST_STACK_SIZE] ALIGNED(16);
extern char trap_stubs[]; /* entry/trap.S: 256 stubs of 16 bytes */

#define TRAP_STUB_SIZE 16
#define GATE_INTERRUPT 0x8e
#define GATE_USER      0x60

static void idt_init(void)
{
    for (unsigned v = 0; v < 256; v++) {
        uint64_t at = (uintptr_t)trap_stubs + v * TRAP_STUB_SIZE;
        uint8_t ist = v == VEC_DF ? IST_DF : v == VEC_NMI ? IST_NMI : v == VEC_MC ? IST_MC : 0;
        idt[v] =
            (struct gate){ .offset_low = (uint16_t)at,
                           .offset_mid = (uint16_t)(at >> 16),
                           .offset_high = (uint32_t)(at >> 32),
                           .selector = SEL_KERNEL_CODE,
                           .ist = ist,
                           .type = GATE_INTERRUPT | (v == VEC_BP || v == VEC_OF ? GATE_USER : 0) };
    }
}

static void load(const struct cpu_tables *t)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } PACKED gdtr = { sizeof t->gdt - 1, (uintptr_t)t->gdt },
             idtr = { sizeof idt - 1, (uintptr_t)idt };
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "lretq\n"
                     "1: mov %2, %%ds\n\t"
                     "mov %2, %%es\n\t"
                     "mov %2, %%ss\n\t"
                     "mov %3, %%fs\n\t"
                     "mov %3, %%gs\n\t"
                     "lidt %4\n\t"
                     "lldt %w3\n\t"
                     "ltr %w5"
                     :
                     : "m"(gdtr), "i"(SEL_KERNEL_CODE), "r"(SEL_KERNEL_DATA), "r"(0), "m"(idtr),
                       "r"(SEL_TSS)
                     : "rax", "memory");
}

void gdt_init(struct cpu *cpu, const uintptr_t ist_tops[GDT_IST_COUNT])
{
    struct cpu_tables *t = &tables[cpu->id];
    uint64_t base = (uintptr_t)&t->tss;
    memset(&t->tss, 0, sizeof t->tss);
    t->tss.iomap = sizeof t->tss; /* no I/O bitmap: IN and OUT fault in user mode */
    for (int i = 0; i < GDT_IST_COUNT; i++)
        t->tss.ist[i] = ist_tops ? ist_tops[i] : (uintptr_t)(boot_ist_stacks[i] + IST_STACK_SIZE);
    t->gdt[0] = 0;
    t->gdt[1] = 0x00af9b000000ffff; /* kernel code, 64-bit */
    t->gdt[2] = 0x00cf93000000ffff; /* kernel data */
    t->gdt[3] = 0x00cff3000000ffff; /* user data */
    t->gdt[4] = 0x00affb000000ffff; /* user code, 64-bit */
    t->gdt[5] =
        (sizeof t->tss - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    t->gdt[6] = base >> 32;
    if (cpu == &cpus[0])
        idt_init(); /* all CPUs share it */
    load(t);
    cpu->self = cpu;
    cpu->tss = &t->tss;
    wrmsr(MSR_GS_BASE, (uintptr_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
}
