/* The program's arguments and environment, and its output. */
#include "support.h"

#include <rugo/start.h>
#include <rugo/syscall.h>
#include <unistd.h>

static char **words[2];

static int is_open(int fd)
{
    return sys_handle_info(fd) != -EBADF;
}

/* A pipe whose other end is closed: reads end at once, writes fail. */
static void put_closed_pipe(int fd)
{
    struct pipe_ends ends;

    if (sys_pipe_create(0, &ends) != 0)
        return;
    if (fd == STDIN_FILENO)
        (void)sys_handle_dup(ends.read_end, RIGHT_READ | RIGHT_WAIT, HANDLE_EXACT, fd);
    else
        (void)sys_handle_dup(ends.write_end, RIGHT_WRITE | RIGHT_WAIT, HANDLE_EXACT, fd);
    (void)sys_handle_close(ends.read_end);
    (void)sys_handle_close(ends.write_end);
}

/*
 * A service has no standard input or output unless its configuration says so. No file that it opens may get their
 * numbers: what it prints goes to the log, if it has one.
 */
static void open_standard(void)
{
    handle_t log = start_handle(START_LOG);

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (!is_open(fd) && fd != STDIN_FILENO)
            (void)sys_handle_dup(log, RIGHT_WRITE, HANDLE_EXACT, fd);
        if (!is_open(fd))
            put_closed_pipe(fd);
    }
}

void support_begin(int argc, char **argv, char **envp)
{
    (void)argc; /* argv ends with NULL */
    words[0] = argv;
    words[1] = envp;
    open_standard();
    support_panic_begin();
}

const char *support_word(int which, size_t i)
{
    return words[which][i];
}

int64_t support_write(int fd, const void *buf, size_t n)
{
    return write(fd, buf, n);
}
