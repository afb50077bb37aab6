/* The processors: what the first one needs to run threads, and starting the others (thread.h). */
#include "klib/printf.h"
#include "mm/pagetable.h"
#include "sched/sched.h"
#include "x86/apic.h"
#include "x86/clock.h"
#include "x86/gdt.h"
#include "x86/irq.h"
#include "x86/smp.h"

#define START_TRIES       2000u
#define START_INTERVAL_NS 1000000ull

static struct thread boot_thread;
static void (*setup_cpu)(void);                     /* [I] */
static uintptr_t ist_tops[MAX_CPUS][GDT_IST_COUNT]; /* [I] once the CPU runs */

static NORETURN void idle_run(void)
{
    for (;;) {
        irq_disable();
        if (current_thread()->work & WORK_RESCHED)
            schedule();
        else
            cpu_wait_for_irq();
    }
}

static void idle_main(void *arg)
{
    (void)arg;
    idle_run();
}

static struct thread *make_idle(struct cpu *cpu)
{
    struct thread *t = thread_create_kernel("idle", idle_main, NULL);
    if (!t)
        return NULL;
    t->cpu = cpu->id;
    t->affinity = 1u << cpu->id;
    t->started = clock_ns();
    return t;
}

void sched_init(void)
{
    struct cpu *cpu = this_cpu();
    ready_init();
    timers_init();
    thread_init(&boot_thread, "boot");
    boot_thread.state = THREAD_RUNNING;
    boot_thread.on_cpu = true;
    boot_thread.started = clock_ns();
    object_get(&boot_thread.obj); /* static: never freed */
    cpu->current = &boot_thread;
    cpu->idle = make_idle(cpu);
    if (!cpu->idle)
        panic(PANIC_MEMORY, "no memory for the idle thread");
    irq_set(VEC_TIMER, timer_interrupt, NULL);
    irq_set(VEC_RESCHED, resched_interrupt, NULL);
    irq_set(VEC_CALL, smp_call_interrupt, NULL);
}

/* ---- other CPUs ---- */

/* A secondary CPU's way in, on the stack of its idle thread, which it becomes. */
static void secondary_main(struct cpu *cpu)
{
    cpu_control_init();
    gdt_init(cpu, ist_tops[cpu->id]);
    smp_arrived();
    lapic_init_secondary();
    setup_cpu();
    struct thread *t = cpu->idle;
    t->state = THREAD_RUNNING;
    t->on_cpu = true;
    t->started = clock_ns();
    t->work = WORK_RESCHED; /* there may be something to steal */
    cpu->current = t;
    gdt_set_kernel_stack(cpu, t->kstack);
    clock_check_secondary();
    __atomic_store_n(&cpu_count, cpu->id + 1, __ATOMIC_RELEASE);
    idle_run();
}

/* What a CPU needs before it runs; false: no memory. What there is of it stays for the next try. */
static bool prepare(struct cpu *cpu)
{
    for (unsigned i = 0; i < GDT_IST_COUNT; i++)
        if (!ist_tops[cpu->id][i] && !(ist_tops[cpu->id][i] = kstack_alloc()))
            return false;
    if (!cpu->idle)
        cpu->idle = make_idle(cpu);
    return cpu->idle != NULL;
}

static bool came(const struct cpu *cpu)
{
    return __atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE) > cpu->id;
}

void sched_start_cpus(const uint8_t *apic_ids, uint32_t count, uint32_t limit, paddr_t low,
                      void (*setup)(void))
{
    setup_cpu = setup;
    smp_prepare(low, kernel_root());
    for (uint32_t i = 0; i < count && cpu_count < limit; i++) {
        struct cpu *cpu = &cpus[cpu_count];
        if (apic_ids[i] == cpus[0].apic_id)
            continue;
        cpu->self = cpu;
        cpu->id = cpu_count;
        cpu->apic_id = apic_ids[i];
        if (!prepare(cpu)) {
            kprintf_at(LOG_WARNING, "CPU: no memory to start processor %u\n", cpu->apic_id);
            return;
        }
        smp_boot(cpu, cpu->idle->kstack, secondary_main);
        clock_check_boot();
        for (unsigned tries = 0; !came(cpu) && tries < START_TRIES; tries++)
            thread_sleep(START_INTERVAL_NS);
        if (!came(cpu)) { /* should it come after all, it must not find the next one's parameters */
            kprintf_at(LOG_WARNING, "CPU: processor %u does not start; going on with %u\n",
                       cpu->apic_id, cpu_count);
            return;
        }
    }
}
