/*
 * `test=fs.overtake`: while one client reads /big from a slow disk and another makes files, a third
 * reads /small, which is in fsd's cache, again and again. Its longest wait must be far shorter than
 * what the disk takes for one piece. The host has made the disk slow.
 */
#include <fcntl.h>
#include <rugo/thread.h>
#include <stdbool.h>
#include <unistd.h>

#include "tests/prog/test.h"

enum { PIECE = 64 * 1024 };

static volatile bool reading, made;
static int64_t slowest;             /* ns that one piece of /big took at most */

static int64_t now(void)
{
    return sys_time_now(CLOCK_MONOTONIC);
}

static int read_big(void *arg)
{
    char *buf = malloc(PIECE);
    int fd = open("/big", O_RDONLY);
    ssize_t n;

    (void)arg;
    EXPECT_TRUE(fd >= 0 && buf != NULL);
    do {
        int64_t begin = now();

        n = read(fd, buf, PIECE);
        EXPECT_TRUE(n >= 0);
        if (now() - begin > slowest)
            slowest = now() - begin;
    } while (n > 0);
    reading = false;
    close(fd);
    free(buf);
    return 0;
}

/* A change: it has to wait for the slow reader. */
static void make_file(int number)
{
    char path[32];
    int fd;

    snprintf(path, sizeof(path), "/made%d", number);
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    EXPECT_TRUE(fd >= 0);
    EXPECT(1, write(fd, "x", 1));
    close(fd);
}

static int make_files(void *arg)
{
    (void)arg;
    for (int i = 0; reading; i++) {
        make_file(i % 8);
        made = true;
        (void)sys_thread_sleep(20 * MS);
    }
    return 0;
}

int main(void)
{
    struct thread reader, maker;
    int fd = open("/small", O_RDONLY);
    int64_t longest = 0;
    unsigned reads = 0;
    char buf[64];

    EXPECT_TRUE(fd >= 0);
    for (int i = 0; i < 8; i++)
        make_file(i); /* what a change needs comes into the cache */
    EXPECT_TRUE(pread(fd, buf, sizeof(buf), 0) > 0);
    reading = true;
    NEED(thread_start(&reader, read_big, NULL, 0));
    NEED(thread_start(&maker, make_files, NULL, 0));
    while (reading) {
        int64_t begin = now(), took;

        EXPECT_TRUE(pread(fd, buf, sizeof(buf), 0) > 0);
        took = now() - begin;
        longest = took > longest ? took : longest;
        reads++;
        (void)sys_thread_sleep(1 * MS);
    }
    NEED(thread_join(&reader, NULL));
    NEED(thread_join(&maker, NULL));
    printf("FS: %u cached reads took %lld us at most, a piece of the slow file %lld us\n", reads,
           (long long)(longest / 1000), (long long)(slowest / 1000));
    EXPECT_TRUE(made);
    EXPECT_TRUE(reads > 100);
    EXPECT_TRUE(slowest > 200 * MS);
    EXPECT_TRUE(longest < slowest / 8);
    test_mark("FS: overtake ok");
    return 0;
}
