/* Names of a directory, and paths made of them. */
#include <rugo/tree.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <rugo/path.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct list {
    char **name;
    size_t n, room;
};

/* Appends a copy; one element behind it stays for the NULL. */
static int append(struct list *l, const char *name)
{
    if (l->n + 2 > l->room) {
        size_t room = l->room == 0 ? 64 : l->room * 2;
        char **bigger = reallocarray(l->name, room, sizeof *bigger);
        if (bigger == NULL)
            return -1;
        l->name = bigger;
        l->room = room;
    }
    l->name[l->n + 1] = NULL;
    l->name[l->n] = strdup(name);
    return l->name[l->n] != NULL ? (l->n++, 0) : -1;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(DIR *dir, struct list *l)
{
    struct dirent *e;

    errno = 0;
    while ((e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (append(l, e->d_name) != 0)
            return -1;
        errno = 0;
    }
    return errno != 0 ? -1 : 0;
}

char **dir_names(const char *path, size_t *n)
{
    struct list l = { calloc(1, sizeof(char *)), 0, 1 };
    DIR *dir = opendir(path);
    int st = dir == NULL || l.name == NULL ? -1 : read_names(dir, &l), saved = errno;

    if (dir != NULL)
        (void)closedir(dir);
    if (st != 0) {
        dir_names_free(l.name);
        errno = saved;
        return NULL;
    }
    qsort(l.name, l.n, sizeof *l.name, compare);
    if (n != NULL)
        *n = l.n;
    return l.name;
}

void dir_names_free(char **names)
{
    for (char **p = names; p != NULL && *p != NULL; p++)
        free(*p);
    free(names);
}

char *path_below(const char *dir, const char *name)
{
    size_t len = strlen(dir);
    char *path;

    while (len > 0 && dir[len - 1] == '/')
        len--;
    path = malloc(len + strlen(name) + 2);
    if (path == NULL)
        err(1, "%s", dir);
    memcpy(path, dir, len);
    path[len] = '/';
    strcpy(path + len + 1, name);
    return path;
}

char *target_of(const char *from, const char *to)
{
    char last[NAME_MAX + 1];
    struct stat st;
    char *path;

    if (stat(to, &st) == 0 && S_ISDIR(st.st_mode))
        return path_below(to, path_last(from, last, sizeof last));
    path = strdup(to);
    if (path == NULL)
        err(1, "%s", to);
    return path;
}
