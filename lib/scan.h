/* Reading by a format from anywhere: what all of scanf is made of. Pure. */
#ifndef LIB_SCAN_H
#define LIB_SCAN_H

#include <stdarg.h>

/* Where the text comes from. get: the next byte or -1; back: the last one got is to come again. */
struct scan_source {
    int (*get)(void *where);
    void (*back)(void *where, int c);
    void *where;
};

/* ISO C 7.21.6.2, without %a and wide characters. Fields stored, or -1 if the text ended before. */
int scan_text(const struct scan_source *source, const char *fmt, va_list ap);

#endif
