/* CPU features and control registers (cpu.h). Sources: Intel SDM vol. 2 CPUID, vol. 3 chapters 2 and 13. */
#include "x86/cpu.h"
#include "x86/pte.h"

struct cpu cpus[MAX_CPUS];
uint32_t cpu_count = 1;
struct cpu_features cpu_features;

#define XCR0_X87_SSE_AVX 7u
/* More pages than this are forgotten together with all others. */
#define FLUSH_PAGES_MAX 64u

void cpu_features_init(void)
{
    uint32_t r[4];
    cpuid(0, 0, r);
    uint32_t max = r[0];
    cpuid(1, 0, r);
    cpu_features.xsave = r[2] & (1u << 26);
    cpu_features.rdrand = r[2] & (1u << 30);
    cpu_features.mce = r[3] & (1u << 7);
    if (max >= 7) {
        cpuid(7, 0, r);
        cpu_features.smep = r[1] & (1u << 7);
        cpu_features.smap = r[1] & (1u << 20);
        cpu_features.umip = r[2] & (1u << 2);
    }
    cpuid(0x80000001, 0, r);
    cpu_features.nx = r[3] & (1u << 20);
    cpu_features.page1g = r[3] & (1u << 26);
    cpuid(0x80000000, 0, r);
    cpu_features.phys_bits = 36; /* SDM vol. 3, 4.1.4 */
    if (r[0] >= 0x80000008) {
        cpuid(0x80000008, 0, r);
        cpu_features.phys_bits = r[0] & 0xff;
    }
    cpu_features.xsave_size = 512;
    if (cpu_features.xsave) {
        cpuid(0xd, 0, r);
        cpu_features.xcr0 = r[0] & XCR0_X87_SSE_AVX;
        /* Legacy area and header, and the AVX state at the place the CPU says (SDM vol. 1, 13.4). */
        cpu_features.xsave_size = 512 + 64;
        if (cpu_features.xcr0 & 4) {
            cpuid(0xd, 2, r);
            cpu_features.xsave_size = r[1] + r[0];
        }
    }
}

static uint64_t read_cr4(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}

static void write_cr4(uint64_t v)
{
    __asm__ volatile("mov %0, %%cr4" ::"r"(v) : "memory");
}

void cpu_flush_tlb(uintptr_t from, uintptr_t to)
{
    if (to - from <= FLUSH_PAGES_MAX * PAGE_SIZE) {
        for (; from < to; from += PAGE_SIZE)
            tlb_flush_page(from);
    } else if (from < KERNEL_HALF) {
        write_cr3(read_cr3());
    } else { /* global ones go when the bit that allows them changes */
        uint64_t flags = irq_save();
        write_cr4(read_cr4() & ~CR4_PGE);
        write_cr4(read_cr4() | CR4_PGE);
        irq_restore(flags);
    }
}

void cpu_control_init(void)
{
    uint64_t cr0, cr4 = read_cr4();
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 = (cr0 | CR0_WP | CR0_NE | CR0_MP) & ~(CR0_EM | CR0_TS);
    __asm__ volatile("mov %0, %%cr0" ::"r"(cr0));
    cr4 |= CR4_DE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 &=
        ~CR4_FSGSBASE; /* FS base changes only through thread_set_tls, so a switch need not read it */
    if (cpu_features.mce) /* else a machine check resets the machine without a word */
        cr4 |= CR4_MCE;
    if (cpu_features.smep)
        cr4 |= CR4_SMEP;
    if (cpu_features.smap)
        cr4 |= CR4_SMAP;
    if (cpu_features.umip)
        cr4 |= CR4_UMIP;
    if (cpu_features.xsave)
        cr4 |= CR4_OSXSAVE;
    write_cr4(cr4);
    if (cpu_features.xsave)
        __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)cpu_features.xcr0), "d"(0));
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | (cpu_features.nx ? EFER_NXE : 0));
}

bool cpu_can_read(uintptr_t va)
{
    paddr_t table = read_cr3() & PTE_ADDR;
    for (int level = 3; level >= 0; level--) {
        pte_t e = ((pte_t *)(HHDM_BASE + table))[pte_index(va, level)];
        if (!(e & PTE_PRESENT))
            return false;
        if (level && (e & PTE_LARGE))
            return true;
        table = e & PTE_ADDR;
    }
    return true;
}
