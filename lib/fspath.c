/* What is done with a path. */
#include "error.h"
#include "where.h"

#include <fcntl.h>
#include <rugo/proto_file.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int stat_flags(const char *path, struct stat *st, uint32_t flags)
{
    struct where w;
    int err = where_begin(&w, path);

    if (err != 0)
        return (int)to_errno(err);
    err = file_stat_path(w.dir, flags, w.rel, st, sizeof *st);
    where_end(&w);
    return (int)to_errno(err);
}

int stat(const char *restrict path, struct stat *restrict st)
{
    return stat_flags(path, st, 0);
}

int lstat(const char *restrict path, struct stat *restrict st)
{
    return stat_flags(path, st, AT_SYMLINK_NOFOLLOW);
}

/* Rights are not enforced by file modes; only execution asks for a bit. */
int access(const char *path, int mode)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return -1;
    if ((mode & X_OK) && !S_ISDIR(st.st_mode) && (st.st_mode & 0111) == 0)
        return (int)to_errno(-EACCES);
    return 0;
}

int mkdir(const char *path, mode_t mode)
{
    struct where w;
    int err = where_begin(&w, path);

    if (err != 0)
        return (int)to_errno(err);
    err = file_mkdir(w.dir, mode, w.rel);
    where_end(&w);
    return (int)to_errno(err);
}

static int unlink_flags(const char *path, uint32_t flags)
{
    struct where w;
    int err = where_begin(&w, path);

    if (err != 0)
        return (int)to_errno(err);
    err = file_unlink(w.dir, flags, w.rel);
    where_end(&w);
    return (int)to_errno(err);
}

int unlink(const char *path)
{
    return unlink_flags(path, 0);
}

int rmdir(const char *path)
{
    return unlink_flags(path, AT_REMOVEDIR);
}

int remove(const char *path)
{
    int err = unlink(path);

    return err != 0 && errno == EISDIR ? rmdir(path) : err;
}

/* Both names go in one message to one directory: a path longer than a message cannot be renamed. */
int rename(const char *from, const char *to)
{
    struct where a, b;
    int err = where_begin(&a, from);

    if (err != 0)
        return (int)to_errno(err);
    err = where_begin(&b, to);
    if (err == 0) {
        err = a.walked || b.walked ? -ENAMETOOLONG : file_rename(a.dir, a.rel, b.rel);
        where_end(&b);
    }
    where_end(&a);
    return (int)to_errno(err);
}

int symlink(const char *target, const char *path)
{
    struct where w;
    int err = where_begin(&w, path);

    if (err != 0)
        return (int)to_errno(err);
    err = file_symlink(w.dir, target, w.rel);
    where_end(&w);
    return (int)to_errno(err);
}

ssize_t readlink(const char *restrict path, char *restrict buf, size_t n)
{
    struct where w;
    uint64_t count = 0;
    int err = where_begin(&w, path);

    if (err != 0)
        return to_errno(err);
    err = file_readlink(w.dir, w.rel, buf, n, &count);
    where_end(&w);
    return to_errno(err != 0 ? err : (long)(count < n ? count : n));
}

int truncate(const char *path, off_t length)
{
    int fd = open(path, O_WRONLY), result, saved;

    if (fd < 0)
        return -1;
    result = ftruncate(fd, length);
    saved = errno;
    (void)close(fd);
    errno = saved;
    return result;
}

int statfs(const char *path, struct statfs *st)
{
    int fd = open(path, O_RDONLY), result, saved;

    if (fd < 0)
        return -1;
    result = fstatfs(fd, st);
    saved = errno;
    (void)close(fd);
    errno = saved;
    return result;
}

int utimes(const char *path, const struct timeval times[2])
{
    struct where w;
    int err = where_begin(&w, path);

    if (err != 0)
        return (int)to_errno(err);
    err = file_utimes(w.dir, w.rel, times != NULL ? times[1].tv_sec : time(NULL));
    where_end(&w);
    return (int)to_errno(err);
}

void sync(void)
{
    struct where w;

    if (where_begin(&w, "/") != 0)
        return;
    (void)file_sync(w.dir, 1);
    where_end(&w);
}
