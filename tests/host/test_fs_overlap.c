/*
 * Shared calls that overlap, as fibers do: one thread runs at a time, and another takes over only
 * when it waits, in the disk or for somebody else's read. Readers of the same and of different
 * files get the right bytes, each block is read once, and who finds all in the cache does not wait.
 *
 * SOURCES: services/fsd/balloc.c services/fsd/cache.c services/fsd/check.c services/fsd/dir.c services/fsd/dirindex.c services/fsd/file.c services/fsd/fs.c services/fsd/inode.c services/fsd/map.c services/fsd/mkfs.c services/fsd/namei.c services/fsd/ramdisk.c services/fsd/super.c services/fsd/txn.c FLAGS: -pthread
 */
#include <pthread.h>

#include "fs_image.h"

enum { THREADS = 12, SIZE = 150000, FILES = 6 };

/* Whoever holds this runs. */
static pthread_mutex_t running = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static unsigned long wakes;
static long waits;
static bool stuck;              /* the disk answers only when this is false again */
static pthread_cond_t unstuck = PTHREAD_COND_INITIALIZER;
static int at_disk;

static void hook_wait(void *ctx, const void *chan)
{
    (void)ctx;
    (void)chan;
    waits++;
    for (unsigned long before = wakes; wakes == before;)
        pthread_cond_wait(&woken, &running);
}

static void hook_wake(void *ctx, const void *chan)
{
    (void)ctx;
    (void)chan;
    wakes++;
    pthread_cond_broadcast(&woken);
}

/* A request: others run until it is done. */
static int slow_read(struct disk *disk, uint64_t sector, const struct disk_seg *segs,
                     unsigned nsegs)
{
    struct image *im = disk->priv;
    unsigned micros = (unsigned)(check_random() % 300);
    bool fails = image_fails(im, ++im->reads, im->fail_read);
    at_disk++;
    while (stuck)
        pthread_cond_wait(&unstuck, &running);
    pthread_mutex_unlock(&running);
    usleep(micros);
    pthread_mutex_lock(&running);
    at_disk--;
    return fails ? im->fail_err : image_move(disk, sector, segs, nsegs, false);
}

static struct fs *fs;
static int read_errors;

static void check_file(int i)
{
    static uint8_t want[FILES][SIZE];
    char path[30];
    uint8_t *got = malloc(SIZE + 1);
    if (!want[i][0] && !want[i][1])
        fill(want[i], SIZE, (uint64_t)i + 1);
    sprintf(path, "dir/file%d", i);
    int64_t n = get_file(fs, path, got, SIZE + 1);
    if (n < 0)
        read_errors++;
    else
        CHECK(n == SIZE ? !memcmp(got, want[i], SIZE) : read_errors >= 0, "%s: %lld", path,
              (long long)n);
    if (n >= 0 && n < SIZE)
        read_errors++;
    free(got);
}

static void *reader(void *arg)
{
    int me = (int)(intptr_t)arg;
    pthread_mutex_lock(&running);
    for (int i = 0; i < FILES; i++) {
        int n = count_entries(fs, "dir");
        if (n < 0)
            read_errors++;
        else
            CHECK(n == 600 + FILES, "%d", n);
        check_file((me + i) % FILES);
        if (me == 3)
            fs_sync(fs);
    }
    pthread_mutex_unlock(&running);
    return NULL;
}

static void run_readers(void)
{
    pthread_t threads[THREADS];
    pthread_mutex_unlock(&running);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, reader, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&running);
}

static struct image *furnish(void)
{
    static uint8_t data[SIZE];
    char path[60];
    struct image *im = image_mke2fs("-t ext2 -b 1024 -N 2000", 4000);
    fs = image_mount(im, 4000);
    CHECK(do_mkdir(fs, "dir") == 0);
    for (int i = 0; i < 600; i++) {
        sprintf(path, "dir/entry-with-some-name-%d", i);
        CHECK(put_file(fs, path, "", 0) == 0);
    }
    for (int i = 0; i < FILES; i++) {
        sprintf(path, "dir/file%d", i);
        fill(data, SIZE, (uint64_t)i + 1);
        CHECK(put_file(fs, path, data, SIZE) == SIZE);
    }
    CHECK(fs_unmount(fs) == 0 && image_is_clean(im));
    im->disk.read = slow_read;
    im->reads = 0;
    return im;
}

static void mount_slow(struct image *im, unsigned kib)
{
    struct fs_env env = image_env;
    struct fs_options options = { .cache_bytes = kib * 1024 };
    env.wait = hook_wait;
    env.wake = hook_wake;
    CHECK(ext2_mount(&im->disk, &env, &options, &fs, image_reason) == 0, "%s", image_reason);
}

static void *slow_reader(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&running);
    check_file(1);
    pthread_mutex_unlock(&running);
    return NULL;
}

/* One reader waits for the disk as long as it takes; another one finds all it wants in the cache. */
static void test_cached_overtakes(struct image *im)
{
    pthread_t thread;
    mount_slow(im, 4000);
    check_file(0);
    stuck = true;
    pthread_create(&thread, NULL, slow_reader, NULL);
    while (at_disk == 0) {
        pthread_mutex_unlock(&running);
        usleep(100);
        pthread_mutex_lock(&running);
    }
    long reads = im->reads, before = waits;
    check_file(0);
    CHECK(count_entries(fs, "dir") == 600 + FILES);
    CHECK(im->reads == reads && waits == before && at_disk == 1);
    stuck = false;
    pthread_cond_broadcast(&unstuck);
    pthread_mutex_unlock(&running);
    pthread_join(thread, NULL);
    pthread_mutex_lock(&running);
    CHECK(fs_unmount(fs) == 0 && read_errors == 0);
}

int main(void)
{
    image_enter();
    pthread_mutex_lock(&running);
    struct image *im = furnish();
    static const unsigned caches[] = { 4000, 600, 128 };
    for (int i = 0; i < 3; i++) {
        mount_slow(im, caches[i]);
        im->reads = waits = 0;
        run_readers();
        CHECK(waits > 0 && fs_unmount(fs) == 0 && read_errors == 0, "%d errors", read_errors);
        printf("cache of %u KiB: %ld requests, %ld waits\n", caches[i], im->reads, waits);
        if (i == 0) /* all fits: nothing is read twice */
            CHECK(im->reads * 1024 < FILES * SIZE / 2, "%ld", im->reads);
    }
    test_cached_overtakes(im);
    for (long n = 8; n < 40; n++) { /* a request fails under many eyes: errors, no harm */
        im->reads = 0;
        im->fail_read = 0;
        mount_slow(im, 600);
        im->reads = 0;
        im->fail_read = n;
        im->fail_err = -EIO;
        read_errors = 0;
        run_readers();
        im->fail_read = 0;
        CHECK(fs_unmount(fs) == 0, "%ld", n);
    }
    image_free(im);
    pthread_mutex_unlock(&running);
    return check_done("fs overlap");
}
