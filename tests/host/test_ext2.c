/*
 * What fsd's ext2 does, on images by mke2fs and by ext2_format(), judged by e2fsck and debugfs.
 *
 * SOURCES: services/fsd/balloc.c services/fsd/cache.c services/fsd/check.c services/fsd/dir.c services/fsd/dirindex.c services/fsd/file.c services/fsd/fs.c services/fsd/inode.c services/fsd/map.c services/fsd/mkfs.c services/fsd/namei.c services/fsd/ramdisk.c services/fsd/super.c services/fsd/txn.c
 */
#include "fs_image.h"

static const char *const kinds[] = {
    "-t ext2 -b 1024",
    "-t ext2 -b 2048",
    "-t ext2 -b 4096",
    "-t ext2 -b 1024 -I 128 -O ^filetype,^resize_inode",
    "-t ext2 -r 0 -b 1024 -O none",
    "-t ext3 -b 1024 -J size=1",
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Unmount, expect success and a clean image. */
static void finish(struct fs *fs, struct image *im)
{
    CHECK(fs_unmount(fs) == 0);
    CHECK(image_is_clean(im));
    CHECK(image_messages[0] == '\0', "%s", image_messages);
}

/* ---- Files made by others ------------------------------------------------------------------ */

static void test_reading(const char *options)
{
    static uint8_t want[3000000], got[3000001];
    CHECK(run("rm -rf in && mkdir -p in/deep/a/b/c/d/e in/many in/empty && cd in &&"
              "head -c 3000000 /dev/urandom > big && printf x > one && : > nothing &&"
              "ln -s one short && ln -s $(printf %%0200d 7) long &&"
              "printf utf > 'Grüße 東京' && printf name > $(printf %%0255d 1) &&"
              "truncate -s 300M sparse && printf end >> sparse && ln one second &&"
              "printf deep > deep/a/b/c/d/e/f && for i in $(seq 600); do : > many/$i; done") == 0);
    char with[200];
    snprintf(with, sizeof with, "%s -N 3000 -d in", options);
    struct image *im = image_mke2fs(with, 12000);
    im->disk.read_only = true;
    struct fs *fs = image_mount(im, 512);
    CHECK(fs, "%s: %s", options, image_reason);
    if (!fs)
        return;
    FILE *f = fopen("in/big", "rb");
    CHECK(fread(want, 1, sizeof want, f) == sizeof want);
    fclose(f);
    CHECK(get_file(fs, "big", got, sizeof got) == sizeof want && !memcmp(want, got, sizeof want));
    CHECK(get_file(fs, "one", got, 10) == 1 && got[0] == 'x');
    CHECK(get_file(fs, "second", got, 10) == 1);
    CHECK(get_file(fs, "nothing", got, 10) == 0);
    CHECK(get_file(fs, "Grüße 東京", got, 10) == 3);
    CHECK(get_file(fs, "deep/a/b/c/d/e/f", got, 10) == 4);
    char name[256];
    snprintf(name, sizeof name, "%0255d", 1);
    CHECK(get_file(fs, name, got, 10) == 4 && !memcmp(got, "name", 4));
    CHECK(count_entries(fs, "many") == 600 && count_entries(fs, "empty") == 0);
    int err;
    struct vnode *vn = walk(fs, "sparse", &err);
    struct fs_stat st;
    CHECK(vn && fs_stat(vn, &st) == 0 && st.size == 300 * 1048576 + 3 && st.blocks < 100);
    CHECK(vn && fs_read(vn, 300 * 1048576 - 5, got, 100) == 8 && !memcmp(got, "\0\0\0\0\0end", 8));
    CHECK(vn && fs_read(vn, 300 * 1048576 + 3, got, 1) == 0);
    vnode_put(vn);
    vn = walk(fs, "long", &err);
    CHECK(vn && fs_readlink(vn, (char *)got, 4096) == 200 && got[199] == '7' && got[0] == '0');
    vnode_put(vn);
    vn = walk(fs, "short", &err);
    CHECK(vn && fs_readlink(vn, (char *)got, 2) == 3 && !memcmp(got, "on", 2));
    CHECK(vn && fs_read(vn, 0, got, 1) == -EINVAL && vnode_type(vn) == FS_IFLNK);
    vnode_put(vn);
    CHECK(get_file(fs, "absent", got, 1) == -ENOENT && get_file(fs, "one/x", got, 1) == -ENOTDIR);
    CHECK(put_file(fs, "new", "x", 1) == -EROFS);
    CHECK(fs_unmount(fs) == 0 && im->writes == 0);
    image_free(im);
}

/* ---- Writing ------------------------------------------------------------------------------- */

static void test_contents(struct image *im)
{
    static uint8_t data[700000], got[700000];
    struct fs *fs = image_mount(im, 400);
    CHECK(fs, "%s", image_reason);
    fill(data, sizeof data, 1);
    CHECK(put_file(fs, "big", data, sizeof data) == sizeof data);
    CHECK(get_file(fs, "big", got, sizeof got) == sizeof got && !memcmp(data, got, sizeof got));
    int err;
    struct vnode *vn = walk(fs, "big", &err);
    CHECK(fs_write(vn, 12345, "hello", 5) == 5);
    memcpy(data + 12345, "hello", 5);
    CHECK(fs_truncate(vn, 300001) == 0 && fs_truncate(vn, 600000) == 0);
    memset(data + 300001, 0, 299999);
    CHECK(fs_read(vn, 0, got, sizeof got) == 600000 && !memcmp(data, got, 600000));
    vnode_put(vn);

    CHECK(do_create(fs, "holes", &vn) == 0);
    CHECK(fs_write(vn, 5000000, "a", 1) == 1 && fs_write(vn, 3, "b", 1) == 1);
    CHECK(fs_write(vn, 10000000, "c", 1) == 1);
    CHECK(fs_read(vn, 4999990, got, 20) == 20 && got[10] == 'a' && got[9] == 0 && got[11] == 0);
    struct fs_stat st;
    CHECK(fs_stat(vn, &st) == 0 && st.size == 10000001 && st.blocks <= 80, "%d", (int)st.blocks);
    CHECK(fs_truncate(vn, 5000000) == 0 && fs_truncate(vn, 0) == 0);
    CHECK(fs_stat(vn, &st) == 0 && st.size == 0 && st.blocks == 0);
    vnode_put(vn);
    CHECK(do_symlink(fs, "fast", "big") == 0);
    char target[900];
    memset(target, 't', 899);
    target[899] = '\0';
    CHECK(do_symlink(fs, "slow", target) == 0 && do_link(fs, "again", "big") == 0);
    fs_unmount(fs);
    CHECK(image_is_clean(im));

    CHECK(run("debugfs -R 'dump big dumped' image && debugfs -R 'dump again dumped2' image") == 0);
    FILE *f = fopen("dumped", "rb");
    CHECK(f && fread(got, 1, sizeof got, f) == 600000 && !memcmp(data, got, 600000));
    if (f)
        fclose(f);
    CHECK(run("cmp dumped dumped2") == 0);
    CHECK(run("debugfs -R 'stat slow' image | grep -q 'Size: 899'") == 0);
    CHECK(run("debugfs -R 'stat fast' image | grep -q 'Fast link dest: \"big\"'") == 0);

    fs = image_mount(im, 400);
    CHECK(fs && image_reason[0] == '\0', "%s", image_reason);
    CHECK(get_file(fs, "again", got, sizeof got) == 600000 && !memcmp(data, got, 600000));
    vn = walk(fs, "slow", &err);
    CHECK(vn && fs_readlink(vn, (char *)got, 1000) == 899 && got[898] == 't');
    vnode_put(vn);
    CHECK(do_remove(fs, "big", false) == 0 && do_remove(fs, "again", false) == 0);
    CHECK(do_remove(fs, "slow", false) == 0 && do_remove(fs, "fast", false) == 0);
    finish(fs, im);
}

static void test_large(struct image *im)
{
    struct fs *fs = image_mount(im, 300);
    struct vnode *vn;
    struct fs_statfs before, after;
    char got[8];
    fs_statfs(fs, &before);
    CHECK(do_create(fs, "large", &vn) == 0);
    /* A place in each kind of tree; with blocks of 4 KiB the last is beyond 4 GiB. */
    static const uint64_t places[] = { 0, 20000, 300000, 70000000, 5000000000, 9000000000 };
    for (int i = 0; i < 6; i++)
        CHECK(fs_write(vn, places[i], "mark", 4) == 4, "%d", i);
    for (int i = 0; i < 6; i++)
        CHECK(fs_read(vn, places[i], got, 4) == 4 && !memcmp(got, "mark", 4), "%d", i);
    CHECK(fs_read(vn, 4999999998, got, 8) == 8 && !memcmp(got, "\0\0mark\0\0", 8));
    CHECK(fs_write(vn, UINT64_MAX - 5, "x", 1) == -EFBIG && fs_truncate(vn, 1ull << 60) == -EFBIG);
    vnode_put(vn);
    CHECK(fs_sync(fs) == 0);
    CHECK(fs_settle(fs) == 0 && image_is_clean(im));
    CHECK(run("debugfs -R stats image | grep -q large_file") == 0);
    CHECK(do_remove(fs, "large", false) == 0);
    fs_statfs(fs, &after);
    CHECK(before.blocks_free == after.blocks_free && before.files_free == after.files_free);
    finish(fs, im);
}

static void test_directories(struct image *im)
{
    struct fs *fs = image_mount(im, 300);
    char name[300];
    CHECK(do_mkdir(fs, "d") == 0 && do_mkdir(fs, "d") == -EEXIST && do_mkdir(fs, "d/e") == 0);
    CHECK(do_remove(fs, "d", true) == -ENOTEMPTY && do_remove(fs, "d", false) == -EISDIR);
    CHECK(do_remove(fs, "d/.", true) == -EINVAL && do_remove(fs, "d/..", true) == -ENOTEMPTY);
    CHECK(do_mkdir(fs, "d/.") == -EEXIST && do_mkdir(fs, "x/y") == -ENOENT);
    CHECK(do_remove(fs, "nothing", true) == -ENOENT && do_remove(fs, "nothing", false) == -ENOENT);
    memset(name, 'n', 256);
    name[256] = '\0';
    CHECK(do_mkdir(fs, name) == -ENAMETOOLONG);
    name[255] = '\0';
    CHECK(do_mkdir(fs, name) == 0 && do_remove(fs, name, true) == 0);
    CHECK(put_file(fs, "f", "1", 1) == 1 && do_remove(fs, "f", true) == -ENOTDIR);
    struct vnode *root = fs_root(fs), *vn;
    CHECK(fs_create(root, "a/b", 3, 0644, NULL) == -EINVAL &&
          fs_create(root, "", 0, 0, NULL) == -ENOENT);
    CHECK(fs_create(root, "a\0b", 3, 0644, NULL) == -EINVAL);
    CHECK(fs_lookup(root, "..", 2, &vn) == 0 && vn == root);
    vnode_put(vn);
    struct fs_stat st;
    CHECK(fs_stat(root, &st) == 0 && st.nlink == 4, "%u", st.nlink);
    vnode_put(root);

    enum { MANY = 3000 };
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "d/e/entry-%d-%.*s", i, i % 50,
                 "##################################################");
        CHECK(put_file(fs, name, "", 0) == 0, "%s", name);
    }
    CHECK(count_entries(fs, "d/e") == MANY);
    for (int i = 0; i < MANY; i += 3) {
        snprintf(name, sizeof name, "d/e/entry-%d-%.*s", i, i % 50,
                 "##################################################");
        CHECK(do_remove(fs, name, false) == 0, "%s", name);
        CHECK(do_remove(fs, name, false) == -ENOENT, "%s", name);
    }
    CHECK(count_entries(fs, "d/e") == MANY - MANY / 3);
    CHECK(put_file(fs, "d/e/entry-1-#", "", 0) == -EEXIST);
    finish(fs, im);
}

static void test_rename(struct image *im)
{
    struct fs *fs = image_mount(im, 300);
    char got[10];
    CHECK(put_file(fs, "a", "A", 1) == 1 && put_file(fs, "b", "B", 1) == 1);
    CHECK(do_rename(fs, "a", "b") == 0 && get_file(fs, "b", got, 9) == 1 && got[0] == 'A');
    CHECK(get_file(fs, "a", got, 9) == -ENOENT && do_rename(fs, "a", "c") == -ENOENT);
    CHECK(do_rename(fs, "b", "b") == 0 && do_link(fs, "l", "b") == 0 &&
          do_rename(fs, "b", "l") == 0);
    CHECK(get_file(fs, "b", got, 9) == 1 && get_file(fs, "l", got, 9) == 1);
    CHECK(do_mkdir(fs, "d") == 0 && do_mkdir(fs, "d/e") == 0 && do_mkdir(fs, "d/e/f") == 0);
    CHECK(do_mkdir(fs, "x") == 0 && do_mkdir(fs, "y") == 0);
    CHECK(do_rename(fs, "d", "d/e") == -EINVAL && do_rename(fs, "d", "d/e/f/g") == -EINVAL);
    CHECK(do_rename(fs, "d", "d/g") == -EINVAL && do_rename(fs, "d/e/f", "d") == -ENOTEMPTY);
    CHECK(do_rename(fs, "x", "d") == -ENOTEMPTY && do_rename(fs, "b", "x") == -EISDIR);
    CHECK(do_rename(fs, "x", "b") == -ENOTDIR && do_rename(fs, "x", "y") == 0);
    CHECK(do_rename(fs, "d/e", "y/e") == 0 && do_rename(fs, "y", "z") == 0);
    CHECK(count_entries(fs, "z/e") == 1 && count_entries(fs, "d") == 0);
    CHECK(do_rename(fs, "z/e/.", "q") == -EBUSY && do_rename(fs, "z/..", "q") == -EBUSY);
    int err;
    struct vnode *root = fs_root(fs), *vn, *e = walk(fs, "z/e", &err);
    CHECK(fs_rename(root, "l", 1, root, "b", 1, FS_RENAME_NOREPLACE) == -EEXIST);
    CHECK(fs_rename(root, "l", 1, root, "m", 1, FS_RENAME_NOREPLACE) == 0);
    CHECK(fs_rename(root, "m", 1, root, "n", 1, 2) == -EINVAL);
    CHECK(fs_lookup(e, "..", 2, &vn) == 0);
    struct vnode *z = walk(fs, "z", &err);
    CHECK(vn == z);
    vnode_put(z);
    vnode_put(vn);
    vnode_put(e);
    vnode_put(root);
    /* Many entries, moved within and across directories: the entry of the new name may need a
     * new block, and the old one's neighbours change. */
    for (int i = 0; i < 400; i++) {
        char from[64], to[64];
        snprintf(from, sizeof from, "z/file-%d", i);
        snprintf(to, sizeof to, "%s/moved-%d-to-a-longer-name", i % 2 ? "z" : "d", i);
        CHECK(put_file(fs, from, to, strlen(to)) > 0 && do_rename(fs, from, to) == 0);
    }
    CHECK(count_entries(fs, "d") == 200 && count_entries(fs, "z") == 201);
    finish(fs, im);
}

static void test_open_files(struct image *im)
{
    struct fs *fs = image_mount(im, 300);
    struct fs_statfs before, during, after;
    struct vnode *vn, *dir, *other;
    char got[10];
    fs_statfs(fs, &before);
    CHECK(do_create(fs, "open", &vn) == 0 && fs_write(vn, 0, "contents", 8) == 8);
    CHECK(do_mkdir(fs, "dir") == 0);
    int err;
    dir = walk(fs, "dir", &err);
    CHECK(do_remove(fs, "open", false) == 0 && do_remove(fs, "dir", true) == 0);
    CHECK(fs_read(vn, 0, got, 10) == 8 && fs_write(vn, 8, "x", 1) == 1);
    CHECK(fs_create(dir, "in", 2, 0644, &other) == -ENOENT);
    CHECK(fs_lookup(dir, "..", 2, &other) == -ENOENT);
    struct fs_stat st;
    CHECK(fs_stat(vn, &st) == 0 && st.nlink == 0 && st.size == 9);
    fs_statfs(fs, &during);
    CHECK(during.files_free == before.files_free - 2 && !fs_reap_needed(fs));
    CHECK(do_create(fs, "open", &other) == 0 && vnode_ino(other) != vnode_ino(vn));
    vnode_put(other);
    CHECK(do_remove(fs, "open", false) == 0);
    vnode_put(vn);
    vnode_put(dir);
    CHECK(fs_reap_needed(fs) && fs_reap(fs) == 0 && !fs_reap_needed(fs));
    fs_statfs(fs, &after);
    CHECK(after.files_free == before.files_free && after.blocks_free == before.blocks_free);
    /* Still open, and removed, at unmount: freed then. */
    CHECK(do_create(fs, "late", &vn) == 0 && fs_write(vn, 0, "contents", 8) == 8);
    CHECK(do_remove(fs, "late", false) == 0);
    finish(fs, im);
}

static void test_attributes(struct image *im)
{
    struct fs *fs = image_mount(im, 300);
    struct vnode *vn;
    struct fs_stat st;
    struct fs_attr attr = { .mode = 0600,
                            .uid = 70000,
                            .gid = 80000,
                            .mtime = { 4000000000, 999999999 },
                            .atime = { 5, 6 } };
    CHECK(do_create(fs, "f", &vn) == 0);
    CHECK(fs_setattr(vn, 31, &attr) == 0);
    vnode_put(vn);
    CHECK(fs_unmount(fs) == 0);
    fs = image_mount(im, 300);
    int err;
    vn = walk(fs, "f", &err);
    CHECK(vn && fs_stat(vn, &st) == 0);
    CHECK(st.mode == (FS_IFREG | 0600) && st.uid == 70000 && st.gid == 80000);
    if (im->data[1024 + 88 + 1])    /* s_inode_size: 256, not 128 or, in revision 0, nothing */
        CHECK(st.mtime.sec == 4000000000 && st.mtime.nsec == 999999999 && st.atime.nsec == 6);
    CHECK(st.atime.sec == 5);
    vnode_put(vn);
    finish(fs, im);
}

struct cursor_test {
    char seen[400];
    int budget;
};

static bool see(void *arg, const struct fs_dirent *e)
{
    struct cursor_test *t = arg;
    if (t->budget-- == 0)
        return false;
    char name[256];
    snprintf(name, sizeof name, "%.*s", e->name_len, e->name);
    if (name[0] == 'k')
        t->seen[atoi(name + 1)]++;
    return true;
}

/* Entries that stay are shown exactly once, however many others come and go meanwhile. */
static void test_cursor(struct image *im)
{
    struct fs *fs = image_mount(im, 300);
    struct cursor_test t = { .budget = 0 };
    char name[100];
    CHECK(do_mkdir(fs, "d") == 0);
    for (int i = 0; i < 800; i++) {
        snprintf(name, sizeof name, "d/%c%d", i % 2 ? 'k' : 'x', i / 2);
        CHECK(put_file(fs, name, "", 0) == 0);
    }
    int err, end = 0, gone = 0, added = 0;
    uint64_t pos = 0;
    struct vnode *dir = walk(fs, "d", &err);
    for (int round = 0; round < 1000 && !end; round++) {
        t.budget = 1 + (int)(check_random() % 9);
        end = fs_readdir(dir, &pos, see, &t);
        CHECK(end >= 0);
        for (int i = 0; i < 3 && gone < 400; i++) {
            snprintf(name, sizeof name, "d/x%d", (gone++ * 37) % 400);
            CHECK(do_remove(fs, name, false) == 0);
        }
        snprintf(name, sizeof name, "d/new-%d-%.*s", added++, round % 40,
                 "........................................");
        CHECK(put_file(fs, name, "", 0) == 0);
    }
    CHECK(end == 1);
    for (int i = 0; i < 400; i++)
        CHECK(t.seen[i] == 1, "k%d: %d", i, t.seen[i]);
    vnode_put(dir);
    finish(fs, im);
}

/* A directory with a hash tree of Linux's: read, change, still clean. */
static void test_hash_tree(void)
{
    CHECK(
        run("rm -rf in && mkdir -p in/many && cd in/many && for i in $(seq 1500); do : > file-$i; done") ==
        0);
    struct image *im = image_mke2fs("-t ext2 -b 1024 -O dir_index -N 2000 -d in", 8000);
    image_save(im, "image");
    run("e2fsck -fyD image");
    CHECK(run("debugfs -R 'stat many' image | grep -q 'Flags: 0x1000'") == 0);
    image_free(im);
    im = image_load("image");
    struct fs *fs = image_mount(im, 300);
    CHECK(fs && count_entries(fs, "many") == 1500);
    CHECK(put_file(fs, "many/new", "x", 1) == 1 && do_remove(fs, "many/file-77", false) == 0);
    CHECK(count_entries(fs, "many") == 1500);
    finish(fs, im);
    CHECK(run("debugfs -R 'stat many' image | grep -q 'Flags: 0x0'") == 0);
    image_free(im);
}

/* ---- Full disks ---------------------------------------------------------------------------- */

static void test_full(struct image *im)
{
    static uint8_t data[200000], got[200000];
    struct fs *fs = image_mount(im, 300);
    struct fs_statfs start, st;
    struct vnode *vn;
    fill(data, sizeof data, 5);
    fs_statfs(fs, &start);
    CHECK(put_file(fs, "old", data, sizeof data) == sizeof data);
    CHECK(do_create(fs, "filler", &vn) == 0);
    uint64_t at = 0;
    int64_t n;
    while ((n = fs_write(vn, at, data, sizeof data)) > 0)
        at += (uint64_t)n;
    CHECK(n == -ENOSPC);
    fs_statfs(fs, &st);
    CHECK(st.blocks_free <= 1, "%d", (int)st.blocks_free);
    struct fs_stat fst;
    CHECK(fs_stat(vn, &fst) == 0 && fst.size == at);
    CHECK(do_mkdir(fs, "no") == -ENOSPC && put_file(fs, "empty", "", 0) == 0);
    CHECK(put_file(fs, "more", "x", 1) == -ENOSPC);
    CHECK(get_file(fs, "old", got, sizeof got) == sizeof got && !memcmp(got, data, sizeof got));
    CHECK(fs_sync(fs) == 0);
    CHECK(do_remove(fs, "old", false) == 0 && do_mkdir(fs, "yes") == 0);
    CHECK(fs_truncate(vn, 100) == 0);
    vnode_put(vn);
    CHECK(put_file(fs, "after", data, sizeof data) == sizeof data);
    for (int i = 0;; i++) {
        char name[30];
        snprintf(name, sizeof name, "yes/%d", i);
        int64_t err = put_file(fs, name, "", 0);
        if (err) {
            CHECK(err == -ENOSPC);
            break;
        }
    }
    fs_statfs(fs, &st);
    CHECK(st.files_free == 0 || st.blocks_free <= 1);
    finish(fs, im);
    CHECK(run("debugfs -R 'dump after dumped' image && test $(stat -c %%s dumped) = 200000") == 0);
}

/* ---- What is refused ----------------------------------------------------------------------- */

static void expect_refusal(struct image *im, const char *reason)
{
    struct fs *fs = image_mount(im, 300);
    CHECK(!fs && !strncmp(image_reason, reason, strlen(reason)), "%s: '%s'", reason, image_reason);
    if (fs)
        fs_unmount(fs);
    CHECK(im->writes == 0);
    image_free(im);
}

static void test_refusals(void)
{
    expect_refusal(image_new(1 << 20), "bad magic");
    expect_refusal(image_new(1024), "the disk is too small");
    expect_refusal(image_new(0), "the disk is too small");
    struct image *im = image_mke2fs("-t ext2", 4000);
    im->disk.sectors = 4000;
    expect_refusal(im, "truncated: the file system has 4000 KiB, the disk 2000 KiB");
    im = image_mke2fs("-t ext2", 4000);
    im->fail_read = 1;
    im->fail_err = -EIO;
    expect_refusal(im, "the superblock can't be read");
    expect_refusal(image_mke2fs("-t ext4 -O ^metadata_csum,^64bit,^flex_bg", 8000),
                   "feature extents is not supported");
    expect_refusal(image_mke2fs("-t ext4", 8000),
                   "feature extents, 64bit, flex_bg is not supported");
    expect_refusal(image_mke2fs("-t ext2 -O inline_data", 8000), "feature inline_data is not");
    expect_refusal(image_mke2fs("-t ext2 -O meta_bg,^resize_inode", 8000),
                   "feature meta_bg is not");
    im = image_mke2fs("-t ext3 -J size=1", 8000);
    im->data[1024 + 96] |= 4;
    expect_refusal(im, "feature needs_recovery is not supported");
    im = image_mke2fs("-t ext2", 4000);
    im->data[1024 + 96 + 3] |= 0x80;
    expect_refusal(im, "feature 0x80000000 is not supported");
    struct fs *fs;
    im = image_mke2fs("-t ext2 -O metadata_csum,huge_file", 8000);
    fs = image_mount(im, 300);
    CHECK(fs && fs_read_only(fs), "%s", image_reason);
    CHECK(strstr(image_reason, "read-only: feature huge_file, metadata_csum"), "%s", image_reason);
    CHECK(put_file(fs, "x", "", 0) == -EROFS && fs_unmount(fs) == 0 && im->writes == 0);
    image_free(im);
}

/* ---- The state mark ------------------------------------------------------------------------ */

static void test_state(void)
{
    struct image *im = image_mke2fs("-t ext2 -b 1024", 2000);
    struct fs *fs = image_mount(im, 300);
    CHECK(image_reason[0] == '\0' && im->data[1024 + 58] == 1);
    CHECK(put_file(fs, "f", "x", 1) == 1 && im->writes == 0 && fs_dirty_bytes(fs) > 0);
    CHECK(fs_sync(fs) == 0 && im->data[1024 + 58] == 0 && fs_dirty_bytes(fs) == 0);
    long writes = im->writes, flushes = im->flushes;
    CHECK(fs_sync(fs) == 0 && im->writes == writes && im->flushes == flushes);

    struct image *cut = image_copy(im);         /* the power is cut here */
    struct fs *again = image_mount(cut, 300);
    CHECK(again && !fs_read_only(again) && strstr(image_reason, "all is well"), "%s", image_reason);
    CHECK(again && put_file(again, "g", "y", 1) == 1);
    finish(again, cut);
    CHECK(cut->data[1024 + 58] == 1);
    image_free(cut);

    cut = image_copy(im);                       /* a name of an inode that is not there */
    image_save(cut, "image");
    CHECK(run("debugfs -w -R 'clri f' image") == 0);
    image_free(cut);
    cut = image_load("image");
    again = image_mount(cut, 300);
    CHECK(again && fs_read_only(again) && strstr(image_reason, "read-only: not cleanly unmounted"),
          "%s", image_reason);
    CHECK(fs_unmount(again) == 0 && cut->writes == 0);
    image_free(cut);

    cut = image_copy(im);                       /* the root has a hole, or leads nowhere */
    for (int i = 0; i < 2; i++) {
        image_save(cut, "image");
        CHECK(run("debugfs -w -R 'sif / block[0] %d' image", i * 99999) == 0);
        image_free(cut);
        cut = image_load("image");
        again = image_mount(cut, 300);
        CHECK(again && fs_read_only(again) && strstr(image_reason, "damaged"), "%s", image_reason);
        CHECK(fs_unmount(again) == 0 && cut->writes == 0);
    }
    image_free(cut);

    CHECK(fs_settle(fs) == 0 && im->data[1024 + 58] == 1 && image_is_clean(im));
    CHECK(put_file(fs, "h", "x", 1) == 1 && fs_sync(fs) == 0 && im->data[1024 + 58] == 0);
    finish(fs, im);
    image_free(im);
}

static void test_old_revision(void)
{
    struct image *im = image_mke2fs("-t ext2 -r 0 -b 1024 -O none", 2000);
    struct fs *fs = image_mount(im, 300);
    struct vnode *vn;
    CHECK(fs && do_create(fs, "f", &vn) == 0);
    CHECK(fs_write(vn, 0x7FFFFFFF, "x", 1) == -EFBIG && fs_truncate(vn, 0x80000000) == -EFBIG);
    CHECK(fs_write(vn, 0x7FFFFFFE, "x", 1) == 1);
    vnode_put(vn);
    finish(fs, im);
    image_free(im);
}

static void test_format(void)
{
    static const struct {
        uint64_t kib;
        uint32_t bs;
        int err;
    } cases[] = {
        { 64, 1024, 0 },     { 100, 0, 0 },       { 1000, 0, 0 },         { 8193, 1024, 0 },
        { 8194, 1024, 0 },   { 8300, 1024, 0 },   { 20000, 0, 0 },        { 20001, 2048, 0 },
        { 131072, 4096, 0 }, { 131076, 4096, 0 }, { 133000, 4096, 0 },    { 300000, 1024, 0 },
        { 32, 0, -ENOSPC },  { 0, 0, -ENOSPC },   { 1000, 512, -EINVAL }, { 1000, 8192, -EINVAL },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct image *im = image_new(cases[i].kib * 1024);
        memset(im->data, 0xAA, im->bytes < 4000000 ? im->bytes : 0);
        int err = ext2_format(&im->disk, cases[i].bs, &image_env);
        CHECK(err == cases[i].err, "%u KiB: %d", (unsigned)cases[i].kib, err);
        if (!err) {
            CHECK(image_is_clean(im), "%u KiB", (unsigned)cases[i].kib);
            struct fs *fs = image_mount(im, 300);
            CHECK(fs && put_file(fs, "lost+found/f", "x", 1) == 1, "%s", image_reason);
            finish(fs, im);
        }
        image_free(im);
    }
    struct disk *disk = ramdisk_create(1000000);
    struct fs *fs;
    uint8_t got[4];
    CHECK(ext2_format(disk, 0, &image_env) == 0);
    CHECK(ext2_mount(disk, &image_env, NULL, &fs, image_reason) == 0);
    CHECK(put_file(fs, "f", "abc", 3) == 3 && fs_unmount(fs) == 0);
    CHECK(ext2_mount(disk, &image_env, NULL, &fs, image_reason) == 0);
    CHECK(get_file(fs, "f", got, 4) == 3 && fs_unmount(fs) == 0);
    ramdisk_destroy(disk);
}

int main(void)
{
    static void (*const tests[])(
        struct image *) = { test_contents,   test_large,      test_directories, test_rename,
                            test_open_files, test_attributes, test_cursor,      test_full };
    image_enter();
    for (int k = 0; k < KINDS; k++) {
        test_reading(kinds[k]);
        for (unsigned i = 0; i < sizeof tests / sizeof tests[0]; i++) {
            int before = check_failures;
            char with[200];
            snprintf(with, sizeof with, "%s -N 3500", kinds[k]);
            if (tests[i] == test_large && strstr(with, "-r 0"))
                continue;       /* no files of 2 GiB there: test_old_revision() */
            struct image *im = image_mke2fs(with, 6000);
            tests[i](im);
            image_free(im);
            if (check_failures > before)
                fprintf(stderr, "above: %s, scenario %u\n", kinds[k], i);
        }
    }
    test_hash_tree();
    test_refusals();
    test_state();
    test_old_revision();
    test_format();
    return check_done("ext2");
}
