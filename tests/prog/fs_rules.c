/*
 * `test=fs.rules`: what abi/ipc/file.def promises, straight through the protocol: one function for each
 * group of promises, failures included.
 */
#include <dirent.h>
#include <fcntl.h>
#include <rugo/proto_file.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "tests/prog/test.h"

static handle_t root;

static int open_at(handle_t dir, const char *path, uint32_t flags, handle_t *file)
{
    uint32_t kind;

    *file = HANDLE_NONE;
    return file_open(dir, flags, 0644, path, file, &kind);
}

static handle_t opened(handle_t dir, const char *path, uint32_t flags)
{
    handle_t file;

    NEED(open_at(dir, path, flags, &file));
    return file;
}

/* The error of an open that must fail. */
static int refused(handle_t dir, const char *path, uint32_t flags)
{
    handle_t file;

    return open_at(dir, path, flags, &file);
}

static void put(handle_t file, int64_t offset, const char *text)
{
    uint64_t n;

    NEED(file_write(file, offset, text, strlen(text), &n));
    EXPECT(strlen(text), n);
}

/* What a read at `offset` gives must be this text. */
static void holds(handle_t file, int64_t offset, const char *text)
{
    char buf[128];
    uint64_t n;

    NEED(file_read(file, offset, buf, sizeof(buf) - 1, &n));
    buf[n] = '\0';
    if (strcmp(buf, text) != 0)
        printf("\"%s\" instead of \"%s\"\n", buf, text);
    EXPECT(0, strcmp(buf, text));
}

static void make(const char *path, const char *text)
{
    handle_t file = opened(root, path, O_WRONLY | O_CREAT | O_TRUNC);

    put(file, -1, text);
    NEED(sys_handle_close(file));
}

static int64_t size_of(handle_t file)
{
    struct stat st;

    NEED(file_stat(file, &st, sizeof(st)));
    return st.st_size;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static void opening(void)
{
    handle_t file;
    uint32_t kind;

    make("/r/file", "text");
    NEED(file_symlink(root, "file", "/r/link"));
    NEED(file_symlink(root, "nothing", "/r/dangling"));
    EXPECT(-ENOENT, refused(root, "", O_RDONLY));
    EXPECT(-ENOENT, refused(root, "/r/none", O_RDONLY));
    EXPECT(-ENOENT, refused(root, "/r/none/x", O_RDWR | O_CREAT));
    EXPECT(-ENOTDIR, refused(root, "/r/file/x", O_RDONLY));
    EXPECT(-ENOTDIR, refused(root, "/r/file/", O_RDONLY));
    EXPECT(-ENOTDIR, refused(root, "/r/file", O_RDONLY | O_DIRECTORY));
    EXPECT(-EISDIR, refused(root, "/r", O_RDWR));
    EXPECT(-EISDIR, refused(root, "/r/new/", O_RDWR | O_CREAT));
    EXPECT(-EEXIST, refused(root, "/r/file", O_RDWR | O_CREAT | O_EXCL));
    EXPECT(-EEXIST, refused(root, "/r/dangling", O_RDWR | O_CREAT | O_EXCL));
    EXPECT(-ELOOP, refused(root, "/r/link", O_RDONLY | O_NOFOLLOW));
    EXPECT(-EINVAL, refused(root, "/r/file", O_ACCMODE));
    EXPECT(-EINVAL, refused(root, "/r/file", 0x80000000));
    EXPECT(-EINVAL, refused(root, "/r/file", O_RDONLY | O_TRUNC));
    NEED(file_open(root, O_RDONLY, 0, "/r/link", &file, &kind));
    EXPECT(S_IFREG, kind);
    holds(file, 0, "text");
    EXPECT(-ENOTDIR, refused(file, "x", O_RDONLY)); /* a file is no place to start from */
    NEED(sys_handle_close(file));
    NEED(sys_handle_close(opened(root, "/r/dangling", O_RDWR | O_CREAT)));
    NEED(sys_handle_close(opened(root, "/r/nothing", O_RDONLY)));
    NEED(file_open(root, O_RDONLY | O_DIRECTORY, 0, "/r//.//../r/", &file, &kind));
    EXPECT(S_IFDIR, kind);
    NEED(sys_handle_close(file));
}

static void long_names(void)
{
    char name[300], path[320];

    memset(name, 'n', sizeof(name));
    snprintf(path, sizeof(path), "/r/%.255s", name);
    NEED(sys_handle_close(opened(root, path, O_RDWR | O_CREAT)));
    NEED(sys_handle_close(opened(root, path, O_RDONLY)));
    NEED(file_unlink(root, 0, path));
    snprintf(path, sizeof(path), "/r/%.256s", name);
    EXPECT(-ENAMETOOLONG, refused(root, path, O_RDWR | O_CREAT));
    EXPECT(-ENAMETOOLONG, file_mkdir(root, 0755, path));
}

/* A session on a directory is all its holder can see. */
static void confinement(void)
{
    handle_t dir, file;
    char target[64];
    uint64_t n;

    make("/outside", "outside");
    NEED(file_mkdir(root, 0755, "/r/in"));
    make("/r/in/here", "inside");
    NEED(file_symlink(root, "/outside", "/r/in/absolute"));
    NEED(file_symlink(root, "../../outside", "/r/in/above"));
    NEED(file_symlink(root, "/here", "/r/in/own"));
    dir = opened(root, "/r/in", O_RDONLY | O_DIRECTORY);
    EXPECT(-ENOENT, refused(dir, "/outside", O_RDONLY));
    EXPECT(-ENOENT, refused(dir, "../outside", O_RDONLY));
    EXPECT(-ENOENT, refused(dir, "../../../../outside", O_RDONLY));
    EXPECT(-ENOENT, refused(dir, "absolute", O_RDONLY));
    EXPECT(-ENOENT, refused(dir, "above", O_RDONLY));
    EXPECT(-ENOENT, refused(dir, "/boot/bin/sh", O_RDONLY));
    EXPECT(-ENOENT, file_unlink(dir, 0, "../../outside"));
    EXPECT(-ENOENT, file_rename(dir, "../../outside", "stolen"));
    NEED(open_at(dir, "../../own", O_RDONLY, &file)); /* "/" is this directory */
    holds(file, 0, "inside");
    NEED(sys_handle_close(file));
    NEED(file_rename(dir, "here", "/../there"));
    NEED(file_readlink(root, "/r/in/above", target, sizeof(target), &n));
    EXPECT(0, memcmp(target, "../../outside", n));
    file = opened(root, "/r/in/there", O_RDONLY);
    holds(file, 0, "inside");
    NEED(sys_handle_close(file));
    NEED(sys_handle_close(dir));
}

static void links(void)
{
    char path[1000], buf[8];
    struct stat st;
    uint64_t n;

    NEED(file_symlink(root, "b", "/r/a"));
    NEED(file_symlink(root, "a", "/r/b"));
    EXPECT(-ELOOP, refused(root, "/r/a", O_RDONLY));
    EXPECT(-ELOOP, file_stat_path(root, 0, "/r/a", &st, sizeof(st)));
    NEED(file_stat_path(root, AT_SYMLINK_NOFOLLOW, "/r/a", &st, sizeof(st)));
    EXPECT_TRUE(S_ISLNK(st.st_mode));
    EXPECT(1, st.st_size);
    NEED(file_readlink(root, "/r/a", buf, sizeof(buf), &n));
    EXPECT(1, n);
    EXPECT(-EINVAL, file_readlink(root, "/r/file", buf, sizeof(buf), &n));
    EXPECT(-EEXIST, file_symlink(root, "x", "/r/a"));
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    NEED(file_symlink(root, path, "/r/long"));
    EXPECT(-ENAMETOOLONG, refused(root, "/r/long", O_RDONLY));
    EXPECT(-ENOENT, file_symlink(root, "", "/r/empty"));
}

/* ---- reading and writing ------------------------------------------------------------------------------ */

static void positions(void)
{
    handle_t file = opened(root, "/r/pos", O_RDWR | O_CREAT), other, copy;
    int64_t at;
    uint64_t n;
    char buf[8];

    put(file, -1, "0123456789");
    holds(file, -1, "");
    NEED(file_seek(file, 3, 0, &at));
    EXPECT(3, at);
    copy = NEED_HANDLE(sys_handle_dup(file, RIGHT_SEND, 0, 0));
    NEED(file_read(copy, -1, buf, 2, &n)); /* copies share the position */
    NEED(file_seek(file, 0, 1, &at));
    EXPECT(5, at);
    other = opened(root, "/r/pos", O_RDONLY); /* another open does not */
    holds(other, -1, "0123456789");
    NEED(file_seek(file, -2, 2, &at));
    EXPECT(8, at);
    holds(file, -1, "89");
    EXPECT(-EINVAL, file_seek(file, -1, 0, &at));
    EXPECT(-EINVAL, file_seek(file, INT64_MAX, 2, &at));
    EXPECT(-EINVAL, file_seek(file, 0, 3, &at));
    EXPECT(-EINVAL, file_read(file, -2, buf, 1, &n));
    holds(file, 4, "456789"); /* at an offset: the position stays */
    NEED(file_seek(file, 0, 1, &at));
    EXPECT(10, at);
    NEED(file_seek(file, 20, 0, &at));
    put(file, -1, "end");
    EXPECT(23, size_of(file));
    NEED(file_read(file, 9, buf, 3, &n));
    EXPECT(0, memcmp(buf, "9\0\0", 3));
    NEED(file_read(file, 1000, buf, 3, &n));
    EXPECT(0, n);
    NEED(sys_handle_close(copy));
    NEED(sys_handle_close(other));
    NEED(sys_handle_close(file));
}

static void modes_of_access(void)
{
    handle_t reader = opened(root, "/r/file", O_RDONLY), writer = opened(root, "/r/file", O_WRONLY);
    handle_t one = opened(root, "/r/log", O_WRONLY | O_CREAT | O_APPEND), dir, two, log;
    struct stat st;
    char buf[8];
    uint64_t n;

    EXPECT(-EBADF, file_write(reader, 0, "x", 1, &n));
    EXPECT(-EBADF, file_truncate(reader, 0));
    EXPECT(-EBADF, file_read(writer, 0, buf, 1, &n));
    EXPECT(-EFAULT, file_read(reader, 0, (void *)8, 4, &n));
    EXPECT(-EFAULT, file_write(writer, 0, (void *)8, 4, &n));
    EXPECT(-EINVAL, file_stat(reader, &st, sizeof(st) - 1));
    holds(reader, 0, "text");
    two = opened(root, "/r/log", O_WRONLY | O_APPEND);
    put(one, -1, "one ");
    put(two, -1, "two ");
    put(one, 0, "three"); /* O_APPEND knows no offset */
    log = opened(root, "/r/log", O_RDONLY);
    holds(log, 0, "one two three");
    dir = opened(root, "/r", O_RDONLY);
    EXPECT(-EISDIR, file_read(dir, 0, buf, 1, &n));
    EXPECT(-EISDIR, file_write(dir, 0, buf, 1, &n));
    EXPECT(-EISDIR, file_truncate(dir, 0));
    const handle_t all[] = { reader, writer, one, two, log, dir };
    for (int i = 0; i < 6; i++)
        NEED(sys_handle_close(all[i]));
}

static void sizes(void)
{
    handle_t file = opened(root, "/r/size", O_RDWR | O_CREAT);

    put(file, -1, "0123456789");
    NEED(file_truncate(file, 4));
    holds(file, 0, "0123");
    NEED(file_truncate(file, 100000));
    EXPECT(100000, size_of(file));
    NEED(file_truncate(file, 4));
    NEED(file_truncate(file, 8));
    char buf[8];
    uint64_t n;
    NEED(file_read(file, 0, buf, 8, &n));
    EXPECT(0, memcmp(buf, "0123\0\0\0\0", 8)); /* what was cut off does not come back */
    EXPECT(-EINVAL, file_truncate(file, -1));
    EXPECT(-EFBIG, file_truncate(file, INT64_MAX));
    EXPECT(-EFBIG, file_write(file, INT64_MAX - 1, "x", 1, &n));
    EXPECT(8, size_of(file));
    NEED(sys_handle_close(opened(root, "/r/size", O_RDWR | O_TRUNC)));
    EXPECT(0, size_of(file));
    NEED(file_sync(file, 0));
    NEED(file_sync(root, 1));
    EXPECT(-EINVAL, file_sync(file, 2));
    NEED(sys_handle_close(file));
}

/* A file that was removed lives on for who has it open; then its blocks come back. */
static void removed_while_open(void)
{
    struct statfs before, during, after;
    handle_t file = opened(root, "/r/doomed", O_RDWR | O_CREAT);
    char *block = calloc(1, 256 * 1024);
    uint64_t n;

    NEED(file_sync(root, 1));
    NEED(file_statfs(root, &before, sizeof(before)));
    NEED(file_write(file, 0, block, 256 * 1024, &n));
    NEED(file_unlink(root, 0, "/r/doomed"));
    EXPECT(-ENOENT, refused(root, "/r/doomed", O_RDONLY));
    put(file, 0, "still here");
    NEED(file_statfs(root, &during, sizeof(during)));
    EXPECT_TRUE(during.f_bfree < before.f_bfree);
    NEED(sys_handle_close(file));
    NEED(file_sync(root, 1));
    NEED(file_statfs(root, &after, sizeof(after)));
    EXPECT(before.f_bfree, after.f_bfree);
    EXPECT(before.f_ffree + 1, after.f_ffree);
    free(block);
}

/* ---- directories ---------------------------------------------------------------------------------------- */

enum { MANY = 300 };

/* Count the entries from here to the end, taking them in pieces of `size` bytes; -1: a name came twice. */
static int count(handle_t dir, size_t size)
{
    static char seen[MANY];
    char buf[2048];
    int found = 0;
    uint64_t n;

    memset(seen, 0, sizeof(seen));
    for (;;) {
        NEED(file_readdir(dir, buf, size, &n));
        if (n == 0)
            return found;
        for (uint64_t at = 0; at < n;) {
            struct dirent *d = (struct dirent *)(void *)(buf + at);
            unsigned long number = strtoul(d->d_name + 1, NULL, 10);

            EXPECT_TRUE(d->d_reclen >= 24 && d->d_reclen % 8 == 0 && at + d->d_reclen <= n);
            at += d->d_reclen;
            found++;
            if (d->d_name[0] == 'm' && number < MANY && seen[number]++)
                return -1;
        }
    }
}

static void listing(void)
{
    handle_t dir;
    char path[32], buf[2048];
    uint64_t n;
    int64_t at;

    NEED(file_mkdir(root, 0755, "/r/many"));
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof(path), "/r/many/m%d", i);
        make(path, "x");
    }
    dir = opened(root, "/r/many", O_RDONLY | O_DIRECTORY);
    EXPECT(MANY + 2, count(dir, sizeof(buf)));
    EXPECT(0, count(dir, sizeof(buf)));
    NEED(file_seek(dir, 0, 0, &at));
    EXPECT(MANY + 2, count(dir, 64));
    EXPECT(-EINVAL, file_readdir(opened(root, "/r/many", O_RDONLY), buf, 8, &n));

    NEED(file_seek(dir, 0, 0, &at)); /* entries may go while one reads */
    NEED(file_readdir(dir, buf, 1024, &n));
    for (int i = 0; i < MANY; i += 2) {
        snprintf(path, sizeof(path), "/r/many/m%d", i);
        NEED(file_unlink(root, 0, path));
    }
    EXPECT_TRUE(count(dir, sizeof(buf)) >= 0);
    NEED(file_seek(dir, 0, 0, &at));
    EXPECT(MANY / 2 + 2, count(dir, sizeof(buf)));
    EXPECT(-EINVAL, file_readdir(root, buf, sizeof(buf), &n)); /* shared: no position of its own */
    EXPECT(-ESPIPE, file_seek(root, 0, 0, &at));
    NEED(sys_handle_close(dir));
}

static void names(void)
{
    make("/r/x", "x");
    make("/r/y", "y");
    NEED(file_mkdir(root, 0755, "/r/d1"));
    NEED(file_mkdir(root, 0755, "/r/d2/"));
    EXPECT(-EEXIST, file_mkdir(root, 0755, "/r/d1"));
    EXPECT(-EEXIST, file_mkdir(root, 0755, "/"));
    EXPECT(-ENOENT, file_mkdir(root, 0755, "/r/no/dir"));
    EXPECT(-EISDIR, file_unlink(root, 0, "/r/d1"));
    EXPECT(-ENOTDIR, file_unlink(root, AT_REMOVEDIR, "/r/x"));
    EXPECT(-ENOTDIR, file_unlink(root, 0, "/r/x/"));
    EXPECT(-EINVAL, file_unlink(root, 1, "/r/x"));
    EXPECT_TRUE(file_unlink(root, AT_REMOVEDIR, "/r/d1/.") < 0);
    EXPECT(-EBUSY, file_unlink(root, AT_REMOVEDIR, "/"));
    NEED(file_rename(root, "/r/x", "/r/y"));
    EXPECT(-ENOENT, file_rename(root, "/r/x", "/r/z"));
    EXPECT(-EISDIR, file_rename(root, "/r/y", "/r/d1"));
    EXPECT(-ENOTDIR, file_rename(root, "/r/d1", "/r/y"));
    EXPECT(-ENOTDIR, file_rename(root, "/r/y", "/r/new/"));
    EXPECT(-EINVAL, file_rename(root, "/r/d1", "/r/d1/inside"));
    make("/r/d2/full", "x");
    EXPECT(-ENOTEMPTY, file_rename(root, "/r/d1", "/r/d2"));
    EXPECT(-ENOTEMPTY, file_unlink(root, AT_REMOVEDIR, "/r/d2"));
    NEED(file_rename(root, "/r/d2", "/r/d1"));
    handle_t file = opened(root, "/r/d1/../d1/full", O_RDONLY);
    NEED(sys_handle_close(file));
    NEED(file_rename(root, "/r/y", "/r/y"));
}

/* The initrd under /boot: there, read-only, and not to be moved. */
static void mount_point(void)
{
    struct stat above, boot;

    EXPECT(-EROFS, refused(root, "/boot/x", O_RDWR | O_CREAT));
    EXPECT(-EROFS, refused(root, "/boot/bin/fsd", O_RDWR));
    EXPECT(-EROFS, file_unlink(root, 0, "/boot/bin/fsd"));
    EXPECT(-EROFS, file_mkdir(root, 0755, "/boot/x"));
    EXPECT(-EBUSY, file_unlink(root, AT_REMOVEDIR, "/boot"));
    EXPECT(-EBUSY, file_rename(root, "/boot", "/r/boot"));
    EXPECT(-EBUSY, file_rename(root, "/r/d1", "/boot"));
    EXPECT(-EEXIST, file_mkdir(root, 0755, "/boot"));
    EXPECT(-EXDEV, file_rename(root, "/boot/bin/fsd", "/r/fsd"));
    EXPECT(-EXDEV, file_rename(root, "/r/y", "/boot/bin/y"));
    NEED(file_stat_path(root, 0, "/boot/..", &above, sizeof(above)));
    NEED(file_stat_path(root, 0, "/boot", &boot, sizeof(boot)));
    EXPECT_TRUE(above.st_dev != boot.st_dev);
    NEED(file_stat_path(root, 0, "/", &boot, sizeof(boot)));
    EXPECT(above.st_ino, boot.st_ino);
}

static void times(void)
{
    struct stat st;

    NEED(file_utimes(root, "/r/y", 1234567890));
    NEED(file_stat_path(root, 0, "/r/y", &st, sizeof(st)));
    EXPECT(1234567890, st.st_mtime);
    EXPECT(-ENOENT, file_utimes(root, "/r/none", 1));
    EXPECT(-EROFS, file_utimes(root, "/boot/bin/fsd", 1));
}

int main(void)
{
    root = start_handle(START_ROOT);
    NEED(file_mkdir(root, 0755, "/r"));
    opening();
    long_names();
    confinement();
    links();
    positions();
    modes_of_access();
    sizes();
    removed_while_open();
    listing();
    names();
    mount_point();
    times();
    test_mark("FS: rules ok");
    return 0;
}
