/* Making, ending and moving streams. */
#include "file_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int __stdio_mode(const char *mode)
{
    int flags;

    switch (mode[0]) {
    case 'r': flags = 0; break;
    case 'w': flags = O_CREAT | O_TRUNC; break;
    case 'a': flags = O_CREAT | O_APPEND; break;
    default: errno = EINVAL; return -1;
    }
    if (strchr(mode, 'x') != NULL)
        flags |= O_EXCL;
    if (strchr(mode, '+') != NULL)
        return flags | O_RDWR;
    return flags | (mode[0] == 'r' ? O_RDONLY : O_WRONLY);
}

static int stream_flags(int open_flags)
{
    int access = open_flags & O_ACCMODE;

    return (access != O_WRONLY ? F_READ : 0) | (access != O_RDONLY ? F_WRITE : 0) |
           (open_flags & O_APPEND ? F_APPEND : 0);
}

FILE *fdopen(int fd, const char *mode)
{
    int flags = __stdio_mode(mode);
    FILE *f = flags < 0 ? NULL : calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->fd = fd;
    f->flags = stream_flags(flags) | F_HEAP;
    f->next = __stdio_open;
    __stdio_open = f;
    return f;
}

FILE *fopen(const char *restrict path, const char *restrict mode)
{
    int flags = __stdio_mode(mode);
    int fd = flags < 0 ? -1 : open(path, flags, 0666);
    FILE *f;

    if (fd < 0)
        return NULL;
    f = fdopen(fd, mode);
    if (f == NULL)
        (void)close(fd);
    return f;
}

static void forget(FILE *f)
{
    FILE **link = &__stdio_open;

    while (*link != NULL && *link != f)
        link = &(*link)->next;
    if (*link == f)
        *link = f->next;
}

int fclose(FILE *f)
{
    int result = fflush(f);

    if (close(f->fd) != 0)
        result = EOF;
    forget(f);
    if (f->flags & F_OWN)
        free(f->buf);
    if (f->flags & F_HEAP)
        free(f);
    else
        f->fd = -1;
    return result;
}

FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict f)
{
    int flags = __stdio_mode(mode);
    int fd = flags < 0 || path == NULL ? -1 : open(path, flags, 0666);

    (void)fflush(f);
    if (fd < 0)
        return NULL;
    if (fd != f->fd) {
        int moved = dup2(fd, f->fd);
        (void)close(fd);
        if (moved < 0)
            return NULL;
    }
    f->flags = (f->flags & (F_OWN | F_HEAP)) | stream_flags(flags);
    f->pos = f->end = 0;
    return f;
}

int fileno(FILE *f)
{
    return f->fd;
}

int feof(FILE *f)
{
    return (f->flags & F_EOF) != 0;
}

int ferror(FILE *f)
{
    return (f->flags & F_ERR) != 0;
}

void clearerr(FILE *f)
{
    f->flags &= ~(F_EOF | F_ERR);
}

int setvbuf(FILE *restrict f, char *restrict buf, int mode, size_t size)
{
    if (mode < _IOFBF || mode > _IONBF || f->end != 0)
        return -1;
    if (buf != NULL && size > 0) {
        if (f->flags & F_OWN)
            free(f->buf);
        f->flags &= ~F_OWN;
        f->buf = (unsigned char *)buf;
        f->size = size;
    }
    f->mode = mode;
    f->flags |= F_MODE;
    return 0;
}

void setbuf(FILE *restrict f, char *restrict buf)
{
    (void)setvbuf(f, buf, buf != NULL ? _IOFBF : _IONBF, BUFSIZ);
}

int fseeko(FILE *f, off_t offset, int whence)
{
    if (fflush(f) != 0 || lseek(f->fd, offset, whence) < 0)
        return -1;
    f->flags &= ~F_EOF;
    return 0;
}

int fseek(FILE *f, long offset, int whence)
{
    return fseeko(f, offset, whence);
}

off_t ftello(FILE *f)
{
    off_t at;

    if (f->flags & F_DIRTY && f->flags & F_APPEND && fflush(f) != 0)
        return -1;
    at = lseek(f->fd, 0, SEEK_CUR);
    if (at < 0)
        return -1;
    return f->flags & F_DIRTY ? at + (off_t)f->end : at - (off_t)(f->end - f->pos);
}

long ftell(FILE *f)
{
    return ftello(f);
}

void rewind(FILE *f)
{
    (void)fseeko(f, 0, SEEK_SET);
    clearerr(f);
}
