/*
 * Faults for the pkg program on the host: linked with --wrap for each call below, it counts those that change the disk and lets
 * the N-th go wrong. FAULT=die:N ends the process in its place, as a power cut would; FAULT=fail:N makes it fail
 * with ENOSPC. Which call it was is told on standard error, so that a test knows that there was one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* True if this call is the one that shall fail. */
static bool fault(const char *call)
{
    static long left = -1;
    static bool asked, dies;
    const char *wish = getenv("FAULT");

    if (!asked && wish) {
        dies = strncmp(wish, "die:", 4) == 0;
        left = atol(strchr(wish, ':') + 1);
    }
    asked = true;
    if (left < 0 || left-- > 0)
        return false;
    dprintf(2, "fault: %s\n", call);
    if (dies)
        _exit(99);
    errno = ENOSPC;
    return true;
}

#define WRAP(call, parameters, arguments)                   \
    int __real_##call parameters;                           \
    int __wrap_##call parameters;                           \
    int __wrap_##call parameters                            \
    {                                                       \
        return fault(#call) ? -1 : __real_##call arguments; \
    }

WRAP(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(rename, (const char *from, const char *to), (from, to))
WRAP(symlink, (const char *target, const char *path), (target, path))
WRAP(unlink, (const char *path), (path))
WRAP(rmdir, (const char *path), (path))
WRAP(fsync, (int fd), (fd))

ssize_t __real_write(int fd, const void *buf, size_t size);
ssize_t __wrap_write(int fd, const void *buf, size_t size);
ssize_t __wrap_write(int fd, const void *buf, size_t size)
{
    /* The disk fills in the middle of a write, not only between two. */
    if (fd > 2 && fault("write"))
        return -1;
    return __real_write(fd, buf, fd > 2 && size > 1000 ? 1000 : size);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    va_end(ap);
    if ((flags & O_CREAT) && fault("open"))
        return -1;
    return __real_open(path, flags, mode);
}
