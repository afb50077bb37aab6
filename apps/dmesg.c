/* dmesg: the system log, as far as it is kept. */
#include <err.h>
#include <errno.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    handle_t log = start_need(START_LOG, "the log handle");
    static char buf[4096];
    uint64_t from = 0;
    int64_t n;

    (void)argv;
    if (argc > 1)
        errx(2, "usage: dmesg");
    while ((n = sys_log_read(log, &from, buf, sizeof buf, from)) > 0)
        if (write(STDOUT_FILENO, buf, (size_t)n) != n)
            err(1, "standard output");
    if (n < 0) {
        errno = (int)-n;
        err(1, "the log");
    }
    return 0;
}
