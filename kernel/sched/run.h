/* What it takes to run another thread, inline for the two places that do it: schedule.c and handover.h. */
#ifndef SCHED_RUN_H
#define SCHED_RUN_H

#include "mm/aspace.h"
#include "sched/sched.h"
#include "x86/clock.h"
#include "x86/fpu.h"
#include "x86/gdt.h"
#include "x86/switch.h"

#define LEVELS     ((PRIORITY_MAX + 1) * 2)
#define LEVEL_IDLE (-1)

struct runqueue {
    struct spinlock lock; /* r */
    uint32_t levels; /* [r] bit n: queue[n] is not empty */
    int running; /* [r] level of what runs, LEVEL_IDLE: nothing */
    bool timed; /* [r] its slice is being timed, or an interrupt is on its way to see to that */
    uint64_t
        passed_over; /* [r] since when fresh threads run before others of their priority; 0: no */
    struct list queue[LEVELS]; /* [r] struct thread.ready_node, next to run first */
} ALIGNED(64);

/* After a change of priority or freshness; t is in no queue. */
static inline void set_level(struct thread *t)
{
    t->level = (uint8_t)(thread_priority(t) * 2 + t->fresh);
}

/* Account for the time since prev was switched to. */
static inline void charge_time(struct thread *prev, uint64_t now)
{
    uint64_t ran = now - prev->started;
    prev->cpu_ns += ran;
    prev->started = now;
    if (!prev->fresh)
        return;
    prev->credit -= min_u64(ran, prev->credit);
    if (prev->credit || prev->state != THREAD_RUNNING)
        return; /* one that sleeps may be woken and in a queue by now: its level says in which */
    prev->fresh = false;
    set_level(prev);
}

/* Make the CPU's state that of next: page tables, stack for traps, FPU, FS base. */
static inline void load_state(struct cpu *cpu, struct thread *prev, struct thread *next)
{
    cpu->current = next;
    cpu->frame_floor = next->frame_floor;
    if (cpu->aspace != next->aspace || !cpu->aspace_used)
        aspace_switch(next->aspace);
    gdt_set_kernel_stack(cpu, next->kstack);
    if (LIKELY(prev->fpu && next->fpu))
        fpu_swap(prev->fpu, next->fpu);
    else if (prev->fpu)
        fpu_save(prev->fpu);
    else if (next->fpu)
        fpu_restore(next->fpu);
    if (next->fpu)
        wrmsr(MSR_FS_BASE, next->fs_base);
}

/* One that may not run here any more is put where it may; a dead one goes. */
void schedule_left(struct cpu *cpu);
/* The first thing a thread does after a switch to it: the one before it is out of this CPU. */
static inline void schedule_arrived(void)
{
    struct cpu *cpu = this_cpu();
    __atomic_store_n(&cpu->switched_from->on_cpu, false, __ATOMIC_RELEASE);
    if (UNLIKELY(cpu->leaving))
        schedule_left(cpu);
}

static inline void switch_to(struct cpu *cpu, struct thread *prev, struct thread *next,
                             uint64_t now)
{
    next->started = now;
    CPU_COUNT(switches);
    cpu->switched_from = prev;
    next->on_cpu = true;
    load_state(cpu, prev, next);
    context_switch(&prev->context, next->context);
    schedule_arrived();
}

#endif
