/* rm [-r] [-f] FILE...: remove files; -r: directories with all in them; -f: no complaint about
 * what is not there. */
#include <err.h>
#include <limits.h>
#include <rugo/path.h>
#include <rugo/tree.h>
#include <string.h>
#include <unistd.h>

static int is_dots(const char *path)
{
    char last[NAME_MAX + 1];

    path_last(path, last, sizeof last);
    return strcmp(last, ".") == 0 || strcmp(last, "..") == 0 || strcmp(last, "/") == 0;
}

int main(int argc, char **argv)
{
    int c, recursive = 0, force = 0, problems = 0;

    while ((c = getopt(argc, argv, "rRf")) != -1) {
        if (c == '?')
            return 2;
        if (c == 'f')
            force = 1;
        else
            recursive = 1;
    }
    if (optind == argc && !force)
        errx(2, "usage: rm [-r] [-f] FILE...");
    for (int i = optind; i < argc; i++) {
        if (is_dots(argv[i])) {
            warnx("%s: will not be removed", argv[i]);
            problems++;
        } else {
            problems += remove_tree(argv[i], recursive, force);
        }
    }
    return problems != 0;
}
