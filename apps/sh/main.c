/*
 * sh: a small shell. `sh` at a terminal talks to a person; `sh -c COMMANDS` and `sh FILE` run what they
 * are given, `sh -w WORD…` runs the words as one command; without a terminal descriptor 0 is read as a
 * script.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/sh/line.h"
#include "apps/sh/run.h"

enum { STATUS_INTERRUPTED = 130 };

/* Prompt, read, run, for as long as there is a terminal. */
static int talk(void)
{
    char cwd[PATH_MAX], prompt[PATH_MAX + 16];
    char *line;

    for (;;) {
        if (getcwd(cwd, sizeof(cwd)) == NULL)
            strcpy(cwd, "?");
        snprintf(prompt, sizeof(prompt), "rugo:%s$ ", cwd);
        switch (line_read(prompt, &line)) {
        case LINE_DONE:
            if (!run_text(line))
                last_status = STATUS_INTERRUPTED;
            break;
        case LINE_INTERRUPT: last_status = STATUS_INTERRUPTED; break;
        case LINE_EOF:
            fprintf(stderr, "sh: `shutdown` switches the machine off, `exit` ends this shell\n");
            break;
        case LINE_ERROR: return 1;
        }
    }
}

static int run_file(FILE *file)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, file) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        if (!run_text(line)) {
            last_status = STATUS_INTERRUPTED;
            break;
        }
    }
    free(line);
    return last_status;
}

int main(int argc, char **argv)
{
    FILE *file;

    run_setup(isatty(STDIN_FILENO));
    if (argc >= 3 && strcmp(argv[1], "-c") == 0)
        return run_text(argv[2]) ? last_status : STATUS_INTERRUPTED;
    if (argc >= 3 && strcmp(argv[1], "-w") == 0)
        return run_words(argv + 2, (int[3]){ 0, 1, 2 }) ? last_status : STATUS_INTERRUPTED;
    if (argc == 1 && isatty(STDIN_FILENO))
        return talk();
    if (argc == 1)
        return run_file(stdin);
    file = fopen(argv[1], "r");
    if (file == NULL) {
        fprintf(stderr, "sh: %s: %s\n", argv[1], strerror(errno));
        return 127;
    }
    return run_file(file);
}
