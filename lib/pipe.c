/* Pipes and what fcntl can say of a descriptor. */
#include "error.h"

#include <fcntl.h>
#include <rugo/abi.h>
#include <rugo/file.h>
#include <rugo/proto_file.h>
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

/* Change flags of a session's open file; those it has then. A server that does not know of flags has none to change. */
static int64_t change_flags(int fd, uint32_t clear, uint32_t set)
{
    uint32_t flags = 0;
    int st = file_flags(fd, clear, set, &flags);

    if (st == -ENOSYS || st == -EBADF)
        return clear == 0 && set == 0 ? O_RDWR : -EOPNOTSUPP;
    return st != 0 ? st : (int64_t)flags;
}

/* What F_GETFL tells of a descriptor; a log or a serial line always waits. */
static int64_t get_flags(int fd, int64_t info)
{
    int64_t flags;

    if (info >> 32 == OBJ_SESSION)
        return change_flags(fd, 0, 0);
    if (info >> 32 != OBJ_PIPE)
        return O_RDWR;
    flags = sys_pipe_flags(fd, 0, 0);
    if (flags < 0)
        return flags;
    return (info & RIGHT_READ ? O_RDONLY : O_WRONLY) | (flags & PIPE_NONBLOCK ? O_NONBLOCK : 0);
}

/*
 * O_NONBLOCK can be changed of pipes and of what servers hand out, O_APPEND of files. All other flags are what they were at
 * open(), as POSIX has it.
 */
static int64_t set_flags(int fd, int64_t info, int flags)
{
    uint32_t set = (uint32_t)flags & (O_NONBLOCK | O_APPEND);
    int64_t st;

    if (info >> 32 == OBJ_SESSION) {
        st = change_flags(fd, 0, 0);
        if (st >= 0 && ((uint64_t)st & (O_NONBLOCK | O_APPEND)) != set)
            st = change_flags(fd, (uint32_t)st & (O_NONBLOCK | O_APPEND) & ~set,
                              set & ~(uint32_t)st);
        return st < 0 ? st : 0;
    }
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
