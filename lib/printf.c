/* Formatted text to streams. */
#include "file_stream.h"
#include "format.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct target {
    FILE *f;
    int failed;
    int newline;
};

static void put(void *where, const char *text, size_t n)
{
    struct target *t = where;

    t->newline |= t->f->mode == _IOLBF && memchr(text, '\n', n) != NULL;
    t->failed |= __stdio_put(t->f, text, n) != n;
}

int vfprintf(FILE *restrict f, const char *restrict fmt, va_list ap)
{
    struct target t = { f, 0, 0 };
    int n;

    if (__stdio_prepare(f) != 0)
        return -1;
    n = format_text(put, &t, fmt, ap);
    if (f->mode == _IONBF || t.newline)
        t.failed |= __stdio_write_out(f) != 0;
    return t.failed ? -1 : n;
}

int vprintf(const char *restrict fmt, va_list ap)
{
    return vfprintf(stdout, fmt, ap);
}

int fprintf(FILE *restrict f, const char *restrict fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vfprintf(f, fmt, ap);
    va_end(ap);
    return n;
}

int printf(const char *restrict fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vfprintf(stdout, fmt, ap);
    va_end(ap);
    return n;
}

int dprintf(int fd, const char *restrict fmt, ...)
{
    unsigned char buf[256];
    struct FILE f = { .fd = fd, .flags = F_WRITE | F_MODE, .buf = buf, .size = sizeof buf };
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vfprintf(&f, fmt, ap);
    va_end(ap);
    return fflush(&f) == 0 ? n : -1;
}
