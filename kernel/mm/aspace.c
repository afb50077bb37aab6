/*
 * Address spaces and the CPUs that have them loaded (vm.h, aspace.h).
 *
 * A CPU that leaves the last thread of an address space for the idle thread or a kernel thread keeps the page tables
 * loaded, as it may well come back, but drops out of aspace->cpus: it is not told any more what changes. Each change
 * that takes a translation away counts up aspace->generation first and looks at aspace->cpus then; a CPU that comes
 * back sets its bit first and looks at the generation then. So either it is told or it finds out, and reloads CR3.
 *
 * Page tables are freed only with the address space. By then no thread is in it, but CPUs may have it loaded: they are
 * made to leave (aspace->loaded).
 */
#include "mm/aspace.h"
#include "mm/heap.h"
#include "mm/pagetable.h"
#include "x86/smp.h"

static uint32_t bit_of(const struct cpu *cpu)
{
    return 1u << cpu->id;
}

/* The running thread is not one of what is loaded any more. */
static void stop_using(struct cpu *cpu)
{
    if (!cpu->aspace_used)
        return;
    cpu->aspace_used = false;
    __atomic_fetch_and(&cpu->aspace->cpus, ~bit_of(cpu), __ATOMIC_SEQ_CST);
}

/* Interrupts are off. */
static void load(struct cpu *cpu, struct aspace *as)
{
    struct aspace *old = cpu->aspace;
    cpu->aspace = as;
    if (as)
        __atomic_fetch_or(&as->loaded, bit_of(cpu), __ATOMIC_SEQ_CST);
    write_cr3(as ? as->root : kernel_root());
    if (old)
        __atomic_fetch_and(&old->loaded, ~bit_of(cpu), __ATOMIC_SEQ_CST);
}

void aspace_switch(struct aspace *as)
{
    struct cpu *cpu = this_cpu();
    if (cpu->aspace == as && cpu->aspace_used)
        return;
    stop_using(cpu);
    if (!as)
        return;
    __atomic_fetch_or(&as->cpus, bit_of(cpu), __ATOMIC_SEQ_CST);
    cpu->aspace_used = true;
    uint64_t generation = __atomic_load_n(&as->generation, __ATOMIC_SEQ_CST);
    if (cpu->aspace != as)
        load(cpu, as);
    else if (cpu->aspace_seen != generation)
        write_cr3(as->root);
    cpu->aspace_seen = generation;
}

struct aspace *aspace_current(void)
{
    struct aspace *as;
    /* One instruction: the thread may move to another CPU at any other time. */
    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(as) : "i"(offsetof(struct cpu, aspace)));
    return as;
}

/* On a CPU that has arg loaded, or had until just now. */
static void leave(void *arg)
{
    struct cpu *cpu = this_cpu();
    if (cpu->aspace != arg)
        return;
    stop_using(cpu);
    load(cpu, NULL);
}

void aspace_evict(struct aspace *as)
{
    uint64_t flags = irq_save();
    leave(as);
    irq_restore(flags);
    uint32_t others = __atomic_load_n(&as->loaded, __ATOMIC_SEQ_CST);
    if (others)
        smp_call(others, leave, as);
    ASSERT(!__atomic_load_n(&as->loaded, __ATOMIC_SEQ_CST));
}

/* ---- telling the others ---- */

void vm_batch_settle_some(struct aspace *as, struct vm_batch *b)
{
    ASSERT(spin_held(&as->lock));
    struct cpu *cpu = this_cpu();
    uint64_t now = __atomic_add_fetch(&as->generation, 1, __ATOMIC_SEQ_CST);
    if (cpu->aspace == as) {
        cpu_flush_tlb(b->from, b->to);
        if (cpu->aspace_seen == now - 1)
            cpu->aspace_seen = now;
    }
    b->cpus = __atomic_load_n(&as->cpus, __ATOMIC_SEQ_CST) & ~bit_of(cpu);
}

void vm_batch_finish_some(struct vm_batch *b)
{
    if (b->cpus)
        smp_flush_tlb(b->cpus, b->from, b->to);
    frame_list_free(&b->frames);
    *b = (struct vm_batch){ 0 };
}
