/* Reading by a format from streams. */
#include "scan.h"

#include <stdio.h>

static int get(void *where)
{
    return fgetc(where);
}

static void back(void *where, int c)
{
    (void)ungetc(c, where);
}

int vfscanf(FILE *restrict f, const char *restrict fmt, va_list ap)
{
    struct scan_source source = { get, back, f };

    return scan_text(&source, fmt, ap);
}

int fscanf(FILE *restrict f, const char *restrict fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vfscanf(f, fmt, ap);
    va_end(ap);
    return n;
}

int scanf(const char *restrict fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vfscanf(stdin, fmt, ap);
    va_end(ap);
    return n;
}
