/* uptime: how long the machine has been running, and how much of that it had nothing to do. */
#include <err.h>
#include <errno.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    handle_t machine = start_need(START_MACHINE, "the machine handle");
    struct machine_info m;
    int st = sys_machine_info(machine, &m);
    uint64_t seconds, all;

    (void)argv;
    if (argc > 1)
        errx(2, "usage: uptime");
    if (st != 0) {
        errno = -st;
        err(1, "machine");
    }
    seconds = m.uptime_ns / 1000000000;
    all = m.uptime_ns / 100 * (m.cpus > 0 ? m.cpus : 1);
    printf("up %lu days, %02lu:%02lu:%02lu.%03lu, %u CPU%s, %lu %% idle\n", seconds / 86400,
           seconds / 3600 % 24, seconds / 60 % 60, seconds % 60, m.uptime_ns / 1000000 % 1000,
           m.cpus, m.cpus == 1 ? "" : "s", all > 0 ? m.idle_ns / all : 0);
    return 0;
}
