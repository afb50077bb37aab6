/*
 * `nonblock` for a shell with a terminal: O_NONBLOCK of the terminal, of files, and of what can't have it. It leaves the terminal
 * with it.
 */
#include <fcntl.h>
#include <unistd.h>

#include "tests/prog/test.h"

static char line[64];

static void fails_with(int error, int64_t result)
{
    EXPECT(-1, result);
    EXPECT(error, errno);
}

static void terminal(void)
{
    handle_t port = NEED_HANDLE(sys_port_create());
    struct port_event event;
    int copy = dup(0);

    EXPECT(O_RDWR, fcntl(0, F_GETFL));
    EXPECT(0, fcntl(0, F_SETFL, O_NONBLOCK));
    EXPECT(O_RDWR | O_NONBLOCK, fcntl(copy, F_GETFL)); /* it belongs to the open file */
    fails_with(EAGAIN, read(copy, line, sizeof line));
    fails_with(EINVAL, fcntl(0, F_SETFL, O_APPEND));
    EXPECT(0, sys_port_add(port, 0, EV_READABLE, 7));
    printf("NONBLOCK: type\n");
    for (int round = 0; round < 2; round++) {
        EXPECT(1, sys_port_wait(port, &event, 1, 20000 * MS));
        EXPECT(7, event.token);
        EXPECT(EV_READABLE, event.events);
        EXPECT(6, read(0, line, sizeof line));
        EXPECT(0, memcmp(line, "hello\n", 6));
        fails_with(EAGAIN, read(0, line, sizeof line));
        printf("NONBLOCK: line %d\n", round);
    }
    EXPECT(0, sys_port_wait(port, &event, 1, 0)); /* and no edge more */
    EXPECT(0, fcntl(copy, F_SETFL, 0));
    EXPECT(O_RDWR, fcntl(0, F_GETFL));
    EXPECT(0, fcntl(0, F_SETFL, O_NONBLOCK));
}

static void files(void)
{
    int fd = (int)NEED(open("/nonblock", O_CREAT | O_RDWR | O_TRUNC | O_NONBLOCK, 0644));

    EXPECT(O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
    EXPECT(0, read(fd, line, sizeof line));
    EXPECT(3, write(fd, "abc", 3));
    EXPECT(0, fcntl(fd, F_SETFL, O_APPEND));
    EXPECT(O_RDWR | O_APPEND, fcntl(fd, F_GETFL));
    EXPECT(0, lseek(fd, 0, SEEK_SET));
    EXPECT(1, write(fd, "d", 1));
    EXPECT(4, pread(fd, line, sizeof line, 0));
    EXPECT(0, memcmp(line, "abcd", 4));
    EXPECT(0, fcntl(fd, F_SETFL, 0));
    EXPECT(1, pwrite(fd, "e", 1, 0));
    EXPECT(4, pread(fd, line, sizeof line, 0));
    EXPECT(0, memcmp(line, "ebcd", 4));
    EXPECT(0, close(fd));
}

/* What has no such flag says so, instead of waiting all the same. */
static void others(void)
{
    const uint32_t kinds[] = { START_LOG, START_ROOT };

    for (int i = 0; i < 2; i++) {
        handle_t h = start_handle(kinds[i]);
        int fd = (int)NEED(sys_handle_dup(h, (uint32_t)sys_handle_info(h), HANDLE_FD, 0));

        EXPECT(O_RDWR, fcntl(fd, F_GETFL));
        EXPECT(0, fcntl(fd, F_SETFL, 0));
        fails_with(EOPNOTSUPP, fcntl(fd, F_SETFL, O_NONBLOCK));
        EXPECT(0, close(fd));
    }
    fails_with(EBADF, fcntl(77, F_SETFL, O_NONBLOCK));
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    terminal();
    files();
    others();
    printf("NONBLOCK: ok\n");
    return 0;
}
