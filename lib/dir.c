/* Reading directories. */
#include "error.h"

#include <dirent.h>
#include <fcntl.h>
#include <rugo/proto_file.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct DIR {
    int fd;
    size_t pos, end; /* in buf */
    char buf[8192] __attribute__((aligned(8)));
};

DIR *fdopendir(int fd)
{
    DIR *dir = malloc(sizeof *dir);

    if (dir != NULL) {
        dir->fd = fd;
        dir->pos = dir->end = 0;
    }
    return dir;
}

DIR *opendir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    DIR *dir;

    if (fd < 0)
        return NULL;
    dir = fdopendir(fd);
    if (dir == NULL)
        (void)close(fd);
    return dir;
}

static int fill(DIR *dir)
{
    uint64_t count = 0;
    int st = file_readdir(dir->fd, dir->buf, sizeof dir->buf, &count);

    if (st == 0 && count > sizeof dir->buf)
        st = -EPROTO;
    dir->pos = 0;
    dir->end = st == 0 ? count : 0;
    return st;
}

/* The entry at pos, if it lies in what was read and its name ends there. */
static struct dirent *entry_at(DIR *dir)
{
    struct dirent *e = (struct dirent *)(dir->buf + dir->pos);
    size_t left = dir->end - dir->pos, head = offsetof(struct dirent, d_name);

    if (left < head || e->d_reclen <= head || e->d_reclen > left || e->d_reclen % 8 != 0)
        return NULL;
    return memchr(e->d_name, '\0', e->d_reclen - head) != NULL ? e : NULL;
}

struct dirent *readdir(DIR *dir)
{
    struct dirent *e;
    int st;

    if (dir->pos >= dir->end) {
        st = fill(dir);
        if (st != 0)
            errno = -st;
        if (dir->end == 0)
            return NULL;
    }
    e = entry_at(dir);
    if (e == NULL) {
        dir->pos = dir->end;
        errno = EPROTO;
        return NULL;
    }
    dir->pos += e->d_reclen;
    return e;
}

void rewinddir(DIR *dir)
{
    dir->pos = dir->end = 0;
    (void)lseek(dir->fd, 0, SEEK_SET);
}

int dirfd(DIR *dir)
{
    return dir->fd;
}

int closedir(DIR *dir)
{
    int fd = dir->fd;

    free(dir);
    return close(fd);
}
