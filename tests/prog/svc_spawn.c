/*
 * `test=svc.spawn`: svcman starts programs on request, with arguments, environment and descriptors, and
 * refuses what it must. `cat` is the program: it is in the initrd and does what can be seen.
 */
#include <fcntl.h>
#include <rugo/file.h>
#include <rugo/proto_svcman.h>
#include <unistd.h>

#include "tests/prog/test.h"

/* Start path with the argument list; the status svcman gave. */
static int start(const char *path, const char *args, size_t len, const int fds[3], handle_t *proc)
{
    return svcman_spawn(start_handle(START_NAMES), path, args, len, fds[0], fds[1], fds[2], proc);
}

/* A file as a high handle: descriptors 0 to 2 stay free, so that our own output goes to the log. */
static handle_t open_file(const char *path)
{
    handle_t file;
    uint32_t kind;

    NEED(file_open_path(path, O_RDWR | O_CREAT, 0755, &file, &kind));
    return file;
}

/* A program is no more important than who asked for it, though svcman is. */
static void starts_with_our_priority(const int fds[3])
{
    static const char args[] = "sleep\0"
                               "1000\0";
    struct thread_info t;
    handle_t proc;

    NEED(start("sleep", args, sizeof(args), fds, &proc));
    EXPECT(1, sys_process_threads(proc, 0, &t, 1));
    EXPECT(PRIORITY_DEFAULT, t.priority);
    NEED(sys_process_kill(proc, 9));
    EXPECT(9, test_wait(proc));
}

int main(void)
{
    static const char args[] = "cat\0/in\0-\0";
    handle_t in = open_file("/in"), out = open_file("/out"), more = open_file("/more");
    const int fds[3] = { more, out, out };
    char buf[32] = "";
    handle_t proc;

    EXPECT(6, write(in, "first\n", 6));
    EXPECT(7, write(more, "second\n", 7));
    EXPECT(0, lseek(more, 0, SEEK_SET));
    NEED(start("cat", args, sizeof(args), fds, &proc));
    EXPECT(RIGHT_MANAGE, NEED(sys_handle_info(proc)) & RIGHT_MANAGE);
    EXPECT(0, test_wait(proc));
    EXPECT(13, pread(out, buf, sizeof(buf), 0));
    EXPECT(0, strcmp(buf, "first\nsecond\n"));
    starts_with_our_priority(fds);
    NEED(start("/boot/bin/false", "false\0", 7, fds, &proc));
    EXPECT(1 << 8, test_wait(proc));

    EXPECT(-ENOENT, start("no-such", args, sizeof(args), fds, &proc));
    EXPECT(-EACCES, start("/boot/etc/scenarios", args, sizeof(args), fds, &proc));
    EXPECT(-ENOEXEC, start("/in", args, sizeof(args), fds, &proc));
    EXPECT(-EINVAL, start("cat", "", 0, fds, &proc));
    EXPECT(-E2BIG, start("cat", args, 1 << 20, fds, &proc));
    EXPECT(-EFAULT, start("cat", (char *)8, 100, fds, &proc));
    for (int i = 0; i < 40; i++) { /* nothing is used up */
        NEED(start("true", "true\0", 6, fds, &proc));
        EXPECT(0, test_wait(proc));
    }
    test_mark("SVC: spawn ok");
    return 0;
}
