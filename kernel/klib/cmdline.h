/* Words `key=value` of the kernel's command line, separated by spaces. */
#ifndef KLIB_CMDLINE_H
#define KLIB_CMDLINE_H

#include "klib/types.h"

/* Copy the value of the first word key=… into value (size bytes, NUL included; cut if longer). False: there is none. */
bool cmdline_get(const char *cmdline, const char *key, char *value, size_t size);
/* Whether the word is there. */
bool cmdline_has(const char *cmdline, const char *word);

#endif
