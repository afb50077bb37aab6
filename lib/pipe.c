/* Pipes and what fcntl can say of a descriptor. */
#include "error.h"

#include <fcntl.h>
#include <rugo/abi.h>
#include <rugo/file.h>
#include <rugo/syscall.h>
#include <stdarg.h>
#include <unistd.h>

int pipe2(int fds[2], int flags)
{
    struct pipe_ends ends;
    int st = -EINVAL;

    if ((flags & ~(O_NONBLOCK | O_CLOEXEC)) == 0)
        st = sys_pipe_create(PIPE_FD | (flags & O_NONBLOCK ? PIPE_NONBLOCK : 0u), &ends);
    if (st == 0) {
        fds[0] = ends.read_end;
        fds[1] = ends.write_end;
    }
    return (int)to_errno(st);
}

int pipe(int fds[2])
{
    return pipe2(fds, 0);
}

/* What F_GETFL tells of a descriptor; those that are no pipes always wait. */
static int64_t get_flags(int fd, int64_t info)
{
    int64_t flags;

    if (info >> 32 != OBJ_PIPE)
        return O_RDWR;
    flags = sys_pipe_flags(fd, 0, 0);
    if (flags < 0)
        return flags;
    return (info & RIGHT_READ ? O_RDONLY : O_WRONLY) | (flags & PIPE_NONBLOCK ? O_NONBLOCK : 0);
}

/* Only O_NONBLOCK can be changed, and only of pipes. */
static int64_t set_flags(int fd, int64_t info, int flags)
{
    int64_t st;

    if (info >> 32 != OBJ_PIPE)
        return flags & O_NONBLOCK ? -EOPNOTSUPP : 0;
    st = sys_pipe_flags(fd, PIPE_NONBLOCK, flags & O_NONBLOCK ? PIPE_NONBLOCK : 0);
    return st < 0 ? st : 0;
}

int fcntl(int fd, int command, ...)
{
    int64_t info = sys_handle_info(fd);
    va_list ap;
    int arg;

    va_start(ap, command);
    arg = command == F_GETFD || command == F_GETFL ? 0 : va_arg(ap, int);
    va_end(ap);
    if (info < 0)
        return (int)to_errno(info);
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: return (int)to_errno(sys_handle_dup(fd, (uint32_t)info, HANDLE_FD, arg));
    case F_GETFD: return FD_CLOEXEC; /* a child gets only what it is given */
    case F_SETFD: return 0;
    case F_GETFL: return (int)to_errno(get_flags(fd, info));
    case F_SETFL: return (int)to_errno(set_flags(fd, info, arg));
    default: return (int)to_errno(-EINVAL);
    }
}
