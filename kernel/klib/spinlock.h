/*
 * Spinlocks that mask interrupts while held.
 *
 * Each lock has a rank; a CPU takes locks only in rising rank (docs/locks.md) and releases them in reverse order,
 * because the interrupt state from before the acquisition is kept in the lock. Debug builds check both.
 * Nobody sleeps or touches user memory with a spinlock held.
 */
#ifndef KLIB_SPINLOCK_H
#define KLIB_SPINLOCK_H

#include "klib/assert.h"
#include "klib/types.h"
#include "x86/cpu.h"
#include "x86/spin_take.h"

enum lock_rank {
    RANK_NONE = 0,
    RANK_JOB,      /* tree of jobs and list of processes */
    RANK_PROCESS,  /* one process: state, threads */
    RANK_ENDPOINT, /* queues and sessions of an endpoint */
    RANK_ASPACE,   /* regions and page tables of an address space */
    RANK_SHM_MAPS, /* mappings of a memory object */
    RANK_SHM,      /* pages of a memory object */
    RANK_HANDLES,  /* a handle table */
    RANK_DEVICE,   /* a driver's queue */
    RANK_TRACE,    /* records of a trace */
    RANK_PIPE,     /* positions and pages of a pipe */
    RANK_WATCH,    /* observers of an object */
    RANK_PORT,     /* events of a port */
    RANK_WAITQ,    /* a wait queue with a lock of its own */
    RANK_THREAD,   /* state of a thread */
    RANK_RUNQUEUE, /* ready threads of a CPU */
    RANK_TIMER,    /* timers of a CPU */
    RANK_KMAP,     /* kernel mappings */
    RANK_HEAP,     /* slabs of one size of the kernel heap */
    RANK_FRAME_CACHE, /* page frames at hand for a CPU */
    RANK_FRAME,    /* page frames that all share */
    RANK_LOG,      /* system log */
    RANK_SERIAL,   /* serial port registers */
    RANK_RANDOM,   /* the pool of random numbers: under any other */
    RANK_COUNT
};
_Static_assert(RANK_COUNT <= LOCK_RANKS, "struct cpu");

struct spinlock {
    uint32_t locked;
    uint16_t rank;
    uint16_t prev_rank; /* of the lock taken before on this CPU */
    uint64_t flags;     /* RFLAGS from before; belongs to the holder */
};

#define SPINLOCK_INIT(r) { .rank = (r) }

static inline void spin_init(struct spinlock *l, enum lock_rank rank)
{
    *l = (struct spinlock)SPINLOCK_INIT((uint16_t)rank);
}

_Static_assert(offsetof(struct spinlock, locked) == 0, "its address is the lock's in spin_acquire");

/* Name of a rank, for people. */
const char *lock_rank_name(unsigned rank);
/* Wait until l is ours, and count that; interrupts are off. */
void spin_contend(struct spinlock *l);

/* With interrupts off already, and off until the release: for paths that count instructions. */
_Static_assert(offsetof(struct spinlock, locked) == 0, "x86/spin_take.h");

static inline void spin_acquire(struct spinlock *l)
{
#ifdef DEBUG
    ASSERT(!irq_enabled() && this_cpu()->lock_rank < l->rank);
#endif
    spin_take(l);
#ifdef DEBUG
    l->prev_rank = (uint16_t)this_cpu()->lock_rank;
    this_cpu()->lock_rank = l->rank;
#endif
}

static inline void spin_release(struct spinlock *l)
{
#ifdef DEBUG
    ASSERT(this_cpu()->lock_rank == l->rank);
    this_cpu()->lock_rank = l->prev_rank;
#endif
    __atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
}

static inline void spin_lock(struct spinlock *l)
{
    uint64_t flags = irq_save();
    spin_acquire(l);
    l->flags = flags;
}

static inline void spin_unlock(struct spinlock *l)
{
    uint64_t flags = l->flags;
    spin_release(l);
    irq_restore(flags);
}

/*
 * Take l if it is free; false: it isn't. For who holds a lock of a higher rank and can let go of it and start anew.
 */
static inline bool spin_try(struct spinlock *l)
{
    uint64_t flags = irq_save();
    if (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE)) {
        irq_restore(flags);
        return false;
    }
    l->flags = flags;
#ifdef DEBUG
    l->prev_rank = (uint16_t)this_cpu()->lock_rank;
    this_cpu()->lock_rank = l->rank;
#endif
    return true;
}

static inline bool spin_held(const struct spinlock *l)
{
    return __atomic_load_n(&l->locked, __ATOMIC_RELAXED);
}

#endif
