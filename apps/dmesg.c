/*
 * dmesg [-ftx] [-l LEVELS]: the system log, as far as it is kept: each piece with the time since the start. -l: only these
 * levels (`warn,err`; `warn+`: warn and all that is worse); -x: the level and who wrote it; -t: no times; -f: also
 * what is added from now on.
 */
#include <err.h>
#include <errno.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE 100000 /* microseconds between two looks */

enum { LEVELS = LOG_DEBUG + 1, PIECES = 64 };

static const char *const names[LEVELS] = { "emerg", "alert",  "crit", "err",
                                           "warn",  "notice", "info", "debug" };
static bool wanted[LEVELS];
static bool times = true, details;
static handle_t the_log;

static void fail(int64_t st)
{
    errno = (int)-st;
    err(1, "the log");
}

/* "warn,err" or "warn+". Whoever has written something else is told. */
static void read_levels(char *list)
{
    char *word;

    while ((word = strsep(&list, ",")) != NULL) {
        size_t len = strcspn(word, "+");
        unsigned level = 0;

        while (level < LEVELS &&
               (strlen(names[level]) != len || strncmp(word, names[level], len) != 0))
            level++;
        if (level == LEVELS || strlen(word) > len + 1)
            errx(
                2,
                "%s: no such level (emerg, alert, crit, err, warn, notice, info, debug; with + behind it: and worse)",
                word);
        wanted[level] = true;
        for (unsigned worse = 0; word[len] == '+' && worse < level; worse++)
            wanted[worse] = true;
    }
}

static void print_head(const struct log_record *r)
{
    uint64_t us = r->time_ns / 1000;

    if (times)
        printf("[%5lu.%06lu] ", us / 1000000, us % 1000000);
    if (details)
        printf("%-6s %4lu: ", names[r->level], r->pid);
}

/* The text of a piece from a position on, as far as it is kept; each line has a head. */
static void print_text(const struct log_record *r, uint64_t from, bool *in_line)
{
    static char buf[4096];
    uint64_t end = r->position + r->len;

    while (from < end) {
        size_t n = end - from < sizeof buf ? (size_t)(end - from) : sizeof buf;
        uint64_t next;
        int64_t got = sys_log_read(the_log, &next, buf, n, from);

        if (got < 0)
            fail(got);
        if (got == 0 || next - (uint64_t)got >= end)
            return; /* overwritten meanwhile */
        for (int64_t i = 0; i < got; i++) {
            if (!*in_line)
                print_head(r);
            putchar(buf[i]);
            *in_line = buf[i] != '\n';
        }
        from = next;
    }
}

/* All pieces there are from *from on. */
static void print_from(uint64_t *from)
{
    static struct log_record pieces[PIECES];
    static bool in_line;
    int64_t n;

    while ((n = sys_log_records(the_log, *from, pieces, PIECES)) > 0) {
        for (int64_t i = 0; i < n; i++) {
            const struct log_record *r = &pieces[i];

            if (wanted[r->level])
                print_text(r, *from > r->position ? *from : r->position, &in_line);
            *from = r->position + r->len;
        }
    }
    if (n < 0)
        fail(n);
    if (fflush(stdout) != 0)
        err(1, "standard output");
}

int main(int argc, char **argv)
{
    bool follow = false, some = false;
    uint64_t from = 0;
    int option;

    while ((option = getopt(argc, argv, "ftxl:")) != -1) {
        switch (option) {
        case 'f': follow = true; break;
        case 't': times = false; break;
        case 'x': details = true; break;
        case 'l':
            read_levels(optarg);
            some = true;
            break;
        default: errx(2, "usage: dmesg [-ftx] [-l LEVELS]");
        }
    }
    if (optind < argc)
        errx(2, "usage: dmesg [-ftx] [-l LEVELS]");
    for (unsigned level = 0; !some && level < LEVELS; level++)
        wanted[level] = true;
    the_log = start_need(START_LOG, "the log handle");
    print_from(&from);
    while (follow) {
        (void)usleep(PATIENCE);
        print_from(&from);
    }
    return 0;
}
