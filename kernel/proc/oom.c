/*
 * When memory is out (process.h).
 *
 * A program that touches more than its job may is ended: that is its own affair. When the machine has no frame left for
 * it though its job has room, the programs together were promised too much, and one of them has to go: of the jobs that
 * services have made, the one that uses most, with all that is in it. Of a job that made jobs itself only the one goes that
 * uses more than half of it, and so on inside. Core services are never chosen, and have FRAME_RESERVE to go on meanwhile.
 * Who was refused waits until the chosen job has ended, and tries again.
 */
#include "klib/printf.h"
#include "mm/frame.h"
#include "proc/job.h"
#include "x86/clock.h"

/* Free frames above a thread's floor that may be on their way between the allocator's lists. */
#define SLACK 64u
/* A look whether the chosen job has ended, and how many of them before the touch fails after all. */
#define LOOK_NS 1000000u
#define LOOKS   2000u
/* How often a touch is tried that was refused though memory is there: others are giving theirs back just then. */
#define TRIES 16u
/* Bytes that a touch may need, page tables included. */
#define TOUCH_BYTES (5 * PAGE_SIZE)

static bool memory_is_out(void)
{
    return frame_totals().free <= current_thread()->frame_floor + SLACK;
}

static void sleep_a_moment(void)
{
    struct spinlock lock = SPINLOCK_INIT(RANK_WAITQ);
    struct wait_queue q;
    wait_queue_init(&q);
    spin_lock(&lock);
    /* An upcall waits: the touch it would interrupt can't be left half done. */
    (void)!wait_sleep_heeding(&q, &lock, clock_ns() + LOOK_NS, WORK_KILL);
    spin_unlock(&lock);
}

/* End the job that has to go, unless one is ending already. False: there is none. */
static bool make_room(void)
{
    struct job_victim v;
    if (!job_choose_victim(&v))
        return false;
    if (!v.job)
        return true;
    kprintf_at(
        LOG_ERR,
        "OOM: memory is out: the job of pid=%lu name=%s with %lu KiB and %lu processes is ended\n",
        v.pid, v.name, v.bytes >> 10, v.processes);
    job_kill(v.job);
    object_put(&v.job->obj);
    return true;
}

static bool job_is_full(void)
{
    return account_room(&current_thread()->process->job->account, JOB_MEMORY) < TOUCH_BYTES;
}

/* Whether a touch that was refused is worth trying again, after some time. */
static bool worth_waiting(unsigned *looks, unsigned *tries)
{
    if (thread_killed(current_thread()))
        return false;
    if (memory_is_out()) {
        *tries = 0;
        return ++*looks < LOOKS && make_room();
    }
    return !job_is_full() && ++*tries < TRIES;
}

status_t process_fault(struct aspace *as, uintptr_t va, uint32_t access)
{
    unsigned looks = 0, tries = 0;
    for (;;) {
        status_t st = vm_fault(as, va, access);
        if (LIKELY(st != -ENOMEM) || !worth_waiting(&looks, &tries))
            return st;
        sleep_a_moment();
    }
}
