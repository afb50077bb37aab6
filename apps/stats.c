/* stats: counters of each processor, and which locks of the kernel were waited for. */
#include <err.h>
#include <errno.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>

enum { CPUS_MAX = 64, LOCKS_MAX = 64 };

static struct cpu_stats cpus[CPUS_MAX];
static struct lock_stats locks[LOCKS_MAX];

static size_t need(int64_t n, size_t most, const char *what)
{
    if (n < 0) {
        errno = (int)-n;
        err(1, "%s", what);
    }
    return (size_t)n < most ? (size_t)n : most;
}

int main(int argc, char **argv)
{
    handle_t machine;
    size_t ncpus, nlocks;

    (void)argv;
    if (argc > 1)
        errx(2, "usage: stats");
    machine = start_need(START_MACHINE, "the machine handle");
    ncpus = need(sys_machine_cpus(machine, cpus, CPUS_MAX), CPUS_MAX, "processors");
    nlocks = need(sys_machine_locks(machine, locks, LOCKS_MAX), LOCKS_MAX, "locks");
    puts(
        "CPU   SYSCALLS   IPC-CALLS   SWITCHES INTERRUPTS     FAULTS       IPIS SHOOTDOWNS     STEALS    IDLE/S");
    for (size_t i = 0; i < ncpus; i++) {
        const struct cpu_stats *c = &cpus[i];
        printf("%3lu %10lu %11lu %10lu %10lu %10lu %10lu %10lu %10lu %5lu.%03lu\n", i, c->syscalls,
               c->ipc_calls, c->switches, c->interrupts, c->faults, c->ipis, c->shootdowns,
               c->steals, c->idle_ns / 1000000000, c->idle_ns / 1000000 % 1000);
    }
    puts("LOCK RANK         CONTENDED        TURNS");
    for (size_t i = 0; i < nlocks; i++)
        printf("%4lu %-12s %10lu %12lu\n", locks[i].rank, (const char *)locks[i].name,
               locks[i].contended, locks[i].turns);
    return 0;
}
