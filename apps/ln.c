/* ln -s TARGET NAME: make a symbolic link; NAME may be a directory to put it into. */
#include <err.h>
#include <rugo/tree.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *name;
    int c, symbolic = 0;

    while ((c = getopt(argc, argv, "s")) != -1) {
        if (c != 's')
            return 2;
        symbolic = 1;
    }
    if (argc - optind != 2)
        errx(2, "usage: ln -s TARGET NAME");
    if (!symbolic)
        errx(1, "hard links are not supported; use ln -s");
    name = target_of(argv[optind], argv[optind + 1]);
    if (symlink(argv[optind], name) != 0)
        err(1, "%s", name);
    return 0;
}
