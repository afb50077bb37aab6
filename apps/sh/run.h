/* Running commands. */
#ifndef SH_RUN_H
#define SH_RUN_H

#include <stdbool.h>

extern int last_status;             /* $?: of the last command, 0 … 255 */

/* Run all commands of `text`; mistakes are said on descriptor 2. False: the interrupt key ended it. */
bool run_text(const char *text);

/*
 * Run one command whose words are ready, with descriptors in place of 0, 1 and 2; those that were used up are 0, 1, 2
 * again afterwards. False: as above.
 */
bool run_words(char **argv, int fds[3]);

/* Prepare for programs; `terminal`: descriptor 0 is one, and its interrupt key ends what runs. */
void run_setup(bool terminal);

#endif
