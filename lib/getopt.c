/* Options of a command line (POSIX). */
#include <rugo/start.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *optarg;
int optind = 1, opterr = 1, optopt;

static int position; /* inside argv[optind]; 0: at its start */

static int complain(const char *text, int quiet)
{
    if (opterr && !quiet)
        fprintf(stderr, "%s: %s -- '%c'\n", program_name, text, optopt);
    return '?';
}

static void next_word(void)
{
    optind++;
    position = 0;
}

int getopt(int argc, char *const argv[], const char *opts)
{
    int quiet = opts[0] == ':';
    const char *word = optind < argc ? argv[optind] : NULL, *known;

    if (word == NULL || word[0] != '-' || word[1] == '\0')
        return -1;
    if (strcmp(word, "--") == 0) {
        next_word();
        return -1;
    }
    if (position == 0)
        position = 1;
    optopt = (unsigned char)word[position++];
    known = optopt == ':' ? NULL : strchr(opts, optopt);
    if (known == NULL || known[1] != ':') {
        if (word[position] == '\0')
            next_word();
        return known != NULL ? optopt : complain("unknown option", quiet);
    }
    optarg = (char *)word + position;
    next_word();
    if (*optarg == '\0') {
        if (optind >= argc)
            return quiet ? ':' : complain("option needs an argument", 0);
        optarg = argv[optind++];
    }
    return optopt;
}
