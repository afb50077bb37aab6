/* ps: the processes of the system. MEM is private memory touched, in KiB; CPU is time used. */
#include <err.h>
#include <errno.h>
#include <rugo/processes.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>

static const char *state_name(uint32_t state)
{
    static const char *const names[] = { "new", "run", "dying", "dead" };

    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

static void print(handle_t job, uint64_t pid)
{
    struct process_info p;
    handle_t h = sys_process_open(job, pid, RIGHT_INSPECT);

    if (h < 0)
        return; /* it has ended since */
    if (sys_process_info(h, &p) == 0)
        printf("%5lu %5lu %-5s %7u %7u %8lu %5lu.%03lu %.*s\n", p.pid, p.ppid, state_name(p.state),
               p.threads, p.handles, p.pages * (PAGE_SIZE / 1024), p.cpu_ns / 1000000000,
               p.cpu_ns / 1000000 % 1000, NAME_LEN, (const char *)p.name);
    (void)sys_handle_close(h);
}

int main(int argc, char **argv)
{
    handle_t job = start_need(START_ROOT_JOB, "the job handle");
    uint64_t *pids;
    int64_t n;

    (void)argv;
    if (argc > 1)
        errx(2, "usage: ps");
    n = job_pids(job, &pids);
    if (n < 0) {
        errno = (int)-n;
        err(1, "the job's list");
    }
    puts("  PID  PPID STATE THREADS HANDLES  MEM/KIB     CPU/S NAME");
    for (int64_t i = 0; i < n; i++)
        print(job, pids[i]);
    return 0;
}
