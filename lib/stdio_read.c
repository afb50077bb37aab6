/* Reading from streams. */
#include "file_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Makes buf[pos, end) hold at least a byte. -1: end of file or error, flagged. */
static int fill(FILE *f)
{
    ssize_t n;

    if (!(f->flags & F_READ)) {
        errno = EBADF;
        f->flags |= F_ERR;
        return -1;
    }
    if (__stdio_prepare(f) != 0 || __stdio_write_out(f) != 0)
        return -1;
    if (f == stdin && stdout->mode == _IOLBF)
        (void)__stdio_write_out(stdout); /* a prompt without newline */
    n = read(f->fd, f->buf, f->size);
    if (n <= 0) {
        f->flags |= n < 0 ? F_ERR : F_EOF;
        return -1;
    }
    f->pos = 0;
    f->end = (size_t)n;
    return 0;
}

static int has_input(FILE *f)
{
    return (!(f->flags & F_DIRTY) && f->pos < f->end) || fill(f) == 0;
}

int fgetc(FILE *f)
{
    return has_input(f) ? f->buf[f->pos++] : EOF;
}

int getc(FILE *f)
{
    return fgetc(f);
}

int getchar(void)
{
    return fgetc(stdin);
}

/* One byte can always be pushed back after a read: it was in the buffer. */
int ungetc(int c, FILE *f)
{
    if (c == EOF || !(f->flags & F_READ) || (f->flags & F_DIRTY))
        return EOF;
    if (f->pos == 0) {
        if (f->end != 0 || __stdio_prepare(f) != 0)
            return EOF;
        f->pos = f->end = 1;
    }
    f->buf[--f->pos] = (unsigned char)c;
    f->flags &= ~F_EOF;
    return (unsigned char)c;
}

size_t fread(void *restrict buf, size_t size, size_t n, FILE *restrict f)
{
    size_t bytes, done = 0;

    if (size == 0 || n == 0 || __builtin_mul_overflow(size, n, &bytes))
        return 0;
    while (done < bytes && has_input(f)) {
        size_t part = f->end - f->pos < bytes - done ? f->end - f->pos : bytes - done;
        memcpy((char *)buf + done, f->buf + f->pos, part);
        f->pos += part;
        done += part;
    }
    return done / size;
}

char *fgets(char *restrict buf, int size, FILE *restrict f)
{
    size_t used = 0, room = size > 0 ? (size_t)size - 1 : 0;
    int ended = 0;

    while (used < room && !ended && has_input(f)) {
        const unsigned char *from = f->buf + f->pos, *newline;
        size_t part = f->end - f->pos < room - used ? f->end - f->pos : room - used;
        newline = memchr(from, '\n', part);
        if (newline != NULL) {
            part = (size_t)(newline - from) + 1;
            ended = 1;
        }
        memcpy(buf + used, from, part);
        used += part;
        f->pos += part;
    }
    if (used == 0 || (f->flags & F_ERR))
        return NULL;
    buf[used] = '\0';
    return buf;
}

/* Room for need bytes in *line. */
static int grow(char **line, size_t *size, size_t need)
{
    size_t bigger = *size < 128 ? 128 : *size;
    char *p;

    if (*line != NULL && need <= *size)
        return 0;
    while (bigger < need)
        bigger *= 2;
    p = realloc(*line, bigger);
    if (p == NULL)
        return -1;
    *line = p;
    *size = bigger;
    return 0;
}

ssize_t getdelim(char **restrict line, size_t *restrict size, int delim, FILE *restrict f)
{
    size_t used = 0;
    int ended = 0;

    if (*line == NULL)
        *size = 0;
    while (!ended && has_input(f)) {
        const unsigned char *from = f->buf + f->pos;
        size_t part = f->end - f->pos;
        const unsigned char *at = memchr(from, delim, part);
        if (at != NULL) {
            part = (size_t)(at - from) + 1;
            ended = 1;
        }
        if (grow(line, size, used + part + 1) != 0) {
            f->flags |= F_ERR;
            return -1;
        }
        memcpy(*line + used, from, part);
        used += part;
        f->pos += part;
    }
    if (used == 0 || (f->flags & F_ERR))
        return -1;
    (*line)[used] = '\0';
    return (ssize_t)used;
}

ssize_t getline(char **restrict line, size_t *restrict size, FILE *restrict f)
{
    return getdelim(line, size, '\n', f);
}
