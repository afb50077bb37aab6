/*
 * Calls on files, for package os (go/tinygo/overlay/src/os/file_rugo.go). They wait for the file server, a terminal or
 * a pipe, so a helper thread may make them (work.c): all they need lies in struct file_call.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <rugo/proto_file.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* fileCall of file_rugo.go. */
struct file_call {
    int32_t op;
    int32_t fd;
    int32_t flags;
    uint32_t mode;
    const char *path;
    const char *to;
    void *buf;
    size_t n;
    int64_t offset; /* -1: the file's own position */
    int64_t result; /* 0 or more, or negative errno */
};
_Static_assert(sizeof(struct file_call) == 64, "as Go has it");

static int64_t do_open(const struct file_call *c)
{
    return open(c->path, c->flags, c->mode);
}

static int64_t do_close(const struct file_call *c)
{
    return close(c->fd);
}

static int64_t do_read(const struct file_call *c)
{
    return c->offset < 0 ? read(c->fd, c->buf, c->n) : pread(c->fd, c->buf, c->n, c->offset);
}

static int64_t do_write(const struct file_call *c)
{
    return c->offset < 0 ? write(c->fd, c->buf, c->n) : pwrite(c->fd, c->buf, c->n, c->offset);
}

static int64_t do_seek(const struct file_call *c)
{
    return lseek(c->fd, c->offset, c->flags);
}

static int64_t do_sync(const struct file_call *c)
{
    return fsync(c->fd);
}

static int64_t do_truncate(const struct file_call *c)
{
    return ftruncate(c->fd, c->offset);
}

static int64_t do_stat(const struct file_call *c)
{
    return fstat(c->fd, c->buf);
}

static int64_t do_stat_path(const struct file_call *c)
{
    return c->flags != 0 ? lstat(c->path, c->buf) : stat(c->path, c->buf);
}

static int64_t do_readdir(const struct file_call *c)
{
    uint64_t count;
    int st = file_readdir(c->fd, c->buf, c->n, &count);

    if (st != 0)
        errno = -st;
    return st != 0 ? -1 : (int64_t)count;
}

static int64_t do_mkdir(const struct file_call *c)
{
    return mkdir(c->path, c->mode);
}

/* A file or an empty directory. */
static int64_t do_remove(const struct file_call *c)
{
    int st = unlink(c->path);

    return st != 0 && errno == EISDIR ? rmdir(c->path) : st;
}

static int64_t do_rename(const struct file_call *c)
{
    return rename(c->path, c->to);
}

static int64_t do_symlink(const struct file_call *c)
{
    return symlink(c->path, c->to);
}

static int64_t do_readlink(const struct file_call *c)
{
    return readlink(c->path, c->buf, c->n);
}

static int64_t do_chdir(const struct file_call *c)
{
    return chdir(c->path);
}

static int64_t do_pipe(const struct file_call *c)
{
    return pipe2(c->buf, O_NONBLOCK);
}

/* By operation, as file_rugo.go numbers them. */
static int64_t (*const operations[])(const struct file_call *) = {
    do_open,     do_close,   do_read,      do_write,   do_seek,  do_sync,
    do_truncate, do_stat,    do_stat_path, do_readdir, do_mkdir, do_remove,
    do_rename,   do_symlink, do_readlink,  do_chdir,   do_pipe,
};

void support_file(struct file_call *c);

void support_file(struct file_call *c)
{
    int64_t result = operations[c->op](c);

    c->result = result < 0 ? -errno : result;
}
