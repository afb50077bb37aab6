/* mkdir [-p] DIRECTORY...: make directories; with -p also those above, and no complaint about one
 * that exists. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int make_all(char *path)
{
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (!exists(path) && mkdir(path, 0777) != 0)
            return -1;
        *p = '/';
    }
    return exists(path) ? 0 : mkdir(path, 0777);
}

int main(int argc, char **argv)
{
    int c, parents = 0, failed = 0;

    while ((c = getopt(argc, argv, "p")) != -1) {
        if (c != 'p')
            return 2;
        parents = 1;
    }
    if (optind == argc)
        errx(2, "usage: mkdir [-p] DIRECTORY...");
    for (int i = optind; i < argc; i++) {
        if ((parents ? make_all(argv[i]) : mkdir(argv[i], 0777)) != 0) {
            warn("%s", argv[i]);
            failed = 1;
        }
    }
    return failed;
}
