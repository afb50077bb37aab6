/* In place of kernel/x86/cpu.h for the explorer: each of its threads runs on a CPU of its own. */
#ifndef X86_CPU_H
#define X86_CPU_H

#include "klib/types.h"
#include "x86/layout.h"

#define MAX_CPUS   8
#define LOCK_RANKS 32

struct thread;
struct aspace;

struct lock_waits {
    uint64_t contended, turns;
};

struct cpu {
    struct thread *current;
    uint32_t id, apic_id, irq_depth, lock_rank;
    bool irqs_off;
    uint64_t frame_floor;
    struct cpu_stats stats;
    struct lock_waits lock_waits[LOCK_RANKS];
    uint64_t aspace_bits;
    struct aspace *aspace;
    bool aspace_used;
    uint64_t aspace_seen;
    uint64_t slice_end, timer_programmed;
    struct runqueue *runqueue;
    struct thread *switched_from, *leaving, *idle;
};

extern struct cpu cpus[MAX_CPUS];
/* Of the thread that the explorer lets run. */
struct cpu *this_cpu(void);

#define CPU_COUNT(field) (this_cpu()->stats.field++)

static inline struct thread *current_thread(void)
{
    return this_cpu()->current;
}
static inline uint64_t irq_save(void)
{
    uint64_t before = !this_cpu()->irqs_off;
    this_cpu()->irqs_off = true;
    return before;
}
static inline void irq_restore(uint64_t flags)
{
    if (flags)
        this_cpu()->irqs_off = false;
}
static inline void irq_disable(void)
{
    this_cpu()->irqs_off = true;
}
static inline void irq_enable(void)
{
    this_cpu()->irqs_off = false;
}
#define MSR_FS_BASE 0u
static inline void wrmsr(uint32_t msr, uint64_t v)
{
    (void)msr, (void)v;
}
static inline void user_access_begin(void)
{
}
static inline void user_access_end(void)
{
}
/* A waiting loop lets others run. */
void cpu_pause(void);
/* The explorer's own translation look-aside buffers (explore_vm.c). */
void write_cr3(uint64_t v);
void cpu_flush_tlb(uintptr_t from, uintptr_t to);
static inline bool irq_enabled(void)
{
    return !this_cpu()->irqs_off;
}

#endif
