/* free: memory of the machine, in KiB, and what the kernel keeps count of. */
#include <err.h>
#include <errno.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>

static unsigned long kib(uint64_t pages)
{
    return pages * (PAGE_SIZE / 1024);
}

int main(int argc, char **argv)
{
    handle_t machine = start_need(START_MACHINE, "the machine handle");
    struct machine_info m;
    int st = sys_machine_info(machine, &m);

    (void)argv;
    if (argc > 1)
        errx(2, "usage: free");
    if (st != 0) {
        errno = -st;
        err(1, "machine");
    }
    puts("              total       used       free     kernel       boot");
    printf("memory %12lu %10lu %10lu %10lu %10lu  KiB\n", kib(m.total_pages),
           kib(m.total_pages - m.free_pages), kib(m.free_pages), kib(m.kernel_pages),
           kib(m.boot_pages));
    printf("objects: %lu processes, %lu threads, %lu handles, %lu sessions, ", m.processes,
           m.threads, m.handles, m.sessions);
    printf("%lu endpoints, %lu memory objects, %lu ports\n", m.endpoints, m.shms, m.ports);
    return 0;
}
