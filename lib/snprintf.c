/* Formatted text into memory. */
#include "format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
    char *text;
    size_t size;
    size_t used; /* may exceed size: what the text would need */
};

static void put(void *where, const char *text, size_t n)
{
    struct buffer *b = where;

    if (b->used < b->size) {
        size_t room = b->size - b->used;
        memcpy(b->text + b->used, text, n < room ? n : room);
    }
    b->used += n;
}

int vsnprintf(char *restrict buf, size_t size, const char *restrict fmt, va_list ap)
{
    struct buffer b = { buf, size, 0 };
    int n = format_text(put, &b, fmt, ap);

    if (size > 0)
        buf[b.used < size ? b.used : size - 1] = '\0';
    return n;
}

int snprintf(char *restrict buf, size_t size, const char *restrict fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

int vsprintf(char *restrict buf, const char *restrict fmt, va_list ap)
{
    return vsnprintf(buf, (size_t)-1 / 2, fmt, ap);
}

int sprintf(char *restrict buf, const char *restrict fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsprintf(buf, fmt, ap);
    va_end(ap);
    return n;
}
