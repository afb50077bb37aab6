/* The end of a program that found itself broken. Its exit status says SIGABRT. */
#include "last_words.h"

#include <assert.h>
#include <rugo/syscall.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn static void die(void)
{
    (void)sys_process_kill(HANDLE_SELF, SIGABRT);
    sys_process_exit(128 + SIGABRT);
}

_Noreturn void abort(void)
{
    last_words("aborted");
    die();
}

_Noreturn void __assert_fail(const char *expr, const char *file, int line, const char *func)
{
    char text[200];

    snprintf(text, sizeof text, "%s:%d: %s: assertion failed: %s", file, line, func, expr);
    last_words(text);
    die();
}
