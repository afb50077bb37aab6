/*
 * The cpio file system on archives by cpio itself, and on broken ones.
 *
 * SOURCES: services/fsd/cpiofs.c services/fsd/fs.c services/fsd/path.c
 */
#include "fs_image.h"

static uint8_t *archive;
static size_t archive_size;

static void load(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st))
        exit(1);
    free(archive);
    archive_size = (size_t)st.st_size;
    archive = malloc(archive_size);
    if (fread(archive, 1, archive_size, f) != archive_size)
        exit(1);
    fclose(f);
}

static struct fs *mount_bytes(const void *data, size_t size)
{
    struct fs *fs = NULL;
    image_messages[0] = '\0';
    return cpiofs_mount(data, size, &image_env, &fs, image_reason) ? NULL : fs;
}

static void test_real_archive(void)
{
    char got[1000];
    CHECK(
        run("rm -rf in && mkdir -p in/bin in/etc/deep/er && cd in && printf hello > bin/prog &&"
            "chmod 755 bin/prog && ln -s ../bin/prog etc/link && ln bin/prog bin/same && : > empty &&"
            "printf long > $(printf %%0255d 1) && for i in $(seq 300); do echo $i > etc/deep/$i; done &&"
            "find . | cpio -o -H newc > ../archive") == 0);
    load("archive");
    struct fs *fs = mount_bytes(archive, archive_size);
    CHECK(fs && !image_reason[0] && !image_messages[0], "%s", image_messages);
    if (!fs)
        return;
    CHECK(fs_read_only(fs) && !strcmp(fs_type(fs), "cpio"));
    CHECK(get_file(fs, "bin/prog", got, 10) == 5 && !memcmp(got, "hello", 5));
    CHECK(get_file(fs, "bin/same", got, 10) == 5 && !memcmp(got, "hello", 5));
    CHECK(get_file(fs, "empty", got, 10) == 0 && get_file(fs, "bin", got, 10) == -EISDIR);
    CHECK(get_file(fs, "etc/deep/300", got, 10) == 4 && !memcmp(got, "300\n", 4));
    CHECK(count_entries(fs, "etc/deep") == 301 && count_entries(fs, "") == 4);
    CHECK(count_entries(fs, "etc/deep/er") == 0 && get_file(fs, "no", got, 1) == -ENOENT);
    int err;
    struct vnode *vn = walk(fs, "etc/link", &err), *up;
    struct fs_stat st;
    CHECK(vn && fs_readlink(vn, got, sizeof got) == 11 && !memcmp(got, "../bin/prog", 11));
    vnode_put(vn);
    vn = walk(fs, "bin/prog", &err);
    CHECK(vn && fs_stat(vn, &st) == 0 && st.mode == (FS_IFREG | 0755) && st.size == 5 &&
          st.nlink == 2);
    CHECK(vn && fs_write(vn, 0, "x", 1) == -EROFS && fs_truncate(vn, 0) == -EROFS);
    vnode_put(vn);
    vn = walk(fs, "etc/deep", &err);
    CHECK(vn && fs_lookup(vn, "..", 2, &up) == 0);
    struct vnode *etc = walk(fs, "etc", &err);
    CHECK(up == etc);
    vnode_put(etc);
    vnode_put(up);
    vnode_put(vn);
    CHECK(do_mkdir(fs, "new") == -EROFS && put_file(fs, "new", "", 0) == -EROFS);
    CHECK(do_remove(fs, "empty", false) == -EROFS && do_rename(fs, "empty", "full") == -EROFS);
    char name[256];
    snprintf(name, sizeof name, "%0255d", 1);
    CHECK(get_file(fs, name, got, 10) == 4);
    CHECK(fs_sync(fs) == 0 && fs_settle(fs) == 0 && fs_unmount(fs) == 0);
}

/* ---- Archives made by hand ----------------------------------------------------------------- */

static char made[20000];
static size_t made_size;

static void add(const char *name, unsigned mode, const char *data)
{
    made_size += (size_t)sprintf(made + made_size,
                                 "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 0,
                                 mode, 0, 0, 1, 0, strlen(data), 0, 0, 0, 0, strlen(name) + 1, 0);
    made_size += (size_t)sprintf(made + made_size, "%s", name) + 1;
    made_size = (made_size + 3) & ~(size_t)3;
    made_size += (size_t)sprintf(made + made_size, "%s", data);
    made_size = (made_size + 3) & ~(size_t)3;
}

static void begin(void)
{
    memset(made, 0, sizeof made);
    made_size = 0;
}

/* Mount what was made; `message` is what must be said of it, or NULL for nothing. */
static struct fs *mount_made(const char *message)
{
    uint8_t *exact = malloc(made_size ? made_size : 1);
    memcpy(exact, made, made_size);
    free(archive);
    archive = exact;
    struct fs *fs = mount_bytes(exact, made_size);
    CHECK(message ? strstr(image_messages, message) != NULL : !image_messages[0], "'%s', not '%s'",
          image_messages, message ? message : "");
    return fs;
}

static void test_made_archives(void)
{
    char got[10];
    begin();
    add("a/b/c", 0100644, "implicit");
    add("./dot//slashes/", 040700, "");
    add("a/b/c", 0100644, "again");
    add("../up", 0100644, "x");
    add("a/../../etc", 0100644, "x");
    add("a/b/c/below-a-file", 0100644, "x");
    add("a/b", 0100644, "a file in place of a directory");
    add("odd", 0070000, "x");
    add("bad-link", 0120777, "");
    add("/rooted", 0100644, "ok");
    add("TRAILER!!!", 0, "");
    struct fs *fs = mount_made("left out: a bad path");
    CHECK(fs && get_file(fs, "a/b/c", got, 10) == 5 && !memcmp(got, "again", 5));
    CHECK(get_file(fs, "rooted", got, 10) == 2 && count_entries(fs, "dot/slashes") == 0);
    CHECK(count_entries(fs, "") == 3 && count_entries(fs, "a") == 1, "%d", count_entries(fs, ""));
    CHECK(strstr(image_messages, "unknown file type") &&
          strstr(image_messages, "bad symbolic link"));
    fs_unmount(fs);

    begin();
    add("one", 0100644, "1");
    fs = mount_made("the archive ends without its trailer");
    CHECK(fs && get_file(fs, "one", got, 10) == 1);
    fs_unmount(fs);

    begin();
    add("one", 0100644, "1");
    size_t second = made_size;
    add("two", 0100644, "2");
    add("TRAILER!!!", 0, "");
    memcpy(made + second + 54, "ffffffff", 8);  /* the length of its contents */
    fs = mount_made("contents beyond the end");
    CHECK(fs && count_entries(fs, "") == 1);
    fs_unmount(fs);
    memcpy(made + second + 54, "00000001", 8);
    memcpy(made + second + 94, "7fffffff", 8);  /* the length of its name */
    fs = mount_made("bad name length");
    fs_unmount(fs);
    memcpy(made + second + 94, "00000003", 8);
    fs = mount_made("a name without end");
    fs_unmount(fs);
    memcpy(made + second + 94, "0000000g", 8);
    fs = mount_made("bad number");
    fs_unmount(fs);
    made[second] = 'X';
    fs = mount_made("bad magic");
    CHECK(fs && count_entries(fs, "") == 1);
    fs_unmount(fs);

    begin();
    add("TRAILER!!!", 0, "");
    fs = mount_made(NULL);
    CHECK(fs && count_entries(fs, "") == 0);
    fs_unmount(fs);
    begin();
    CHECK(!mount_made(NULL) && !strcmp(image_reason, "not a cpio archive"));
    strcpy(made,
           "this is not an archive, though it is long enough to be the header of an entry of one: "
           "a hundred and ten bytes it takes");
    made_size = strlen(made);
    CHECK(!mount_made(NULL) && !strcmp(image_reason, "not a cpio archive"));
}

/* Every prefix of an archive, and every byte of a small one changed. */
static void test_every_byte(void)
{
    begin();
    add("dir/file", 0100644, "contents");
    add("link", 0120777, "dir/file");
    add("TRAILER!!!", 0, "");
    for (size_t n = 0; n <= made_size; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, made, n);
        struct fs *fs = mount_bytes(exact, n);
        CHECK(fs || n < 112 + 8 + 12, "%zu", n);
        fs_unmount(fs);
        free(exact);
    }
    for (size_t i = 0; i < made_size * 8; i++) {
        uint8_t *exact = malloc(made_size);
        char got[10];
        memcpy(exact, made, made_size);
        exact[i / 8] ^= (uint8_t)(1u << i % 8);
        struct fs *fs = mount_bytes(exact, made_size);
        if (fs)
            get_file(fs, "dir/file", got, sizeof got);
        CHECK(fs || i / 8 < 110 + 10 + 10);
        fs_unmount(fs);
        free(exact);
    }
}

int main(void)
{
    image_enter();
    test_real_archive();
    test_made_archives();
    test_every_byte();
    free(archive);
    return check_done("cpiofs");
}
