/*
 * `test=fs`: reads /secret.txt, which the host has put on the disk, then makes, writes, reads, lists,
 * renames and removes files through fsd.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/prog/test.h"

enum { BIG = 300 * 1024 };

static void must(int ok, const char *what)
{
    if (!ok) {
        printf("fs_smoke: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

/* The host's secret; the whole of a small file. */
static void read_secret(char *buf, size_t size)
{
    int fd = open("/secret.txt", O_RDONLY);
    ssize_t n;

    must(fd >= 0, "open /secret.txt");
    n = read(fd, buf, size - 1);
    must(n > 0, "read /secret.txt");
    buf[n] = '\0';
    buf[strcspn(buf, "\r\n")] = '\0';
    close(fd);
}

static int listed(const char *dir, const char *name)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int found = 0;

    must(d != NULL, dir);
    while ((entry = readdir(d)) != NULL)
        found += strcmp(entry->d_name, name) == 0;
    closedir(d);
    return found;
}

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

/* Write more than a block's worth of pointers, read it back in pieces of an odd size. */
static void big_file(const char *path)
{
    unsigned char *data = malloc(BIG);
    char piece[1237];
    ssize_t n;
    size_t at = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);

    must(fd >= 0 && data != NULL, path);
    for (size_t i = 0; i < BIG; i++)
        data[i] = pattern(i);
    must(write(fd, data, BIG) == BIG, "write");
    must(lseek(fd, 0, SEEK_SET) == 0, "lseek");
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        EXPECT(0, memcmp(piece, data + at, (size_t)n));
        at += (size_t)n;
    }
    EXPECT(BIG, at);
    must(ftruncate(fd, 1000) == 0, "ftruncate");
    must(fsync(fd) == 0, "fsync");
    must(close(fd) == 0, "close");
    free(data);
}

static void names(void)
{
    struct stat st;

    must(mkdir("/smoke", 0755) == 0, "mkdir");
    EXPECT(-1, mkdir("/smoke", 0755));
    EXPECT(EEXIST, errno);
    big_file("/smoke/one");
    must(stat("/smoke/one", &st) == 0, "stat");
    EXPECT(1000, st.st_size);
    EXPECT(1, listed("/smoke", "one"));
    must(rename("/smoke/one", "/smoke/two") == 0, "rename");
    EXPECT(0, listed("/smoke", "one"));
    EXPECT(1, listed("/smoke", "two"));
    EXPECT(-1, rmdir("/smoke"));
    EXPECT(ENOTEMPTY, errno);
    must(symlink("two", "/smoke/link") == 0, "symlink");
    must(stat("/smoke/link", &st) == 0 && S_ISREG(st.st_mode), "stat of a link");
    must(unlink("/smoke/link") == 0 && unlink("/smoke/two") == 0, "unlink");
    must(rmdir("/smoke") == 0, "rmdir");
    EXPECT(-1, open("/smoke/two", O_RDONLY));
    EXPECT(ENOENT, errno);
    EXPECT(1, listed("/", "boot"));
    EXPECT(-1, open("/boot/new", O_WRONLY | O_CREAT, 0644));
    EXPECT(EROFS, errno);
    must(stat("/../..//boot/./test/fs_smoke", &st) == 0, "a path with dots");
    EXPECT(-1, open("/boot/bin/fsd/x", O_RDONLY));
    EXPECT(ENOTDIR, errno);
}

int main(void)
{
    char secret[128];

    read_secret(secret, sizeof(secret));
    names();
    printf("FSD: mount ok nonce=%s secret=%s\n", test_nonce(), secret);
    return 0;
}
