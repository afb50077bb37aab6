/*
 * For tests of the file system core: a disk image in memory that can fail on request, mke2fs to
 * make it and e2fsck to judge it, and a small model of what a file system should contain.
 */
#ifndef TESTS_HOST_FS_IMAGE_H
#define TESTS_HOST_FS_IMAGE_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "services/fsd/fs.h"

struct image {
    struct disk disk;
    uint8_t *data;
    size_t bytes;
    long reads, writes, flushes;    /* requests so far */
    long fail_read, fail_write;     /* the request of this number fails (counted from 1) … */
    int fail_err;
    bool fail_on;               /* … and all after it */
    bool dead;                  /* the power is cut: writes are lost silently */
};

static inline int image_move(struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                             unsigned nsegs, bool write)
{
    struct image *im = disk->priv;
    uint64_t at = sector * 512;
    for (unsigned i = 0; i < nsegs; i++) {
        if (segs[i].bytes % 512 || at + segs[i].bytes > im->bytes) {
            fprintf(stderr, "request beyond the disk: sector %llu\n", (unsigned long long)sector);
            abort();
        }
        if (!write)
            memcpy(segs[i].data, im->data + at, segs[i].bytes);
        else if (!im->dead)
            memcpy(im->data + at, segs[i].data, segs[i].bytes);
        at += segs[i].bytes;
    }
    return 0;
}

static inline bool image_fails(const struct image *im, long number, long fail)
{
    return fail && (number == fail || (im->fail_on && number > fail));
}

static inline int image_read(struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                             unsigned nsegs)
{
    struct image *im = disk->priv;
    if (image_fails(im, ++im->reads, im->fail_read))
        return im->fail_err;
    return image_move(disk, sector, segs, nsegs, false);
}

static inline int image_write(struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                              unsigned nsegs)
{
    struct image *im = disk->priv;
    if (disk->read_only) {
        fprintf(stderr, "a write to a read-only disk\n");
        abort();
    }
    if (image_fails(im, ++im->writes, im->fail_write))
        return im->fail_err;
    return image_move(disk, sector, segs, nsegs, true);
}

static inline int image_flush(struct disk *disk)
{
    ((struct image *)disk->priv)->flushes++;
    return 0;
}

static inline struct image *image_new(size_t bytes)
{
    struct image *im = calloc(1, sizeof *im);
    im->data = calloc(1, bytes + 1);
    im->bytes = bytes;
    im->disk = (struct disk){ .read = image_read,
                              .write = image_write,
                              .flush = image_flush,
                              .sectors = bytes / 512,
                              .priv = im };
    return im;
}

static inline void image_free(struct image *im)
{
    if (im)
        free(im->data);
    free(im);
}

static inline struct image *image_copy(const struct image *im)
{
    struct image *copy = image_new(im->bytes);
    memcpy(copy->data, im->data, im->bytes);
    return copy;
}

static inline struct image *image_load(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st)) {
        perror(path);
        exit(1);
    }
    struct image *im = image_new((size_t)st.st_size & ~(size_t)511);
    size_t got = fread(im->data, 1, im->bytes, f);
    fclose(f);
    if (got != im->bytes)
        exit(1);
    return im;
}

static inline void image_save(const struct image *im, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(im->data, 1, im->bytes, f) != im->bytes || fclose(f)) {
        perror(path);
        exit(1);
    }
}

/* Run a shell command; its output goes to the file "out". Returns the exit status. */
__attribute__((format(printf, 1, 2))) static inline int run(const char *format, ...)
{
    char command[2000], text[2100];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(text, sizeof text, "PATH=$PATH:/usr/sbin:/sbin; ( %s ) >out 2>&1 </dev/null", command);
    int status = system(text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* A working directory of its own, removed at exit, so that tests can run side by side. */
static char image_dir[] = "/tmp/rugo-fs-XXXXXX";

static inline void image_cleanup(void)
{
    if (chdir("/") == 0) {
        char text[100];
        snprintf(text, sizeof text, "rm -rf %s", image_dir);
        if (system(text))
            perror(image_dir);
    }
}

static inline void image_enter(void)
{
    if (!mkdtemp(image_dir) || chdir(image_dir)) {
        perror(image_dir);
        exit(1);
    }
    atexit(image_cleanup);
}

/* A fresh image by mke2fs; the options include the type. */
static inline struct image *image_mke2fs(const char *options, unsigned kib)
{
    unlink("image");
    int status = run("mke2fs -q -F %s image %uk", options, kib);
    if (status) {
        fprintf(stderr, "mke2fs %s: status %d\n", options, status);
        exit(1);
    }
    return image_load("image");
}

/* Is the image clean? Says what e2fsck found if not. */
static inline bool image_is_clean(const struct image *im)
{
    image_save(im, "image");
    int status = run("e2fsck -fn image");
    if (status) {
        char line[200];
        FILE *f = fopen("out", "r");
        for (int i = 0; f && i < 12 && fgets(line, sizeof line, f); i++)
            fputs(line, stderr);
        if (f)
            fclose(f);
        fprintf(stderr, "e2fsck: status %d (image kept as /tmp/rugo-bad.img)\n", status);
        image_save(im, "/tmp/rugo-bad.img");
    }
    return status == 0;
}

/* ---- Mounting with hooks ------------------------------------------------------------------- */

static char image_messages[4000];   /* what the file system said, newest last */
static int64_t image_clock = 1700000000;

static inline void image_message(void *ctx, const char *text)
{
    (void)ctx;
    size_t used = strlen(image_messages);
    snprintf(image_messages + used, sizeof image_messages - used, "%s\n", text);
    if (used > 3000)
        image_messages[0] = '\0';
}

static inline struct fs_time image_now(void *ctx)
{
    (void)ctx;
    return (struct fs_time){ image_clock++, 123456789 };
}

static const struct fs_env image_env = { .message = image_message, .now = image_now };
static char image_reason[FS_REASON_MAX];

/* Mount with a cache of `blocks` KiB; NULL if refused (image_reason says why). */
static inline struct fs *image_mount(struct image *im, unsigned kib)
{
    struct fs_options options = { .cache_bytes = (size_t)kib * 1024 };
    struct fs *fs = NULL;
    image_messages[0] = '\0';
    int err = ext2_mount(&im->disk, &image_env, &options, &fs, image_reason);
    return err ? NULL : fs;
}

/* ---- Short hands: paths with one component per '/' ------------------------------------------ */

/* The vnode of a path from the root, or NULL with *err. */
static inline struct vnode *walk(struct fs *fs, const char *path, int *err)
{
    struct vnode *at = fs_root(fs);
    *err = 0;
    while (*path) {
        size_t len = strcspn(path, "/");
        struct vnode *next = NULL;
        if (len)
            *err = fs_lookup(at, path, len, &next);
        if (len && *err) {
            vnode_put(at);
            return NULL;
        }
        if (len) {
            vnode_put(at);
            at = next;
        }
        path += len + (path[len] == '/');
    }
    return at;
}

/* The directory of a path, and its last component in *name. */
static inline struct vnode *walk_parent(struct fs *fs, const char *path, const char **name,
                                        int *err)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 0, path);
    return walk(fs, dir, err);
}

static inline int do_create(struct fs *fs, const char *path, struct vnode **out)
{
    int err;
    const char *name;
    struct vnode *dir = walk_parent(fs, path, &name, &err);
    if (dir)
        err = fs_create(dir, name, strlen(name), 0644, out);
    vnode_put(dir);
    return err;
}

static inline int do_mkdir(struct fs *fs, const char *path)
{
    int err;
    const char *name;
    struct vnode *dir = walk_parent(fs, path, &name, &err);
    if (dir)
        err = fs_mkdir(dir, name, strlen(name), 0755, NULL);
    vnode_put(dir);
    return err;
}

static inline int do_remove(struct fs *fs, const char *path, bool directory)
{
    int err;
    const char *name;
    struct vnode *dir = walk_parent(fs, path, &name, &err);
    if (dir)
        err = directory ? fs_rmdir(dir, name, strlen(name)) : fs_unlink(dir, name, strlen(name));
    vnode_put(dir);
    return err;
}

static inline int do_rename(struct fs *fs, const char *from, const char *to)
{
    int err;
    const char *oname, *nname;
    struct vnode *odir = walk_parent(fs, from, &oname, &err);
    if (!odir)
        return err;
    struct vnode *ndir = walk_parent(fs, to, &nname, &err);
    if (ndir)
        err = fs_rename(odir, oname, strlen(oname), ndir, nname, strlen(nname), 0);
    vnode_put(odir);
    vnode_put(ndir);
    return err;
}

static inline int do_symlink(struct fs *fs, const char *path, const char *target)
{
    int err;
    const char *name;
    struct vnode *dir = walk_parent(fs, path, &name, &err);
    if (dir)
        err = fs_symlink(dir, name, strlen(name), target, strlen(target), NULL);
    vnode_put(dir);
    return err;
}

static inline int do_link(struct fs *fs, const char *path, const char *to)
{
    int err;
    const char *name;
    struct vnode *vn = walk(fs, to, &err);
    if (!vn)
        return err;
    struct vnode *dir = walk_parent(fs, path, &name, &err);
    if (dir)
        err = fs_link(dir, name, strlen(name), vn);
    vnode_put(dir);
    vnode_put(vn);
    return err;
}

/* Write a whole file anew. */
static inline int64_t put_file(struct fs *fs, const char *path, const void *data, size_t size)
{
    struct vnode *vn;
    int err = do_create(fs, path, &vn);
    if (err)
        return err;
    int64_t n = fs_write(vn, 0, data, size);
    vnode_put(vn);
    return n;
}

static inline int64_t get_file(struct fs *fs, const char *path, void *data, size_t size)
{
    int err;
    struct vnode *vn = walk(fs, path, &err);
    if (!vn)
        return err;
    int64_t n = fs_read(vn, 0, data, size);
    vnode_put(vn);
    return n;
}

/* The same bytes for the same seed. */
static inline void fill(uint8_t *data, size_t size, uint64_t seed)
{
    uint64_t x = seed * 2862933555777941757u + 3037000493u;
    for (size_t i = 0; i < size; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        data[i] = (uint8_t)(x >> 56);
    }
}

static inline bool count_entry(void *arg, const struct fs_dirent *e)
{
    (void)e;
    ++*(int *)arg;
    return true;
}

/* How many entries a directory has, without "." and ".."; or an error. */
static inline int count_entries(struct fs *fs, const char *path)
{
    int err, n = 0;
    uint64_t pos = 0;
    struct vnode *dir = walk(fs, path, &err);
    if (!dir)
        return err;
    err = fs_readdir(dir, &pos, count_entry, &n);
    vnode_put(dir);
    return err < 0 ? err : n - 2;
}

#endif
