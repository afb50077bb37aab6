/* Trees of files. Never follows a link: what it writes to, it has made; what it removes, it has looked at. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool tree_path(char *path, const char *dir, const char *name)
{
    int n = snprintf(path, TREE_PATH_MAX, "%s/%s", dir, name);

    if (n >= 0 && n < TREE_PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

static bool write_all(int fd, const void *data, size_t size)
{
    const char *bytes = data;

    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

/* Closes fd; the errno of what failed before stays. */
static bool close_after(int fd, bool good)
{
    int before = errno;

    if (close(fd) < 0 && good)
        return false;
    if (!good)
        errno = before;
    return good;
}

bool tree_write(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

    return fd >= 0 && close_after(fd, write_all(fd, data, size));
}

/* ---- unpacking ---- */

static bool copy_data(struct package *p, const struct package_entry *e, int fd)
{
    for (uint64_t at = 0; at < e->size;) {
        size_t n = e->size - at < sizeof(p->buffer) ? (size_t)(e->size - at) : sizeof(p->buffer);
        int st = package_read(p, e, at, p->buffer, n);

        if (st < 0) {
            errno = -st;
            return false;
        }
        if (!write_all(fd, p->buffer, n))
            return false;
        at += n;
    }
    return true;
}

static bool unpack_entry(struct package *p, const struct package_entry *e, const char *path)
{
    int fd;

    if (e->kind == PACKAGE_FOLDER)
        return mkdir(path, e->mode | 0700) == 0;
    if (e->kind == PACKAGE_LINK)
        return symlink(e->target, path) == 0;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, e->mode);
    return fd >= 0 && close_after(fd, copy_data(p, e, fd));
}

bool tree_unpack(struct package *p, const char *dir)
{
    struct package_entry e = { 0 };
    char path[TREE_PATH_MAX];
    int st;

    while ((st = package_next(p, &e)) > 0) {
        if (!tree_path(path, dir, e.path) || !unpack_entry(p, &e, path)) {
            fprintf(stderr, "pkg: %s: %s\n", e.path, strerror(errno));
            return false;
        }
    }
    if (st < 0)
        fprintf(stderr, "pkg: the file changed while it was read: %s\n", p->problem);
    return st == 0;
}

/* ---- removing ---- */

/*
 * Removes what one pass over a folder finds; *removed counts. Removing while reading may make a pass skip entries, which is why
 * there is a next one.
 */
static bool empty_folder(const char *path, unsigned *removed)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char below[TREE_PATH_MAX];
    bool good = true;

    if (!dir)
        return false;
    while (good && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        good = tree_path(below, path, entry->d_name) && tree_remove(below);
        *removed += 1;
    }
    int before = errno;
    closedir(dir);
    errno = before;
    return good;
}

static bool remove_folder(const char *path)
{
    unsigned removed;

    do {
        removed = 0;
        if (!empty_folder(path, &removed))
            return false;
        if (rmdir(path) == 0)
            return true;
    } while (errno == ENOTEMPTY && removed > 0);
    return false;
}

bool tree_remove(const char *path)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT;
    if (S_ISDIR(st.st_mode))
        return remove_folder(path);
    return unlink(path) == 0;
}
