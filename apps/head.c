/* head [-n LINES] [FILE]...: the first lines (10) of files or of standard input. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int head(FILE *f, const char *name, long lines)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    while (lines-- > 0 && (n = getline(&line, &size, f)) > 0)
        fwrite(line, 1, (size_t)n, stdout);
    free(line);
    if (!ferror(f))
        return 0;
    warn("%s", name);
    return 1;
}

static int head_file(const char *path, long lines, int with_name)
{
    FILE *f = fopen(path, "r");
    int failed;

    if (f == NULL) {
        warn("%s", path);
        return 1;
    }
    if (with_name)
        printf("==> %s <==\n", path);
    failed = head(f, path, lines);
    fclose(f);
    return failed;
}

int main(int argc, char **argv)
{
    long lines = 10;
    char *end = "";
    int c, failed = 0;

    while ((c = getopt(argc, argv, "n:")) != -1) {
        if (c == '?')
            return 2;
        lines = strtol(optarg, &end, 10);
        if (*end != '\0' || lines < 0)
            errx(2, "usage: head [-n LINES] [FILE]...");
    }
    if (optind == argc)
        return head(stdin, "standard input", lines);
    for (int i = optind; i < argc; i++)
        failed |= head_file(argv[i], lines, argc - optind > 1);
    return failed;
}
