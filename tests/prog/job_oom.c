/*
 * `test=job.oom`: memory runs out though no job is at its limit. The job with most of it ends, by name, and of a job of jobs
 * only the one that is to blame; a neighbour who was refused meanwhile gets its pages and keeps its data.
 */
#include "tests/prog/stress.h"

enum { MIB = 1024 * 1024, SMALL = 3 * MIB };

/* Touch memory without end. */
static int hog(void)
{
    for (;;) {
        char *at = (char *)NEED(sys_vm_map(HANDLE_SELF, 0, MIB, VM_READ | VM_WRITE, 0));

        for (size_t i = 0; i < MIB; i += PAGE_SIZE)
            at[i] = 1;
    }
}

/* Fill a little memory, give it back, and again: all of it must always be there. */
static int modest(void)
{
    for (uint32_t round = 1;; round++) {
        char *at = (char *)NEED(sys_vm_map(HANDLE_SELF, 0, SMALL, VM_READ | VM_WRITE, 0));

        for (size_t i = 0; i < SMALL; i += PAGE_SIZE)
            memcpy(at + i, &round, sizeof round);
        for (size_t i = 0; i < SMALL; i += PAGE_SIZE)
            if (memcmp(at + i, &round, sizeof round) != 0)
                return 1;
        NEED(sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, SMALL));
    }
}

static handle_t start(const char *mode, handle_t job)
{
    char *argv[] = { (char *)mode, (char *)mode, NULL };

    return stress_spawn("test/job_oom", argv, job, NULL, 0);
}

static void round_of(handle_t outer)
{
    handle_t guilty = NEED_HANDLE(sys_job_create(outer)),
             inner = NEED_HANDLE(sys_job_create(guilty));
    handle_t good = NEED_HANDLE(sys_job_create(outer));
    handle_t neighbour = start("modest", good), hungry = start("hog", inner);
    int status = 0;

    NEED(process_wait(hungry, &status, 60000 * MS));
    EXPECT(9, status);
    EXPECT(-EAGAIN, sys_process_status(neighbour));
    handle_t p = sys_process_create(inner, "p", 1);
    EXPECT(-ESRCH, p);
    NEED(sys_thread_sleep(20 * MS));
    EXPECT(-EAGAIN, sys_process_status(neighbour));
    NEED(sys_job_kill(good));
    (void)test_wait(neighbour);
    const handle_t all[] = { guilty, inner, good, hungry };
    for (size_t i = 0; i < 4; i++)
        NEED(sys_handle_close(all[i]));
}

int main(int argc, char **argv)
{
    struct machine_info before;
    struct job_info info;

    if (argc > 1)
        return strcmp(argv[1], "hog") == 0 ? hog() : modest();
    handle_t outer = stress_job();
    round_of(outer); /* what is made once is made now */
    stress_settled(&before);
    round_of(outer);
    stress_same(&before);
    NEED(sys_job_info(outer, &info));
    EXPECT(0, info.used[JOB_MEMORY]);
    NEED(sys_handle_close(outer));
    test_mark("JOB: out of memory ok");
    return 0;
}
