/* Copying and removing whole trees. */
#include <rugo/tree.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024 };

static int complain(const char *path)
{
    warn("%s", path);
    return 1;
}

/* Calls each with "path/NAME" (and "other/NAME") for all names in a directory; the sum of the
 * results. */
static int for_names(const char *path, const char *other, int (*each)(const char *, const char *))
{
    char **names = dir_names(path, NULL);
    int problems = 0;

    if (names == NULL)
        return complain(path);
    for (char **name = names; *name != NULL; name++) {
        char *below = path_below(path, *name);
        char *beside = other != NULL ? path_below(other, *name) : NULL;
        problems += each(below, beside);
        free(below);
        free(beside);
    }
    dir_names_free(names);
    return problems;
}

/* All of n bytes. A write that did only a part is asked for the rest, and then says why it can't. */
static int write_whole(int fd, const char *buf, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, buf, n);
        if (done < 0)
            return -1;
        buf += done;
        n -= (size_t)done;
    }
    return 0;
}

static int copy_bytes(int in, int out, const char *from, const char *to)
{
    static char *buf;
    ssize_t n;

    if (buf == NULL && (buf = malloc(BLOCK)) == NULL)
        return complain(from);
    while ((n = read(in, buf, BLOCK)) > 0)
        if (write_whole(out, buf, (size_t)n) != 0)
            return complain(to);
    return n < 0 ? complain(from) : 0;
}

static int copy_file(const char *from, const char *to, mode_t mode)
{
    struct stat a, b;
    int in = open(from, O_RDONLY), out, problems;

    if (in < 0)
        return complain(from);
    if (stat(to, &b) == 0 && fstat(in, &a) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
        warnx("%s and %s are the same file", from, to);
        (void)close(in);
        return 1;
    }
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC, mode & 0777);
    if (out < 0) {
        (void)close(in);
        return complain(to);
    }
    problems = copy_bytes(in, out, from, to);
    (void)close(in);
    if (close(out) != 0)
        problems += complain(to);
    return problems;
}

static int copy_link(const char *from, const char *to)
{
    char target[PATH_MAX];
    ssize_t n = readlink(from, target, sizeof target - 1);

    if (n < 0)
        return complain(from);
    target[n] = '\0';
    if (symlink(target, to) == 0)
        return 0;
    if (errno == EEXIST && unlink(to) == 0 && symlink(target, to) == 0)
        return 0;
    return complain(to);
}

static int copy_each(const char *from, const char *to)
{
    return copy_tree(from, to, 1);
}

/* to lies in the directory from: the copy would never end. */
static int is_inside(const struct stat *from, const char *to)
{
    char *path = strdup(to);
    int inside = 0;

    while (path != NULL && !inside && path[0] != '\0') {
        struct stat st;
        char *slash = strrchr(path, '/');
        inside = stat(path, &st) == 0 && st.st_ino == from->st_ino && st.st_dev == from->st_dev;
        if (slash == NULL)
            break;
        *slash = '\0';
    }
    free(path);
    return inside;
}

static int copy_directory(const char *from, const char *to, const struct stat *st)
{
    if (is_inside(st, to)) {
        warnx("%s: cannot be copied into itself (%s)", from, to);
        return 1;
    }
    if (mkdir(to, (st->st_mode & 0777) | 0700) != 0 && errno != EEXIST)
        return complain(to);
    return for_names(from, to, copy_each);
}

int copy_tree(const char *from, const char *to, int recursive)
{
    struct stat st;

    if ((recursive ? lstat : stat)(from, &st) != 0)
        return complain(from);
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to);
    if (!S_ISDIR(st.st_mode))
        return copy_file(from, to, st.st_mode);
    if (recursive)
        return copy_directory(from, to, &st);
    warnx("%s: is a directory (use -r)", from);
    return 1;
}

static int remove_each(const char *path, const char *unused)
{
    (void)unused;
    return remove_tree(path, 1, 0);
}

int remove_tree(const char *path, int recursive, int force)
{
    struct stat st;
    int problems;

    if (lstat(path, &st) != 0)
        return force && errno == ENOENT ? 0 : complain(path);
    if (!S_ISDIR(st.st_mode))
        return unlink(path) == 0 ? 0 : complain(path);
    if (!recursive) {
        warnx("%s: is a directory (use -r)", path);
        return 1;
    }
    problems = for_names(path, NULL, remove_each);
    if (problems == 0 && rmdir(path) != 0)
        problems += complain(path);
    return problems;
}
