/* Other processors (smp.h). */
#include "x86/smp.h"
#include "klib/assert.h"
#include "klib/string.h"
#include "x86/pte.h"

/* How often the second start-up interrupt is waited for, and how long: SDM vol. 3, 8.4.4.1 asks for 200 microseconds. */
#define STARTUP_SPINS 20000u

extern const char ap_boot_start[], ap_boot_end[], ap_boot_params[];

/* Lies at ap_boot_params in the code. */
struct ap_params {
    uint64_t entry, stack, argument;
    uint32_t cr3;
    uint32_t far_offset;
    uint16_t far_selector;
    uint16_t gdt_limit;
    uint32_t gdt_base;
    uint32_t long_offset, gdt_offset; /* of what the two above point to */
} PACKED;

static struct {
    paddr_t page; /* the code's */
    paddr_t root; /* the kernel's page tables */
    uint32_t arrived; /* [a] the CPU being started is in the kernel */
} ap;

static void *low_page(unsigned n)
{
    return (void *)(HHDM_BASE + ap.page + n * PAGE_SIZE);
}

/* Page tables below 4 GiB with the low 2 MiB at their own address and the kernel's half. */
static void make_tables(void)
{
    const pte_t flags = PTE_PRESENT | PTE_WRITE;
    pte_t *top = low_page(1), *next = low_page(2), *last = low_page(3);
    memset(top, 0, 3 * PAGE_SIZE);
    memcpy(top + 256, (pte_t *)(HHDM_BASE + ap.root) + 256, 256 * sizeof(pte_t));
    top[0] = (ap.page + 2 * PAGE_SIZE) | flags;
    next[0] = (ap.page + 3 * PAGE_SIZE) | flags;
    last[0] = flags | PTE_LARGE;
}

static struct ap_params *params(void)
{
    return (struct ap_params *)((char *)low_page(0) + (ap_boot_params - ap_boot_start));
}

void smp_prepare(paddr_t low, paddr_t root)
{
    ASSERT(low + SMP_LOW_PAGES * PAGE_SIZE <= 1u << 20);
    ap.page = low;
    ap.root = root;
    make_tables();
    memcpy(low_page(0), ap_boot_start, (size_t)(ap_boot_end - ap_boot_start));
    struct ap_params *p = params();
    p->cr3 = (uint32_t)(low + PAGE_SIZE);
    p->far_offset = (uint32_t)low + p->long_offset;
    p->gdt_base = (uint32_t)low + p->gdt_offset;
}

static bool wait_arrival(void)
{
    for (unsigned i = 0; i < STARTUP_SPINS; i++) {
        if (__atomic_load_n(&ap.arrived, __ATOMIC_ACQUIRE))
            return true;
        cpu_pause();
    }
    return false;
}

void smp_boot(struct cpu *cpu, uintptr_t stack_top, void (*entry)(struct cpu *cpu))
{
    struct ap_params *p = params();
    p->entry = (uintptr_t)entry;
    p->stack = stack_top - 16;
    p->argument = (uintptr_t)cpu;
    __atomic_store_n(&ap.arrived, 0, __ATOMIC_RELEASE);
    lapic_send_init(cpu->apic_id);
    lapic_send_startup(cpu->apic_id, ap.page);
    if (!wait_arrival())
        lapic_send_startup(cpu->apic_id, ap.page);
}

void smp_arrived(void)
{
    write_cr3(ap.root);
    __atomic_store_n(&ap.arrived, 1, __ATOMIC_RELEASE);
}

/* ---- calls ---- */

void smp_call_interrupt(void *arg)
{
    struct cpu *self = this_cpu();
    (void)arg;
    uint32_t wanted = __atomic_exchange_n(&self->calls_wanted, 0, __ATOMIC_ACQ_REL);
    for (; wanted; wanted &= wanted - 1) {
        struct cpu *from = &cpus[__builtin_ctz(wanted)];
        from->call.fn(from->call.arg);
        __atomic_fetch_and(&from->call.waiting, ~(1u << self->id), __ATOMIC_RELEASE);
    }
}

/* Ask the CPUs of the mask, which is not 0 and does not hold self, and wait for their answers. */
static void ask_others(struct cpu *self, uint32_t mask, void (*fn)(void *arg), void *arg)
{
    self->call.fn = fn;
    self->call.arg = arg;
    __atomic_store_n(&self->call.waiting, mask, __ATOMIC_RELEASE);
    for (; mask; mask &= mask - 1) {
        struct cpu *other = &cpus[__builtin_ctz(mask)];
        __atomic_fetch_or(&other->calls_wanted, 1u << self->id, __ATOMIC_ACQ_REL);
        lapic_send(other->apic_id, VEC_CALL);
        CPU_COUNT(ipis);
    }
    irq_enable(); /* another CPU may wait for an answer of this one */
    while (__atomic_load_n(&self->call.waiting, __ATOMIC_ACQUIRE))
        cpu_pause();
    irq_disable();
}

/*
 * The request lies in the CPU's own structure, so the thread must not move while it waits: an interrupt depth above 0
 * keeps it from being preempted.
 */
void smp_call(uint32_t cpu_mask, void (*fn)(void *arg), void *arg)
{
    ASSERT(irq_enabled());
    irq_disable();
    struct cpu *self = this_cpu();
    uint32_t own = 1u << self->id, others = cpu_mask & cpu_mask_all() & ~own;
    if (cpu_mask & own)
        fn(arg);
    if (others) {
        self->irq_depth++;
        ask_others(self, others, fn, arg);
        self->irq_depth--;
    }
    irq_enable();
}

struct range {
    uintptr_t from, to;
};

static void forget(void *arg)
{
    const struct range *r = arg;
    cpu_flush_tlb(r->from, r->to);
}

void smp_flush_tlb(uint32_t cpu_mask, uintptr_t from, uintptr_t to)
{
    struct range r = { from, to };
    CPU_COUNT(shootdowns);
    smp_call(cpu_mask, forget, &r);
}

uint32_t smp_cpus(void)
{
    return cpu_mask_all();
}
