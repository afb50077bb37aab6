/* ls [-a] [-l] [-1] [PATH]...: names in byte order, one a line; -l with kind, mode, links, size
 * and time; -a: dot names too. */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <rugo/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int all, detailed;

static char kind_letter(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    }
    return '-';
}

static void mode_text(mode_t mode, char *out)
{
    static const char letters[] = "rwxrwxrwx";

    *out++ = kind_letter(mode);
    for (int i = 0; i < 9; i++)
        *out++ = mode & 0400u >> i ? letters[i] : '-';
    *out = '\0';
    if (mode & S_ISUID)
        out[-7] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        out[-4] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        out[-1] = mode & S_IXOTH ? 't' : 'T';
}

static int print_details(const char *path, const char *name)
{
    char mode[11], date[32] = "?", target[PATH_MAX];
    struct stat st;
    struct tm tm;
    ssize_t n;

    if (lstat(path, &st) != 0) {
        warn("%s", path);
        return 1;
    }
    mode_text(st.st_mode, mode);
    if (gmtime_r(&st.st_mtime, &tm) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm);
    printf("%s %3lu %5u %5u %10ld %s %s", mode, st.st_nlink, st.st_uid, st.st_gid, st.st_size, date,
           name);
    if (S_ISLNK(st.st_mode) && (n = readlink(path, target, sizeof target)) >= 0)
        printf(" -> %.*s", (int)n, target);
    putchar('\n');
    return 0;
}

static int print_name(const char *path, const char *name)
{
    if (detailed)
        return print_details(path, name);
    puts(name);
    return 0;
}

static int print_below(const char *dir, const char *name)
{
    char *path = detailed ? path_below(dir, name) : NULL;
    int failed = print_name(path, name);

    free(path);
    return failed;
}

static int list_directory(const char *dir)
{
    char **names = dir_names(dir, NULL);
    int failed = 0;

    if (names == NULL) {
        warn("%s", dir);
        return 1;
    }
    if (all)
        failed |= print_below(dir, ".") | print_below(dir, "..");
    for (char **name = names; *name != NULL; name++)
        if (all || (*name)[0] != '.')
            failed |= print_below(dir, *name);
    dir_names_free(names);
    return failed;
}

/* A directory itself, not a link to one with -l: as every ls does. */
static int is_directory(const char *path)
{
    struct stat st;

    return (detailed ? lstat : stat)(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int list_file(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        warn("%s", path);
        return 1;
    }
    return print_name(path, path);
}

static int list_all(int n, char **paths)
{
    int failed = 0, shown = 0;

    for (int i = 0; i < n; i++) {
        if (!is_directory(paths[i])) {
            failed |= list_file(paths[i]);
            shown = 1;
        }
    }
    for (int i = 0; i < n; i++) {
        if (!is_directory(paths[i]))
            continue;
        if (n > 1)
            printf("%s%s:\n", shown ? "\n" : "", paths[i]);
        failed |= list_directory(paths[i]);
        shown = 1;
    }
    return failed;
}

int main(int argc, char **argv)
{
    char *here[] = { "." };
    int c, failed;

    while ((c = getopt(argc, argv, "al1")) != -1) {
        if (c == '?')
            return 2;
        all |= c == 'a';
        detailed |= c == 'l';
    }
    failed = optind < argc ? list_all(argc - optind, argv + optind) : list_all(1, here);
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "standard output");
    return failed;
}
