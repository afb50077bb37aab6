/* The three standard streams, buffers, and writing. */
#include "file_stream.h"

#include <errno.h>
#include <rugo/cdefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned char in_buf[BUFSIZ], out_buf[BUFSIZ], err_buf[256];

static struct FILE in = { .fd = 0, .flags = F_READ, .buf = in_buf, .size = sizeof in_buf };
static struct FILE out = { .fd = 1, .flags = F_WRITE, .buf = out_buf, .size = sizeof out_buf };
static struct FILE err = {
    .fd = 2, .flags = F_WRITE | F_MODE, .mode = _IONBF, .buf = err_buf, .size = sizeof err_buf
};

FILE *const stdin = &in;
FILE *const stdout = &out;
FILE *const stderr = &err;
struct FILE *__stdio_open;

void __stdio_flush_all(void);

/* A terminal gets its output line by line, and so does what is no file (a service's log). */
static void choose_mode(FILE *f)
{
    int saved = errno;
    struct stat st;

    if (!(f->flags & F_MODE))
        f->mode = fstat(f->fd, &st) != 0 || S_ISCHR(st.st_mode) ? _IOLBF : _IOFBF;
    f->flags |= F_MODE;
    errno = saved;
}

int __stdio_prepare(FILE *f)
{
    if (f->buf == NULL) {
        f->buf = malloc(BUFSIZ);
        if (f->buf == NULL) {
            f->flags |= F_ERR;
            return -1;
        }
        f->size = BUFSIZ;
        f->flags |= F_OWN;
    }
    choose_mode(f);
    return 0;
}

int __stdio_write_out(FILE *f)
{
    size_t n = f->flags & F_DIRTY ? f->end : 0;

    f->flags &= ~F_DIRTY;
    if (n == 0)
        return 0;
    f->pos = f->end = 0;
    if (write(f->fd, f->buf, n) == (ssize_t)n)
        return 0;
    f->flags |= F_ERR;
    return EOF;
}

void __stdio_drop_input(FILE *f)
{
    if (!(f->flags & F_DIRTY) && f->pos < f->end)
        (void)lseek(f->fd, (off_t)f->pos - (off_t)f->end, SEEK_CUR);
    if (!(f->flags & F_DIRTY))
        f->pos = f->end = 0;
}

static size_t put_buffered(FILE *f, const char *text, size_t n)
{
    size_t done = 0;

    while (done < n) {
        size_t room = f->size - f->end, part = n - done < room ? n - done : room;
        memcpy(f->buf + f->end, text + done, part);
        f->end += part;
        f->flags |= F_DIRTY;
        done += part;
        if (f->end == f->size && __stdio_write_out(f) != 0)
            return 0;
    }
    return done;
}

size_t __stdio_put(FILE *f, const char *text, size_t n)
{
    if (!(f->flags & F_WRITE) || __stdio_prepare(f) != 0) {
        f->flags |= F_ERR;
        errno = f->flags & F_WRITE ? ENOMEM : EBADF;
        return 0;
    }
    __stdio_drop_input(f);
    if (n >= f->size) { /* large pieces need no copy */
        if (__stdio_write_out(f) != 0)
            return 0;
        ssize_t written = write(f->fd, text, n);
        f->flags |= written == (ssize_t)n ? 0 : F_ERR;
        return written < 0 ? 0 : (size_t)written;
    }
    return put_buffered(f, text, n);
}

/* After a whole call: what may not stay in the buffer goes out. */
static size_t settle(FILE *f, const char *text, size_t n, size_t taken)
{
    if (f->mode == _IONBF || (f->mode == _IOLBF && memrchr(text, '\n', n) != NULL))
        return __stdio_write_out(f) == 0 ? taken : 0;
    return taken;
}

size_t fwrite(const void *restrict buf, size_t size, size_t n, FILE *restrict f)
{
    size_t bytes;

    if (size == 0 || n == 0)
        return 0;
    if (__builtin_mul_overflow(size, n, &bytes)) {
        errno = EOVERFLOW;
        f->flags |= F_ERR;
        return 0;
    }
    return settle(f, buf, bytes, __stdio_put(f, buf, bytes)) / size;
}

int fputc(int c, FILE *f)
{
    char byte = (char)c;

    return fwrite(&byte, 1, 1, f) == 1 ? (unsigned char)c : EOF;
}

int putc(int c, FILE *f)
{
    return fputc(c, f);
}

int putchar(int c)
{
    return fputc(c, stdout);
}

int fputs(const char *restrict s, FILE *restrict f)
{
    size_t n = strlen(s);

    return fwrite(s, 1, n, f) == n ? 0 : EOF;
}

int puts(const char *s)
{
    size_t n = strlen(s);

    if (__stdio_put(stdout, s, n) != n || __stdio_put(stdout, "\n", 1) != 1)
        return EOF;
    return settle(stdout, "\n", 1, 1) == 1 ? 0 : EOF;
}

void __stdio_flush_all(void)
{
    (void)__stdio_write_out(&out);
    (void)__stdio_write_out(&err);
    for (FILE *f = __stdio_open; f != NULL; f = f->next)
        (void)__stdio_write_out(f);
}

int fflush(FILE *f)
{
    if (f == NULL) {
        __stdio_flush_all();
        return 0;
    }
    if (f->flags & F_DIRTY)
        return __stdio_write_out(f);
    __stdio_drop_input(f);
    return 0;
}
