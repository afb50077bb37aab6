/* Programs as files. */
#include <rugo/spawn.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <rugo/file.h>
#include <rugo/syscall.h>
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

static int check_mode(struct spawn_args *a, mode_t mode)
{
    if (S_ISDIR(mode)) {
        a->reason = "is a directory";
        return -EISDIR;
    }
    if ((mode & 0111) == 0) {
        a->reason = "has no execute permission";
        return -EACCES;
    }
    return 0;
}

/* By a copy of our own, when fsd has no object for it. */
static int spawn_read(struct spawn_args *a, const char *path, handle_t *proc)
{
    struct stat info;
    void *image;
    size_t size;
    int st = stat(path, &info) != 0 ? -errno : check_mode(a, info.st_mode);

    if (st == 0)
        st = file_load(path, PROGRAM_MAX, &image, &size);
    if (st != 0)
        return st;
    st = spawn_image(a, image, size, proc);
    file_unload(image, size);
    return st;
}

static int spawn_shared(struct spawn_args *a, const char *path, handle_t *proc)
{
    struct file_image im;
    int st = file_image_path(path, &im);

    if (st == -EFBIG || st == -ENOMEM || st == -EISDIR)
        return spawn_read(a, path, proc);
    if (st != 0)
        return st;
    st = check_mode(a, im.mode);
    if (st == 0)
        st = spawn_object(a, im.object, im.size, im.head,
                          im.size < sizeof im.head ? im.size : sizeof im.head, proc);
    (void)sys_handle_close(im.object);
    return st;
}

static int spawn_file(struct spawn_args *a, const char *path, handle_t *proc)
{
    const char *name = a->name, *where = a->path;
    int st;

    if (name == NULL)
        a->name = path;
    if (where == NULL)
        a->path = path;
    st = spawn_shared(a, path, proc);
    a->name = name;
    a->path = where;
    return st;
}

/* A bare name. Most are in one of two places, where we try to start it without asking first. */
static int spawn_name(struct spawn_args *a, const char *name, handle_t *proc)
{
    static const char *const places[] = { "/boot/bin", "/bin" };
    char path[PATH_MAX];

    for (size_t i = 0; name[0] != '\0' && i < sizeof places / sizeof places[0]; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", places[i], name);
        int st = n > 0 && (size_t)n < sizeof path ? spawn_file(a, path, proc) : -ENOENT;
        if (st != -ENOENT && st != -ENOTDIR && st != -EISDIR && st != -EPIPE)
            return st;
    }
    a->reason = NULL;
    int st = program_find(name, path, sizeof path);
    return st != 0 ? st : spawn_file(a, path, proc);
}

int spawn_path(struct spawn_args *a, const char *path, handle_t *proc)
{
    a->reason = NULL;
    int st = strchr(path, '/') != NULL ? spawn_file(a, path, proc) : spawn_name(a, path, proc);
    return st == -EISDIR ? -EACCES : st;
}
