/* Installed packages. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

#define MANIFEST_FILE "pkg.conf"

/* Names in PKG_DIR that are no packages; see store.h. No package's name begins with a point. */
#define NEW_PREFIX   ".tmp-"
#define OLD_PREFIX   ".old-"
#define GONE_PREFIX  ".del-"
#define PREFIX_LEN   5
#define LEFTOVER_MAX (PREFIX_LEN + MANIFEST_NAME_MAX)

/* A path below PKG_DIR; names of packages are short, so it always fits. */
struct place {
    char path[sizeof(PKG_DIR) + PREFIX_LEN + MANIFEST_NAME_MAX + sizeof(MANIFEST_FILE) + 2];
};

static struct place place_of(const char *prefix, const char *name)
{
    struct place place;

    snprintf(place.path, sizeof(place.path), "%s/%s%s", PKG_DIR, prefix, name);
    return place;
}

static bool complain(const char *what)
{
    fprintf(stderr, "pkg: %s: %s\n", what, strerror(errno));
    return false;
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* Everything written so far is on the disk; unlike sync() it tells when that failed. */
static bool make_durable(void)
{
    int fd = open(PKG_DIR, O_RDONLY | O_DIRECTORY);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    sync();
    return good || complain("can't be made durable");
}

/* ---- after an interruption ---- */

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, PREFIX_LEN) == 0;
}

/* One leftover; false if it could not be cleaned up. */
static bool tidy_one(const char *name)
{
    struct place left = place_of("", name);

    if (has_prefix(name, OLD_PREFIX)) {
        struct place current = place_of("", name + PREFIX_LEN);

        if (!exists(current.path)) {
            if (rename(left.path, current.path) < 0)
                return complain(left.path);
            fprintf(stderr, "pkg: %s: an upgrade was interrupted; the old version is back\n",
                    name + PREFIX_LEN);
            return true;
        }
    }
    return tree_remove(left.path) || complain(left.path);
}

/* A name that this program may have left, and no longer than one it would choose. */
static bool is_leftover(const char *name)
{
    if (strnlen(name, LEFTOVER_MAX + 1) > LEFTOVER_MAX)
        return false;
    return has_prefix(name, OLD_PREFIX) || has_prefix(name, NEW_PREFIX) ||
           has_prefix(name, GONE_PREFIX);
}

/* A leftover in PKG_DIR, if there is one: old versions first, because they may have to be put back. */
static bool find_leftover(char found[LEFTOVER_MAX + 1])
{
    DIR *dir = opendir(PKG_DIR);
    struct dirent *entry;

    found[0] = 0;
    while (dir && !has_prefix(found, OLD_PREFIX) && (entry = readdir(dir))) {
        if (is_leftover(entry->d_name))
            memcpy(found, entry->d_name, strlen(entry->d_name) + 1);
    }
    if (dir)
        closedir(dir);
    return found[0] != 0;
}

void store_tidy(void)
{
    char name[LEFTOVER_MAX + 1];

    while (find_leftover(name)) {
        if (!tidy_one(name))
            return;
    }
}

/* ---- reading ---- */

/* A small file into buf, NUL-terminated; its size, or -1. */
static ssize_t read_text(const char *path, char *buf, size_t max)
{
    int fd = open(path, O_RDONLY);
    ssize_t n, got = 0;

    if (fd < 0)
        return -1;
    while ((n = read(fd, buf + got, max - 1 - (size_t)got)) > 0)
        got += n;
    close(fd);
    buf[got] = 0;
    return n < 0 ? -1 : got;
}

bool store_manifest(const char *name, struct manifest *m, const char **why)
{
    static char text[MANIFEST_MAX + 2];
    char path[TREE_PATH_MAX];
    unsigned line;
    ssize_t size;

    *why = "not installed";
    if (!manifest_name_ok(name) || !exists(place_of("", name).path))
        return false;
    *why = "there, but no package";
    if (!tree_path(path, place_of("", name).path, MANIFEST_FILE))
        return false;
    size = read_text(path, text, sizeof(text));
    return size >= 0 && !manifest_parse(text, (size_t)size, m, &line) && strcmp(m->name, name) == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Appends a copy of name; false without memory. */
static bool append(char ***list, int *count, const char *name)
{
    char **longer = realloc(*list, (size_t)(*count + 1) * sizeof(**list));

    if (!longer)
        return false;
    *list = longer;
    longer[*count] = strdup(name);
    if (!longer[*count])
        return false;
    ++*count;
    return true;
}

char **store_list(int *count)
{
    DIR *dir = opendir(PKG_DIR);
    struct dirent *entry;
    char **list = NULL;
    bool good = true;

    *count = 0;
    if (!dir)
        return NULL;
    while (good && (entry = readdir(dir))) {
        if (manifest_name_ok(entry->d_name))
            good = append(&list, count, entry->d_name);
    }
    closedir(dir);
    if (*count > 0)
        qsort(list, (size_t)*count, sizeof(*list), compare_names);
    if (!good) {
        while (*count > 0)
            free(list[--*count]);
        free(list);
        list = NULL;
        *count = -1;
    }
    return list;
}

void store_hash(const struct package *p, char text[MANIFEST_HASH + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < SHA256_SIZE; i++) {
        text[2 * i] = digits[p->hash[i] >> 4];
        text[2 * i + 1] = digits[p->hash[i] & 15];
    }
    text[MANIFEST_HASH] = 0;
}

/* ---- installing ---- */

/* The package's manifest and the hash of the package, as pkg.conf. */
static bool write_manifest(const struct package *p, const char *dir)
{
    static char text[MANIFEST_MAX + MANIFEST_HASH + 16];
    char hash[MANIFEST_HASH + 1];
    char path[TREE_PATH_MAX];
    bool closed = p->manifest_size > 0 && p->manifest_text[p->manifest_size - 1] == '\n';
    int size;

    store_hash(p, hash);
    size = snprintf(text, sizeof(text), "%s%ssha256 = %s\n", p->manifest_text, closed ? "" : "\n",
                    hash);
    if (!tree_path(path, dir, MANIFEST_FILE))
        return complain(dir);
    return tree_write(path, text, (size_t)size) || complain(path);
}

/* All of the package under its temporary name, and on the disk. */
static bool prepare(struct package *p, const char *temporary)
{
    if (mkdir(temporary, 0755) < 0)
        return complain(temporary);
    return write_manifest(p, temporary) && tree_unpack(p, temporary) && make_durable();
}

/* The new version takes the place of the old one. */
static bool exchange(const char *temporary, const char *current, const char *old)
{
    bool replaces = exists(current);

    if (replaces && rename(current, old) < 0)
        return complain(current);
    if (rename(temporary, current) == 0)
        return true;
    complain(current);
    if (replaces && rename(old, current) < 0)
        complain(old);
    return false;
}

bool store_install(struct package *p)
{
    struct place temporary = place_of(NEW_PREFIX, p->manifest.name);
    struct place current = place_of("", p->manifest.name);
    struct place old = place_of(OLD_PREFIX, p->manifest.name);
    bool made = mkdir(PKG_DIR, 0755) == 0;

    if (!made && errno != EEXIST)
        return complain(PKG_DIR);
    if (!prepare(p, temporary.path) || !exchange(temporary.path, current.path, old.path)) {
        if (!tree_remove(temporary.path))
            complain(temporary.path);
        if (made)
            rmdir(PKG_DIR);
        return false;
    }
    /* From here on the new version is the installed one, whatever becomes of the old one's files. */
    make_durable();
    if (!tree_remove(old.path))
        complain(old.path);
    return true;
}

bool store_remove(const char *name)
{
    struct place current = place_of("", name);
    struct place gone = place_of(GONE_PREFIX, name);

    if (rename(current.path, gone.path) < 0)
        return complain(current.path);
    if (!tree_remove(gone.path))
        complain(gone.path);
    return make_durable();
}
