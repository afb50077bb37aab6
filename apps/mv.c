/* mv FROM... TO: rename, or move into the directory TO; across file systems by copying. */
#include <err.h>
#include <errno.h>
#include <rugo/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int move(const char *from, const char *to)
{
    if (rename(from, to) == 0)
        return 0;
    if (errno != EXDEV) {
        warn("%s to %s", from, to);
        return 1;
    }
    if (copy_tree(from, to, 1) != 0)
        return 1; /* what was copied stays: the original is whole */
    return remove_tree(from, 1, 0) != 0;
}

int main(int argc, char **argv)
{
    const char *to = argv[argc - 1];
    struct stat st;
    int failed = 0;

    if (argc < 3 || argv[1][0] == '-')
        errx(2, "usage: mv FROM... TO");
    if (argc > 3 && (stat(to, &st) != 0 || !S_ISDIR(st.st_mode)))
        errx(1, "%s: not a directory", to);
    for (int i = 1; i < argc - 1; i++) {
        char *target = target_of(argv[i], to);
        failed |= move(argv[i], target);
        free(target);
    }
    return failed;
}
