/* The commands that only the shell itself can do: cd, pwd, help, run, exit. */
#ifndef SH_BUILTIN_H
#define SH_BUILTIN_H

#include <stdbool.h>

/*
 * Do argv if it is a builtin, with output to fds[1]; sets last_status. False: it is none. *go_on as
 * run_text() returns it.
 */
bool builtin_run(char **argv, int fds[3], bool *go_on);
bool builtin_known(const char *name);

/* run.c: find, start and wait for a program; fds are closed then, and 0, 1, 2. False: the interrupt key ended it. */
bool run_program(char **argv, int fds[3]);

#endif
