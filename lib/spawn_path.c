/* Programs as files. */
#include <rugo/spawn.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <rugo/file.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRAM_MAX (256ul * 1024 * 1024) /* bytes of a program file */

static int is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int find_in(const char *dir, const char *name, char *path, size_t size)
{
    int n = snprintf(path, size, "%s/%s", dir, name);

    return n > 0 && (size_t)n < size && is_program(path);
}

static int find_in_packages(const char *name, char *path, size_t size)
{
    DIR *dir = opendir("/pkg");
    struct dirent *e;
    int found = 0;

    if (dir == NULL)
        return 0;
    while (!found && (e = readdir(dir)) != NULL) {
        int n = e->d_name[0] == '.' ? -1 : snprintf(path, size, "/pkg/%s/bin/%s", e->d_name, name);
        found = n > 0 && (size_t)n < size && is_program(path);
    }
    (void)closedir(dir);
    return found;
}

int program_find(const char *name, char *path, size_t size)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL)
        return -ENOENT;
    if (find_in("/boot/bin", name, path, size) || find_in("/bin", name, path, size) ||
        find_in_packages(name, path, size))
        return 0;
    return -ENOENT;
}

static int check_file(struct spawn_args *a, const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return -errno;
    if (S_ISDIR(st.st_mode)) {
        a->reason = "is a directory";
        return -EACCES;
    }
    if ((st.st_mode & 0111) == 0) {
        a->reason = "has no execute permission";
        return -EACCES;
    }
    return 0;
}

static int spawn_file(struct spawn_args *a, const char *path, handle_t *proc)
{
    const char *name = a->name, *where = a->path;
    void *image;
    size_t size;
    int st = check_file(a, path);

    if (st != 0)
        return st;
    st = file_load(path, PROGRAM_MAX, &image, &size);
    if (st != 0)
        return st;
    if (name == NULL)
        a->name = path;
    if (where == NULL)
        a->path = path;
    st = spawn_image(a, image, size, proc);
    a->name = name;
    a->path = where;
    file_unload(image, size);
    return st;
}

int spawn_path(struct spawn_args *a, const char *path, handle_t *proc)
{
    char found[PATH_MAX];
    int st;

    a->reason = NULL;
    if (strchr(path, '/') != NULL)
        return spawn_file(a, path, proc);
    st = program_find(path, found, sizeof found);
    return st != 0 ? st : spawn_file(a, found, proc);
}
