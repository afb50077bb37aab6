/* cp [-r] FROM... TO: copy files; with -r directories too, symbolic links as they are. */
#include <err.h>
#include <rugo/tree.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *to;
    struct stat st;
    int c, recursive = 0, problems = 0;

    while ((c = getopt(argc, argv, "rR")) != -1) {
        if (c == '?')
            return 2;
        recursive = 1;
    }
    if (argc - optind < 2)
        errx(2, "usage: cp [-r] FROM... TO");
    to = argv[argc - 1];
    if (argc - optind > 2 && (stat(to, &st) != 0 || !S_ISDIR(st.st_mode)))
        errx(1, "%s: not a directory", to);
    for (int i = optind; i < argc - 1; i++) {
        char *target = target_of(argv[i], to);
        problems += copy_tree(argv[i], target, recursive);
        free(target);
    }
    return problems != 0;
}
