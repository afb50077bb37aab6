/* The kernel's own test scenarios (selftest.h). */
#include "selftest/selftest.h"
#include "entry/trap.h"
#include "klib/cmdline.h"
#include "klib/printf.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/pagetable.h"
#include "selftest/plant.h"
#include "sched/thread.h"
#include "x86/clock.h"
#include "x86/debugexit.h"

static const char *suffix;
static const struct boot_info *boot;

static NORETURN void end(bool success)
{
    debug_exit(success ? DEBUG_EXIT_SUCCESS : DEBUG_EXIT_FAILURE);
    kprintf("TEST: no isa-debug-exit device to end the machine\n");
    for (;;)
        cpu_halt();
}

static uint64_t number_option(const char *key, uint64_t otherwise)
{
    char text[32];
    return cmdline_get(boot->cmdline, key, text, sizeof text) ? str_to_u64(text) : otherwise;
}

/* ---- boot, command line ---- */

static void test_boot(void)
{
    uint64_t cr0, cr4, efer = rdmsr(MSR_EFER);
    __asm__("mov %%cr0, %0" : "=r"(cr0));
    __asm__("mov %%cr4, %0" : "=r"(cr4));
    bool on = (cr0 >> 31) && read_cr3() == kernel_root() && (cr0 & CR0_WP) && (efer & EFER_NXE);
    if (on)
        kprintf("MM: paging=on cr0=0x%lx cr3=0x%lx cr4=0x%lx efer=0x%lx%s\n", cr0, read_cr3(), cr4,
                efer, suffix);
    kprintf("RUGO: halt ok%s\n", suffix);
    end(on);
}

static void test_cmdline(void)
{
    kprintf("CMDLINE: %u ", boot->cmdline_length);
    for (uint32_t at = 0; at < boot->cmdline_length; at += 256)
        kprintf("%.256s", boot->cmdline + at);
    kprintf("\n");
    end(true);
}

static void test_panic(void)
{
    panic(number_option("code", 0x7e57), "asked for by test=panic%s", suffix);
}

/* ---- traps ---- */

static void test_pf(void)
{
    char kind[16] = "read";
    uintptr_t at = number_option("addr", 0xdead000);
    (void)cmdline_get(boot->cmdline, "kind", kind, sizeof kind);
    if (!strcmp(kind, "write"))
        *(volatile char *)at = 1;
    else if (!strcmp(kind, "exec"))
        ((void (*)(void))at)();
    else
        (void)*(volatile char *)at;
    kprintf("TEST: no page fault at 0x%lx (%s)\n", at, kind);
    end(false);
}

static uint64_t expected_vector;

/* Print the marker of the exception that was provoked; the instruction at fault ends the scenario, it is not resumed. */
static bool see_trap(struct trap_frame *f)
{
    static const char *const names[] = {
        [VEC_DE] = "div0", [VEC_BP] = "int3", [VEC_UD] = "ud2", [VEC_GP] = "gp"
    };
    if (f->vector != expected_vector)
        return false;
    kprintf("TRAP: %s rip=0x%lx%s\n", names[f->vector], f->rip, suffix);
    end(true);
}

static void provoke(uint64_t vector, void (*fn)(void))
{
    expected_vector = vector;
    trap_set_hook(see_trap);
    fn();
    kprintf("TEST: the exception did not come\n");
    end(false);
}

static void do_int3(void)
{
    __asm__ volatile("int3");
}
static void do_div0(void)
{
    __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx" ::
                         : "eax", "ecx", "edx");
}
static void do_ud2(void)
{
    __asm__ volatile("ud2");
}
static void do_gp(void)
{
    __asm__ volatile("mov %0, %%rax; movb (%%rax), %%al" ::"r"(0x8000000000000000ull)
                     : "rax"); /* not canonical */
}
static void test_int3(void)
{
    provoke(VEC_BP, do_int3);
}
static void test_div0(void)
{
    provoke(VEC_DE, do_div0);
}
static void test_ud2(void)
{
    provoke(VEC_UD, do_ud2);
}
static void test_gp(void)
{
    provoke(VEC_GP, do_gp);
}

static bool see_double_fault(struct trap_frame *f)
{
    if (f->vector == VEC_DF)
        kprintf("TRAP: df rip=0x%lx%s\n", f->rip, suffix);
    return false; /* and let it end the machine */
}

static unsigned recurse(unsigned depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth == UINT32_MAX ? 0 : recurse(depth + 1) + (unsigned)frame[0];
}

/* Run over the end of a kernel stack: the guard page faults, the fault has no stack, the double fault has its own. */
static void test_df(void)
{
    trap_set_hook(see_double_fault);
    kprintf("TEST: %u\n", recurse(0));
    end(false);
}

/* Write past an array, over what the stack protector keeps behind it, by a pointer that gcc knows nothing of. */
static __attribute__((noinline, noclone)) void smash(size_t n)
{
    char array[16];
    volatile char *volatile at = array;
    for (size_t i = 0; i < n; i++)
        at[i] = 'x';
}

static void test_smash(void)
{
    smash(16);
    kprintf("TEST: a full array is well%s\n", suffix);
    smash(16 + 8); /* the word only: who called whom can still be told */
    end(true); /* which would be a failure: nothing was noticed */
}

static void test_triple_fault(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } PACKED none = { 0, 0 };
    __asm__ volatile("lidt %0; int3" ::"m"(none));
    end(false);
}

/* ---- timers and threads ---- */

static struct {
    struct timer timer;
    struct spinlock lock;
    struct wait_queue waiters;
    unsigned count;
} ticks = { .lock = SPINLOCK_INIT(RANK_WAITQ) };

#define TICKS   100u
#define TICK_NS 1000000u

static void tick(struct timer *t)
{
    spin_lock(&ticks.lock);
    if (++ticks.count < TICKS)
        timer_arm(t, t->deadline + TICK_NS);
    else
        wait_wake_all(&ticks.waiters, 0);
    spin_unlock(&ticks.lock);
}

static void test_ticks(void)
{
    uint64_t start = clock_ns();
    wait_queue_init(&ticks.waiters);
    timer_init(&ticks.timer, tick);
    timer_arm(&ticks.timer, start + TICK_NS);
    spin_lock(&ticks.lock);
    while (ticks.count < TICKS)
        if (wait_sleep(&ticks.waiters, &ticks.lock, WAIT_FOREVER) != 0)
            end(false);
    spin_unlock(&ticks.lock);
    uint64_t took = clock_ns() - start;
    kprintf("TICK: %u in %lu us%s\n", ticks.count, took / 1000, suffix);
    end(took >= TICKS * (uint64_t)TICK_NS);
}

#define SWITCHES 20u
static volatile uint32_t runs[2]; /* changes to each of the two threads that they saw */
static volatile char last_seen;

/* Prints its letter whenever the other one ran in between; never yields. */
static void spin_and_print(void *arg)
{
    char me = *(const char *)arg;
    while (runs[0] < SWITCHES || runs[1] < SWITCHES) {
        if (last_seen == me)
            continue;
        uint64_t flags = irq_save();
        last_seen = me;
        runs[me - 'A']++;
        kprintf("%c", me);
        irq_restore(flags);
    }
}

static void test_threads(void)
{
    struct thread *t[2];
    static const char names[2] = { 'A', 'B' };
    for (int i = 0; i < 2; i++) {
        t[i] = thread_create_kernel(i ? "B" : "A", spin_and_print, (void *)(uintptr_t)&names[i]);
        if (!t[i])
            end(false);
        thread_start(t[i]);
    }
    while (t[0]->state != THREAD_DEAD || t[1]->state != THREAD_DEAD)
        thread_yield();
    kprintf("\nTHREADS: A=%u B=%u%s\n", runs[0], runs[1], suffix);
    end(true);
}

static uint32_t at_the_start; /* [a] CPUs whose thread is ready to panic */

static void panic_with_the_others(void *arg)
{
    irq_disable();
    __atomic_fetch_add(&at_the_start, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&at_the_start, __ATOMIC_SEQ_CST) < cpu_count)
        cpu_pause();
    panic((uintptr_t)arg, "all at once%s", suffix);
}

/* All CPUs panic at the same time: one is heard. */
static void test_panic_all(void)
{
    struct thread *t[MAX_CPUS];
    for (uint32_t i = 0; i < cpu_count; i++) {
        t[i] = thread_create_kernel("panic", panic_with_the_others, (void *)(uintptr_t)(0x100 + i));
        if (!t[i] || !thread_set_affinity(t[i], 1u << i))
            end(false);
    }
    uint64_t flags = irq_save(); /* the first must not take this CPU before the last is there */
    for (uint32_t i = 0; i < cpu_count; i++)
        thread_start(t[i]);
    irq_restore(flags);
    thread_sleep(10000000000ull);
    end(true); /* nobody panicked: the test expects failure */
}

/* ---- memory ---- */

static bool fill_and_free(void)
{
    enum { N = 300 };
    static void *p[N];
    bool intact = true;
    for (unsigned i = 0; i < N; i++) {
        size_t size = 1 + (i * 977u) % PAGE_SIZE;
        p[i] = kmalloc(size);
        if (!p[i])
            return false;
        memset(p[i], (int)i, size);
    }
    for (unsigned i = 0; i < N; i++) {
        size_t size = 1 + (i * 977u) % PAGE_SIZE;
        for (size_t k = 0; k < size; k++)
            intact &= ((uint8_t *)p[i])[k] == (uint8_t)i;
        kfree(p[i]);
    }
    return intact;
}

/* The heap gives back what it took. The first round opens new chunks of the frame database, which stay. */
static void test_memory(void)
{
    bool intact = fill_and_free();
    uint64_t before = frame_totals().free;
    intact &= fill_and_free();
    uint64_t after = frame_totals().free;
    kprintf("MM: intact=%d free before=%lu after=%lu%s\n", intact, before, after, suffix);
    end(intact && before == after);
}

/* A bug of kind= in a kernel that checks itself; that it goes on is the failure. */
static void test_plant(void)
{
    char kind[32] = "";
    (void)cmdline_get(boot->cmdline, "kind", kind, sizeof kind);
    if (plant_bug(kind))
        kprintf("TEST: nobody noticed the bug %s%s\n", kind, suffix);
    else
        kprintf("TEST: this kernel has no bug '%s' to plant%s\n", kind, suffix);
    end(false);
}

static void test_list(void);

static const struct {
    const char *name;
    void (*run)(void);
    const char *what;
} scenarios[] = {
    { "boot", test_boot, "start, show the control registers, end" },
    { "cmdline", test_cmdline, "print the command line" },
    { "panic", test_panic, "panic with code=" },
    { "panic.all", test_panic_all, "panic on all processors at once" },
    { "pf", test_pf, "touch addr= with kind=read|write|exec" },
    { "int3", test_int3, "breakpoint" },
    { "div0", test_div0, "divide error" },
    { "ud2", test_ud2, "invalid opcode" },
    { "gp", test_gp, "general protection" },
    { "smash", test_smash, "smash a kernel stack: the stack protector" },
    { "df", test_df, "overflow a kernel stack: double fault" },
    { "triplefault", test_triple_fault, "reset the CPU" },
    { "ticks", test_ticks, "a hundred timer interrupts" },
    { "threads", test_threads, "two threads that never yield" },
    { "mm.heap", test_memory, "kernel heap gives everything back" },
    { "plant", test_plant, "do what a checking kernel must notice; kind=" },
    { "list", test_list, "this list, then that of svcman" },
};

static void test_list(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        kprintf("TEST: %-12s %s\n", scenarios[i].name, scenarios[i].what);
}

bool selftest_run(const char *name, const char *line_suffix, const struct boot_info *bi)
{
    suffix = line_suffix;
    boot = bi;
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        if (!strcmp(name, scenarios[i].name)) {
            scenarios[i].run();
            return scenarios[i].run != test_list;
        }
    return false;
}
