/* dmesg [-f]: the system log, as far as it is kept; with -f also what is added to it from now on. */
#include <err.h>
#include <errno.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE 100000 /* microseconds between two looks */

/* All there is from *from on. Nobody has written more than that meanwhile, or the next look shows it. */
static void print_from(handle_t log, uint64_t *from)
{
    static char buf[4096];
    int64_t n;

    while ((n = sys_log_read(log, from, buf, sizeof buf, *from)) > 0)
        if (write(STDOUT_FILENO, buf, (size_t)n) != n)
            err(1, "standard output");
    if (n < 0) {
        errno = (int)-n;
        err(1, "the log");
    }
}

int main(int argc, char **argv)
{
    uint64_t from = 0;
    int option, follow = 0;
    handle_t log;

    while ((option = getopt(argc, argv, "f")) != -1) {
        if (option == '?')
            errx(2, "usage: dmesg [-f]");
        follow = 1;
    }
    if (optind < argc)
        errx(2, "usage: dmesg [-f]");
    log = start_need(START_LOG, "the log handle");
    print_from(log, &from);
    while (follow) {
        (void)usleep(PATIENCE);
        print_from(log, &from);
    }
    return 0;
}
