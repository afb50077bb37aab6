/* pkg: packages, from a file to /pkg/NAME and away again. Exit status: 0 well, 1 failed, 2 wrong use. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "package.h"
#include "store.h"

static int usage(void)
{
    fputs("usage: pkg install FILE    check a package and install it\n"
          "       pkg list            installed packages\n"
          "       pkg info NAME|FILE  what an installed package, or one in a file, is\n"
          "       pkg remove NAME     remove an installed package\n",
          stderr);
    return 2;
}

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "pkg: %s: %s\n", what, why);
    return 1;
}

/* ---- a package in a file ---- */

static int read_file(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const int *fd = ctx;
    char *bytes = buf;

    while (len > 0) {
        ssize_t n = pread(*fd, bytes, len, (off_t)offset);

        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        bytes += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Opens and verifies the package in a file; *fd is its source and stays the caller's. */
static bool open_package(struct package *p, const char *file, int *fd)
{
    struct package_source source = { .read = read_file, .ctx = fd };
    struct stat st;

    *fd = open(file, O_RDONLY);
    if (*fd < 0 || fstat(*fd, &st) < 0) {
        complain(file, strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        complain(file, "refused: not a package");
        return false;
    }
    source.size = (uint64_t)st.st_size;
    if (package_open(p, &source))
        return true;
    fprintf(stderr, "pkg: %s: refused: %s\n", file, p->problem);
    return false;
}

/* ---- commands ---- */

static int install_package(struct package *p)
{
    const struct manifest *m = &p->manifest;
    struct manifest before;
    char hash[MANIFEST_HASH + 1];
    const char *why;
    bool installed = store_manifest(m->name, &before, &why);

    if (!installed && strcmp(why, "not installed") != 0)
        return complain(m->name, why);
    store_hash(p, hash);
    if (installed && strcmp(before.sha256, hash) == 0) {
        printf("%s %s is installed already\n", m->name, m->version);
        return 0;
    }
    if (!store_install(p))
        return complain(m->name, installed ? "not upgraded" : "not installed");
    if (installed)
        printf("%s %s installed, in place of %s\n", m->name, m->version, before.version);
    else
        printf("%s %s installed\n", m->name, m->version);
    return 0;
}

static int cmd_install(const char *file)
{
    static struct package package;
    int fd = -1;
    int status = open_package(&package, file, &fd) ? install_package(&package) : 1;

    if (fd >= 0)
        close(fd);
    return status;
}

static int cmd_list(void)
{
    int count, status = 0;
    char **names = store_list(&count);

    if (count < 0)
        return complain(PKG_DIR, strerror(ENOMEM));
    for (int i = 0; i < count; i++) {
        struct manifest m;
        const char *why;

        if (store_manifest(names[i], &m, &why))
            printf("%-16s %-10s %s\n", m.name, m.version, m.summary);
        else
            status = complain(names[i], why);
        free(names[i]);
    }
    free(names);
    return status;
}

static void print_manifest(const struct manifest *m)
{
    printf("name      %s\nversion   %s\n", m->name, m->version);
    if (m->summary[0])
        printf("summary   %s\n", m->summary);
    for (unsigned i = 0; i < m->nprograms; i++)
        printf("program   %s\n", m->program[i]);
    if (m->sha256[0])
        printf("sha256    %s\n", m->sha256);
}

static int info_file(const char *file)
{
    static struct package package;
    int fd = -1;
    bool good = open_package(&package, file, &fd);

    if (good) {
        store_hash(&package, package.manifest.sha256);
        print_manifest(&package.manifest);
        printf("contains  %llu entries, %llu bytes in files\n", (unsigned long long)package.entries,
               (unsigned long long)package.bytes);
    }
    if (fd >= 0)
        close(fd);
    return good ? 0 : 1;
}

/* A path, or a name that ends like a package file, means a file; everything else an installed package. */
static int cmd_info(const char *what)
{
    size_t len = strlen(what);
    struct manifest m;
    const char *why;

    if (strchr(what, '/') || (len > 4 && strcmp(what + len - 4, ".rpk") == 0))
        return info_file(what);
    if (!store_manifest(what, &m, &why))
        return complain(what, why);
    print_manifest(&m);
    return 0;
}

static int cmd_remove(const char *name)
{
    struct manifest m;
    const char *why;

    if (!store_manifest(name, &m, &why))
        return complain(name, why);
    if (!store_remove(name))
        return 1;
    printf("%s %s removed\n", m.name, m.version);
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (argc == 2 && strcmp(command, "list") == 0) {
        store_tidy();
        return cmd_list();
    }
    if (argc != 3)
        return usage();
    store_tidy();
    if (strcmp(command, "install") == 0)
        return cmd_install(argv[2]);
    if (strcmp(command, "info") == 0)
        return cmd_info(argv[2]);
    if (strcmp(command, "remove") == 0)
        return cmd_remove(argv[2]);
    return usage();
}
