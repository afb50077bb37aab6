/* What happens when a lock is taken already, and the names of the ranks (spinlock.h). */
#include "klib/spinlock.h"

static const char *const names[RANK_COUNT] = {
    [RANK_JOB] = "job",           [RANK_PROCESS] = "process",
    [RANK_ENDPOINT] = "endpoint", [RANK_ASPACE] = "aspace",
    [RANK_SHM_MAPS] = "shm-maps", [RANK_SHM] = "shm",
    [RANK_HANDLES] = "handles",   [RANK_DEVICE] = "device",
    [RANK_PIPE] = "pipe",         [RANK_WATCH] = "watch",
    [RANK_PORT] = "port",         [RANK_WAITQ] = "waitq",
    [RANK_THREAD] = "thread",     [RANK_RUNQUEUE] = "runqueue",
    [RANK_TIMER] = "timer",       [RANK_KMAP] = "kmap",
    [RANK_HEAP] = "heap",         [RANK_FRAME] = "frame",
    [RANK_LOG] = "log",           [RANK_FRAME_CACHE] = "frame-cache",
    [RANK_SERIAL] = "serial",     [RANK_TRACE] = "trace",
    [RANK_RANDOM] = "random",
};

const char *lock_rank_name(unsigned rank)
{
    return rank < RANK_COUNT && names[rank] ? names[rank] : "?";
}

void spin_contend(struct spinlock *l)
{
    struct lock_waits *w = &this_cpu()->lock_waits[l->rank];
    uint64_t turns = 0;
    do {
        for (; __atomic_load_n(&l->locked, __ATOMIC_RELAXED); turns++)
            cpu_pause();
    } while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE));
    w->contended++;
    w->turns += turns;
}
