/* Messages on standard error: "program: text[: errno in words]" (as BSD's). */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <rugo/cdefs.h>

void warn(const char *fmt, ...) __printf(1, 2);
void warnx(const char *fmt, ...) __printf(1, 2);
_Noreturn void err(int status, const char *fmt, ...) __printf(2, 3);
_Noreturn void errx(int status, const char *fmt, ...) __printf(2, 3);

#endif
