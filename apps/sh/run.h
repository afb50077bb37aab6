/* Running commands. */
#ifndef SH_RUN_H
#define SH_RUN_H

#include <stdbool.h>

extern int last_status;             /* $?: of the last command, 0 … 255 */

/* Run all commands of `text`; mistakes are said on descriptor 2. False: the interrupt key ended it. */
bool run_text(const char *text);

/* Prepare for programs; `terminal`: descriptor 0 is one, and its interrupt key ends what runs. */
void run_setup(bool terminal);

#endif
