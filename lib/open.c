/* Opening files. */
#include "error.h"
#include "where.h"

#include <fcntl.h>
#include <rugo/file.h>
#include <rugo/proto_file.h>
#include <rugo/syscall.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

int file_open_path(const char *path, uint32_t flags, uint32_t mode, handle_t *file, uint32_t *kind)
{
    struct where w;
    uint32_t unused;
    int st = where_begin(&w, path);

    if (st != 0)
        return st;
    flags &= ~(uint32_t)(O_CLOEXEC | O_NOCTTY);
    st = file_open(w.dir, flags, mode, w.rel, file, kind != NULL ? kind : &unused);
    where_end(&w);
    return st;
}

int fd_place(handle_t h, int from)
{
    int64_t info = sys_handle_info(h);
    int fd;

    if (info < 0)
        return (int)info;
    fd = sys_handle_dup(h, (uint32_t)info, HANDLE_FD, from);
    (void)sys_handle_close(h);
    return fd;
}

static int open_mode(const char *path, int flags, mode_t mode)
{
    handle_t file;
    int st = file_open_path(path, (uint32_t)flags, mode, &file, NULL);

    return (int)to_errno(st != 0 ? st : fd_place(file, 0));
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode = 0;

    va_start(ap, flags);
    if (flags & O_CREAT)
        mode = va_arg(ap, mode_t);
    va_end(ap);
    return open_mode(path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode = 0;

    va_start(ap, flags);
    if (flags & O_CREAT)
        mode = va_arg(ap, mode_t);
    va_end(ap);
    if (dirfd != AT_FDCWD && path[0] != '/')
        return (int)to_errno(-EOPNOTSUPP);
    return open_mode(path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_mode(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
