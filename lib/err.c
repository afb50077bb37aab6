/* Messages on standard error. */
#include <err.h>

#include <errno.h>
#include <rugo/start.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line in one piece, so that two programs' lines do not mix. */
static void say(int error, const char *fmt, va_list ap)
{
    char text[512];

    (void)fflush(stdout);
    vsnprintf(text, sizeof text, fmt, ap);
    if (error != 0)
        fprintf(stderr, "%s: %s: %s\n", program_name, text, strerror(error));
    else
        fprintf(stderr, "%s: %s\n", program_name, text);
}

void warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(errno, fmt, ap);
    va_end(ap);
}

void warnx(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(0, fmt, ap);
    va_end(ap);
}

void err(int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(errno, fmt, ap);
    va_end(ap);
    exit(status);
}

void errx(int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(0, fmt, ap);
    va_end(ap);
    exit(status);
}
