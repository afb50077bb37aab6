/* kill [-SIGNAL] PID...: send a signal to processes (9 without one). A process that does nothing else
 * about it ends with a status that says the number. */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdlib.h>

static int kill_one(handle_t job, const char *word, uint32_t signal)
{
    char *end;
    unsigned long pid = strtoul(word, &end, 10);
    handle_t h;
    int st;

    if (!isdigit((unsigned char)word[0]) || *end != '\0') {
        warnx("%s: not a process number", word);
        return 1;
    }
    h = sys_process_open(job, pid, RIGHT_MANAGE);
    st = h < 0 ? h : sys_process_upcall(h, signal);
    if (h >= 0)
        (void)sys_handle_close(h);
    if (st == -ENOENT) {
        warnx("%s: no such process", word);
    } else if (st != 0) {
        errno = -st;
        warn("%s", word);
    }
    return st != 0;
}

int main(int argc, char **argv)
{
    int first = 1, failed = 0;
    uint32_t signal = 9;
    handle_t job;

    if (argc > 1 && argv[1][0] == '-') {
        signal = (uint32_t)atoi(argv[1] + 1);
        first = 2;
    }
    if (first >= argc || signal < 1 || signal > 64)
        errx(2, "usage: kill [-NUMBER] PID...");
    job = start_need(START_ROOT_JOB, "the job handle");
    for (int i = first; i < argc; i++)
        failed |= kill_one(job, argv[i], signal);
    return failed;
}
