/* Reading by a format from a string. */
#include "scan.h"

#include <stdio.h>

static int get(void *where)
{
    const char **at = where;

    return **at != '\0' ? (unsigned char)*(*at)++ : -1;
}

static void back(void *where, int c)
{
    (void)c;
    --*(const char **)where;
}

int vsscanf(const char *restrict s, const char *restrict fmt, va_list ap)
{
    const char *at = s;
    struct scan_source source = { get, back, &at };

    return scan_text(&source, fmt, ap);
}

int sscanf(const char *restrict s, const char *restrict fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsscanf(s, fmt, ap);
    va_end(ap);
    return n;
}
