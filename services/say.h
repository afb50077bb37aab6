/*
 * One line on the system log, which the serial console shows: how services speak before and
 * without a terminal.
 */
#ifndef SERVICES_SAY_H
#define SERVICES_SAY_H

#include <rugo/abi.h>
#include <rugo/cdefs.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdarg.h>
#include <stdio.h>

enum { SAY_MAX = 512 };             /* longer lines are cut */

/* Print fmt and a newline to the log this process was started with (START_LOG), if it was given one. level: enum log_level. */
static inline void __printf(2, 3) say_at(uint32_t level, const char *fmt, ...)
{
    char line[SAY_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (n > (int)sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n++] = '\n';
    (void)sys_log_write(start_handle(START_LOG), level, line, (size_t)n);
}

#define say(...)         say_at(LOG_INFO, __VA_ARGS__)
#define say_warning(...) say_at(LOG_WARNING, __VA_ARGS__)
#define say_error(...)   say_at(LOG_ERR, __VA_ARGS__)

#endif
