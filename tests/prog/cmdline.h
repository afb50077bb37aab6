/* What a test program needs of the kernel's command line: KEY=value words. */
#ifndef TESTS_PROG_CMDLINE_H
#define TESTS_PROG_CMDLINE_H

#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdlib.h>
#include <string.h>

/* The value of the first word KEY=value, or "". It stays valid. */
static inline const char *cmdline_text(const char *key)
{
    static char line[4097];
    static char value[256];
    size_t len = strlen(key);
    char *save;
    char words[sizeof(line)];

    if (line[0] == '\0')
        (void)sys_machine_cmdline(start_handle(START_MACHINE), line, sizeof(line) - 1);
    strcpy(words, line);
    for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        if (strncmp(w, key, len) != 0 || w[len] != '=')
            continue;
        snprintf(value, sizeof(value), "%s", w + len + 1);
        return value;
    }
    return "";
}

/* The same as a number (decimal, or hexadecimal after 0x); fallback if there is no such word. */
static inline unsigned long cmdline_number(const char *key, unsigned long fallback)
{
    const char *text = cmdline_text(key);

    return text[0] != '\0' ? strtoul(text, NULL, 0) : fallback;
}

#endif
