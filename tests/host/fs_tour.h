/*
 * A tour through a file system of which nothing can be expected: look at all that is there, then
 * change a good deal of it. For tests with damaged images: it shall not crash, hang, or write where
 * it must not.
 */
#ifndef TESTS_HOST_FS_TOUR_H
#define TESTS_HOST_FS_TOUR_H

#include "fs_image.h"

struct tour {
    int files;                  /* visited so far */
};

static void visit(struct tour *t, struct vnode *vn, int depth);

static bool collect(void *arg, const struct fs_dirent *e)
{
    char(*names)[256] = arg;
    for (int i = 0; i < 60; i++) {
        if (names[i][0])
            continue;
        memcpy(names[i], e->name, e->name_len);
        return true;
    }
    return false;
}

static void visit_directory(struct tour *t, struct vnode *dir, int depth)
{
    char(*names)[256] = calloc(60, 256);
    uint64_t pos = 0;
    fs_readdir(dir, &pos, collect, names);
    for (int i = 0; i < 60 && names[i][0]; i++) {
        struct vnode *vn;
        if (!strcmp(names[i], ".") || !strcmp(names[i], ".."))
            continue;
        if (fs_lookup(dir, names[i], strlen(names[i]), &vn))
            continue;
        visit(t, vn, depth + 1);
        vnode_put(vn);
    }
    free(names);
}

/* Look at everything below a vnode. */
static void visit(struct tour *t, struct vnode *vn, int depth)
{
    static uint8_t data[65536];
    struct fs_stat st;
    if (++t->files > 500 || depth > 12 || fs_stat(vn, &st))
        return;
    if (vnode_type(vn) == FS_IFDIR)
        visit_directory(t, vn, depth);
    else if (vnode_type(vn) == FS_IFLNK)
        fs_readlink(vn, (char *)data, sizeof data);
    for (uint64_t at = 0; vnode_type(vn) == FS_IFREG && at < st.size && at < 1000000; at += 65536)
        fs_read(vn, at, data, sizeof data);
}

/* New files in a directory, large and small, moved and removed again. */
static void stir(struct fs *fs)
{
    static const char *const where[] = { "", "new/", "sub/", "many/" };
    char path[100], text[300];
    memset(text, 't', sizeof text);
    text[299] = '\0';
    do_mkdir(fs, "new");
    for (int i = 0; i < 14; i++) {
        struct vnode *vn = NULL;
        sprintf(path, "%sfile-with-a-name-of-some-length-%d", where[i % 4], i);
        if (do_create(fs, path, &vn) == 0) {
            fs_write(vn, (uint64_t)i * 9000, text, sizeof text);
            fs_truncate(vn, 1000);
            fs_setattr(vn, FS_SET_MODE | FS_SET_MTIME, &(struct fs_attr){ .mode = 0600 });
        }
        vnode_put(vn);
        do_rename(fs, path, i % 4 == 3 ? "many/other" : "sub/other");
        if (i % 2)
            do_remove(fs, path, false);
    }
    do_symlink(fs, "sub/short-link", "x");
    do_symlink(fs, "new/long-link", text);
    do_link(fs, "hard", "sub/big");
    do_rename(fs, "sub/deep", "new/deep");
    do_rename(fs, "new", "sub/new");
    do_rename(fs, "sub", "sub/deep/er/sub");
}

static void clear_away(struct fs *fs)
{
    static const char *const files[] = {
        "sub/big", "sub/big2",  "sub/holes",  "sub/slow",
        "hard",    "sub/other", "many/other", "sub/new/long-link"
    };
    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++)
        do_remove(fs, files[i], false);
    do_remove(fs, "sub/deep/er", true);
    do_remove(fs, "sub/deep", true);
    do_remove(fs, "sub/new", true);
    do_remove(fs, "sub", true);
}

/* Mount, look, change, unmount. False if it was not even mounted. */
static bool use_anyhow(struct image *im)
{
    struct fs *fs = image_mount(im, 128);
    if (!fs)
        return false;
    struct tour t = { 0 };
    struct fs_statfs st;
    struct vnode *root = fs_root(fs);
    visit(&t, root, 0);
    vnode_put(root);
    stir(fs);
    int err;
    struct vnode *vn = walk(fs, "sub/big", &err);
    char byte = 'x';
    if (vn && vnode_type(vn) == FS_IFREG) {
        fs_write(vn, 300, &byte, 1);
        fs_write(vn, 400000, &byte, 1);
        fs_truncate(vn, 20000);
    }
    fs_sync(fs);
    clear_away(fs);
    vnode_put(vn);
    fs_reap(fs);
    fs_statfs(fs, &st);
    fs_unmount(fs);
    return true;
}

/* The folder "in" with something of everything, for mke2fs -d. */
static int make_furniture(int kib)
{
    return run("rm -rf in && mkdir -p in/sub/deep/er in/many && cd in/sub && ln -s big link &&"
               "ln -s $(printf %%0100d 7) slow && head -c %d /dev/zero | tr '\\0' x > big &&"
               "truncate -s 90M holes && printf end >> holes && ln big big2 &&"
               "cd ../many && for i in $(seq 100); do : > $i-$(printf %%080d 0); done",
               kib * 1024);
}

#endif
