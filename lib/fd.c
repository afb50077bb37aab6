/* What is done with an open file descriptor. */
#include "error.h"
#include "tcb.h"

#include <fcntl.h>
#include <rugo/proto_file.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static int is_pipe(int fd)
{
    int64_t info = sys_handle_info(fd);

    return info >= 0 && info >> 32 == OBJ_PIPE;
}

/* A pipe's end is open for reading or for writing; for the other it is no descriptor at all. */
static int64_t pipe_result(int64_t result)
{
    return result == -EACCES ? -EBADF : result;
}

/* Nothing was done, because of a signal: do it again, unless its handler wants that to be told. */
static int again(int64_t result)
{
    return result == -EINTR && !tcb_self()->interrupted;
}

/*
 * A descriptor need not be a session: a service may be given the log or a serial line as its
 * output. One that has no output at all speaks to the log it was started with.
 */
static int64_t write_other(int fd, const void *buf, size_t n, int64_t offset, int error)
{
    int64_t info = sys_handle_info(fd);
    handle_t log = start_handle(START_LOG);

    if (info >= 0 && info >> 32 == OBJ_PIPE)
        return offset >= 0 ? -ESPIPE : pipe_result(sys_pipe_write(fd, buf, n));
    if (info >= 0 && info >> 32 == OBJ_LOG)
        return sys_debug_write(fd, buf, n);
    if (info >= 0 && info >> 32 == OBJ_SERIAL)
        return sys_serial_write(fd, buf, n);
    if (info == -EBADF && (fd == STDOUT_FILENO || fd == STDERR_FILENO) && log != HANDLE_NONE)
        return sys_log_write(log, fd == STDERR_FILENO ? LOG_WARNING : LOG_INFO, buf, n);
    return error;
}

static int64_t write_once(int fd, const void *buf, size_t n, int64_t offset)
{
    uint64_t count = 0;
    int st = file_write(fd, offset, buf, n, &count);

    if (st == -ENODEV || st == -EBADF)
        return write_other(fd, buf, n, offset, st);
    if (st == 0 && (count > n || (count == 0 && n > 0)))
        return count > n ? -EPROTO : -EIO; /* a server that takes nothing would be asked for ever */
    return st != 0 ? st : (int64_t)count;
}

static ssize_t write_all(int fd, const char *buf, size_t n, int64_t offset)
{
    size_t done = 0;

    tcb_self()->interrupted = 0;
    do {
        int64_t part =
            write_once(fd, buf + done, n - done, offset < 0 ? -1 : offset + (int64_t)done);
        if (again(part))
            continue;
        if (part < 0)
            return done > 0 ? (ssize_t)done : to_errno(part);
        done += (size_t)part;
    } while (done < n);
    return (ssize_t)done;
}

ssize_t write(int fd, const void *buf, size_t n)
{
    return write_all(fd, buf, n, -1);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    return offset < 0 ? to_errno(-EINVAL) : write_all(fd, buf, n, offset);
}

static int64_t read_once(int fd, void *buf, size_t n, int64_t offset)
{
    uint64_t count = 0;
    int st = file_read(fd, offset, buf, n, &count);

    if (st == -ENODEV && is_pipe(fd))
        return offset >= 0 ? -ESPIPE : pipe_result(sys_pipe_read(fd, buf, n));
    if (st == 0 && count > n)
        st = -EPROTO;
    return st != 0 ? st : (int64_t)count;
}

static ssize_t read_at(int fd, void *buf, size_t n, int64_t offset)
{
    int64_t result;

    tcb_self()->interrupted = 0;
    do
        result = read_once(fd, buf, n, offset);
    while (again(result));
    return to_errno(result);
}

ssize_t read(int fd, void *buf, size_t n)
{
    return read_at(fd, buf, n, -1);
}

ssize_t pread(int fd, void *buf, size_t n, off_t offset)
{
    return offset < 0 ? to_errno(-EINVAL) : read_at(fd, buf, n, offset);
}

off_t lseek(int fd, off_t offset, int whence)
{
    int64_t position = 0;
    int st = file_seek(fd, offset, (uint32_t)whence, &position);

    if (st == -ENODEV && is_pipe(fd))
        st = -ESPIPE;
    return to_errno(st != 0 ? st : position);
}

int close(int fd)
{
    return (int)to_errno(sys_handle_close(fd));
}

static int duplicate(int fd, uint32_t flags, int at)
{
    int64_t info = sys_handle_info(fd);

    return (int)to_errno(info < 0 ? info : sys_handle_dup(fd, (uint32_t)info, flags, at));
}

int dup(int fd)
{
    return duplicate(fd, HANDLE_FD, 0);
}

int dup2(int fd, int at)
{
    if (at < 0 || at >= HANDLE_FD_MAX)
        return (int)to_errno(-EBADF);
    if (fd == at)
        return (int)to_errno(sys_handle_info(fd) < 0 ? -EBADF : fd);
    return duplicate(fd, HANDLE_EXACT, at);
}

/* What files can do and pipes can't is EINVAL for a pipe. */
static int file_only(int fd, int st)
{
    return (int)to_errno(st == -ENODEV && is_pipe(fd) ? -EINVAL : st);
}

int ftruncate(int fd, off_t length)
{
    return file_only(fd, length < 0 ? -EINVAL : file_truncate(fd, length));
}

int fsync(int fd)
{
    return file_only(fd, file_sync(fd, 0));
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int fstat(int fd, struct stat *st)
{
    int result = file_stat(fd, st, sizeof *st);

    if (result == -ENODEV && is_pipe(fd)) {
        *st = (struct stat){ .st_mode = S_IFIFO | 0600, .st_nlink = 1, .st_blksize = PIPE_BUF };
        result = 0;
    }
    return (int)to_errno(result);
}

int fstatfs(int fd, struct statfs *st)
{
    return (int)to_errno(file_statfs(fd, st, sizeof *st));
}

int isatty(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return 0;
    if (S_ISCHR(st.st_mode))
        return 1;
    errno = ENOTTY;
    return 0;
}
