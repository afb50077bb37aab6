/*
 * The CPU's registers and instructions, and the data each CPU has of its own.
 *
 * In the kernel GS points at the running CPU's struct cpu; SWAPGS on the way in and out (entry/) keeps it so.
 * Offsets of the fields that assembly uses are pinned below. Sources: Intel SDM vol. 2 and 3.
 */
#ifndef X86_CPU_H
#define X86_CPU_H

#include "x86/cpu_offsets.h"
#include "x86/layout.h"
#include "klib/types.h"

#define MAX_CPUS   8
#define LOCK_RANKS 32 /* more than enum lock_rank has */

struct thread;
struct aspace;
struct runqueue;

/* Acquisitions of locks of one rank that had to wait (klib/spinlock.c). */
struct lock_waits {
    uint64_t contended, turns;
};

struct cpu {
    struct cpu *self;         /* 0 */
    uint64_t user_rsp;        /* 8: scratch of SYSCALL entry */
    uint64_t kernel_rsp;      /* 16: top of the running thread's kernel stack */
    struct thread *current;   /* 24: running thread */
    uint32_t id;              /* index */
    uint32_t irq_depth;       /* nesting of interrupt handlers */
    uint32_t lock_rank;       /* rank of the lock taken last (debug builds) */
    struct thread *idle;      /* runs when nothing else can */
    void *tss;
    uint64_t frame_floor;     /* free page frames the running thread must leave (mm/frame.h) */
    struct cpu_stats stats;   /* counted by this CPU with CPU_COUNT, read by all */
    struct lock_waits lock_waits[LOCK_RANKS]; /* by rank; counted by this CPU, read by all */

    /* sched/schedule.c */
    struct runqueue *runqueue;    /* [I] */
    struct thread
        *switched_from; /* ran before the current one, for the first code after the switch */
    struct thread *leaving;       /* the same if it is dead, or must go on on another CPU */
    uint64_t slice_end;           /* when the slice ends; UINT64_MAX: nobody waits for the CPU */
    uint64_t timer_programmed;    /* when the LAPIC timer will interrupt; UINT64_MAX: never */

    /* mm/aspace.c */
    uint64_t aspace_bits;  /* [I] its bits in aspace->presence */
    struct aspace *aspace; /* whose page tables are loaded; NULL: the kernel's own */
    bool aspace_used;      /* the running thread is one of it, so this CPU hears of its changes */
    uint64_t aspace_seen;  /* its generation up to which the TLB has forgotten what it must */

    /* x86/smp.c */
    uint32_t apic_id;      /* [I] of its local APIC */
    uint32_t calls_wanted; /* [a] bit n: cpus[n] has a call for this one */
    struct {
        void (*fn)(void *arg);
        void *arg;
        uint32_t waiting;  /* [a] CPUs that have not done it yet */
    } call;                /* this CPU's, valid while it waits */
} ALIGNED(64); /* what a CPU writes at each system call lies in no line of another's */

_Static_assert(offsetof(struct cpu, user_rsp) == 8, "entry/syscall.S");
_Static_assert(offsetof(struct cpu, kernel_rsp) == 16, "entry/syscall.S");
_Static_assert(offsetof(struct cpu, current) == 24, "entry/syscall.S");

_Static_assert(offsetof(struct cpu, stats.syscalls) == CPU_STATS_SYSCALLS, "entry/syscall.S");

extern struct cpu cpus[MAX_CPUS];
/* CPUs that run threads: cpus[0] … in the order in which they were started. Grows during start-up only. */
extern uint32_t cpu_count;

static inline uint32_t cpu_mask_all(void)
{
    return (1u << __atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE)) - 1;
}

/* Count one in the stats of the running CPU: one instruction, which no migration splits. */
#define CPU_COUNT(field) \
    __asm__ volatile("incq %%gs:%c0" ::"i"(offsetof(struct cpu, stats.field)) : "memory", "cc")

static inline struct cpu *this_cpu(void)
{
    struct cpu *c;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(c));
    return c;
}
static inline struct thread *current_thread(void)
{
    struct thread *t;
    __asm__ volatile("mov %%gs:24, %0" : "=r"(t));
    return t;
}

/* What this CPU can do, filled by cpu_features_init(). */
struct cpu_features {
    bool smep, smap, umip, nx, xsave, page1g, rdrand, mce;
    uint32_t phys_bits; /* of a physical address */
    uint32_t xsave_size; /* bytes of the save area with XCR0 as we set it; 512 without XSAVE */
    uint64_t xcr0;
};
_Static_assert(offsetof(struct cpu_features, smap) == CPU_FEATURES_SMAP, "entry/trap.S");
extern struct cpu_features cpu_features;
void cpu_features_init(void);
/* Set CR0, CR4, EFER, XCR0 of the calling CPU for the kernel. */
void cpu_control_init(void);

#define CR0_MP             (1ull << 1)
#define CR0_EM             (1ull << 2)
#define CR0_TS             (1ull << 3)
#define CR0_NE             (1ull << 5)
#define CR0_WP             (1ull << 16)
#define CR4_DE             (1ull << 3)
#define CR4_MCE            (1ull << 6)
#define CR4_PGE            (1ull << 7)
#define CR4_OSFXSR         (1ull << 9)
#define CR4_OSXMMEXCPT     (1ull << 10)
#define CR4_UMIP           (1ull << 11)
#define CR4_FSGSBASE       (1ull << 16)
#define CR4_OSXSAVE        (1ull << 18)
#define CR4_SMEP           (1ull << 20)
#define CR4_SMAP           (1ull << 21)
#define EFER_SCE           (1ull << 0)
#define EFER_LME           (1ull << 8)
#define EFER_NXE           (1ull << 11)
#define MSR_APIC_BASE      0x1bu
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define RFLAGS_TF          (1ull << 8)
#define RFLAGS_IF          (1ull << 9)
#define RFLAGS_DF          (1ull << 10)
#define RFLAGS_NT          (1ull << 14)
#define RFLAGS_AC          (1ull << 18)

static inline uint64_t irq_save(void)
{
    uint64_t f;
    __asm__ volatile("pushfq; pop %0; cli" : "=r"(f)::"memory");
    return f;
}
static inline void irq_restore(uint64_t flags)
{
    if (flags & RFLAGS_IF)
        __asm__ volatile("sti" ::: "memory");
}
static inline void irq_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}
static inline void irq_disable(void)
{
    __asm__ volatile("cli" ::: "memory");
}
static inline bool irq_enabled(void)
{
    uint64_t f;
    __asm__ volatile("pushfq; pop %0" : "=r"(f));
    return f & RFLAGS_IF;
}
static inline void cpu_pause(void)
{
    __asm__ volatile("pause");
}
static inline void cpu_halt(void)
{
    __asm__ volatile("hlt");
}
/* Enable interrupts and halt with nothing in between: STI takes effect after the next instruction. */
static inline void cpu_wait_for_irq(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}
static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}
static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}
static inline uint64_t read_cr2(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}
static inline uint64_t read_cr3(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}
static inline void write_cr3(uint64_t v)
{
    __asm__ volatile("mov %0, %%cr3" ::"r"(v) : "memory");
}
static inline void tlb_flush_page(uintptr_t va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}
static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline void outw(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}
static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}
/* Let user pages be touched between the two (SMAP); without SMAP they do nothing. */
static inline void user_access_begin(void)
{
    if (LIKELY(cpu_features.smap))
        __asm__ volatile("stac" ::: "memory");
}
static inline void user_access_end(void)
{
    if (LIKELY(cpu_features.smap))
        __asm__ volatile("clac" ::: "memory");
}
/* Forget this CPU's translations of [from, to), which is all in one half; more than that when they are many. */
void cpu_flush_tlb(uintptr_t from, uintptr_t to);
/* Whether a byte at a kernel address can be read without a fault (by walking the page tables). */
bool cpu_can_read(uintptr_t va);

#endif
