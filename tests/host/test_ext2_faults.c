/*
 * ext2 when things go wrong: each disk request failing in turn, each allocation of memory, full disks, power cuts, damaged
 * blocks. The caller gets an error and nothing has changed; what is unmounted without an error is
 * clean; nothing crashes or hangs.
 *
 * test_ext2_faults [ROUNDS]: random damage and power cuts, 200 by default.
 *
 * SOURCES: services/fsd/balloc.c services/fsd/cache.c services/fsd/check.c services/fsd/dir.c services/fsd/dirindex.c services/fsd/file.c services/fsd/fs.c services/fsd/inode.c services/fsd/map.c services/fsd/mkfs.c services/fsd/namei.c services/fsd/ramdisk.c services/fsd/super.c services/fsd/txn.c FLAGS: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
 */
#include "fs_tour.h"

enum { FILES = 12, FILE_SIZE = 30000 };

/* What the workload has done successfully: the contents that each file must have. */
struct outcome {
    bool exists[FILES];
    uint64_t seed[FILES];
    uint32_t size[FILES];
    bool dir;
    int errors, unexpected;
    int allowed;                /* the error that may occur */
};

static bool ok(struct outcome *o, int64_t err)
{
    if (err >= 0)
        return true;
    o->errors++;
    if (err != o->allowed && err != -EROFS) {
        o->unexpected++;
        fprintf(stderr, "an error of %lld\n", (long long)err);
    }
    return false;
}

static void write_file(struct fs *fs, struct outcome *o, int i, const char *path)
{
    static uint8_t data[FILE_SIZE];
    uint32_t size = (uint32_t)(i * 2711) % FILE_SIZE + 1;
    struct vnode *vn;
    fill(data, size, (uint64_t)i + 1);
    if (!ok(o, do_create(fs, path, &vn)))
        return;
    int64_t n = fs_write(vn, 0, data, size);
    ok(o, n < 0 ? n : 0);
    o->exists[i] = true;
    o->seed[i] = (uint64_t)i + 1;
    o->size[i] = n > 0 ? (uint32_t)n : 0;
    vnode_put(vn);
}

static void name_of(char *path, const struct outcome *o, int i)
{
    sprintf(path, i % 3 || !o->dir ? "file%d" : "dir/file-with-a-longer-name-%d", i);
}

static void workload(struct fs *fs, struct outcome *o)
{
    char path[100];
    o->dir = ok(o, do_mkdir(fs, "dir"));
    for (int i = 0; i < FILES; i++) {
        name_of(path, o, i);
        write_file(fs, o, i, path);
        if (i % 5 == 4)
            ok(o, fs_sync(fs));
    }
    for (int i = 0; i < FILES; i += 4) {
        name_of(path, o, i);
        if (o->exists[i] && ok(o, do_remove(fs, path, false)))
            o->exists[i] = false;
    }
    if (o->exists[1] && o->exists[2] && ok(o, do_rename(fs, "file1", "file2"))) {
        o->exists[1] = false;
        o->seed[2] = o->seed[1];
        o->size[2] = o->size[1];
    }
    int err;
    struct vnode *vn = o->exists[5] ? walk(fs, "file5", &err) : NULL;
    if (o->exists[5] && !vn)
        ok(o, err);
    if (vn && o->size[5] > 1000 && ok(o, fs_truncate(vn, 1000)))
        o->size[5] = 1000;
    vnode_put(vn);
    ok(o, do_symlink(fs, "link",
                     "dir/somewhere-else-with-a-long-enough-name-to-need-a-block/of/its/own"));
    if (o->exists[7])
        ok(o, do_link(fs, "hard", "file7"));
}

/* Do the files have what the workload wrote? */
static bool as_expected(struct fs *fs, const struct outcome *o)
{
    static uint8_t want[FILE_SIZE], got[FILE_SIZE + 1];
    bool all = true;
    for (int i = 0; i < FILES; i++) {
        char path[100];
        name_of(path, o, i);
        int64_t n = get_file(fs, path, got, sizeof got);
        fill(want, o->size[i], o->seed[i]);
        bool good = o->exists[i] ? n == o->size[i] && !memcmp(got, want, o->size[i]) : n == -ENOENT;
        if (!good)
            fprintf(stderr, "%s: %lld bytes, expected %s %u\n", path, (long long)n,
                    o->exists[i] ? "" : "none,", o->size[i]);
        all = all && good;
    }
    return all;
}

/* ---- Failing requests ---------------------------------------------------------------------- */

/* Run the workload with faults set up in `im`; true if one of them was met. */
static bool one_fault(struct image *im, int err, const char *what, long n)
{
    struct outcome o = { .allowed = err };
    im->fail_err = err;
    struct fs *fs = image_mount(im, 128);
    bool met = true, reading = im->fail_read != 0;
    if (fs) {
        workload(fs, &o);
        met = reading && im->reads >= n;
        im->fail_read = 0;      /* what follows is the judge's own reading */
        if (!im->fail_on)
            CHECK(as_expected(fs, &o), "%s %ld", what, n);
        int status = fs_unmount(fs);
        CHECK(status == 0 || status == err, "%s %ld: %d", what, n, status);
        met = met || o.errors > 0 || status || (!reading && im->writes >= n);
        if (status == 0)
            CHECK(image_is_clean(im), "%s %ld", what, n);
        else
            CHECK(im->data[1024 + 58] == 0 || n == 1, "%s %ld: marked clean", what, n);
    } else {
        CHECK(reading && strstr(image_reason, "read"), "%s %ld: %s", what, n, image_reason);
    }
    CHECK(o.unexpected == 0, "%s %ld", what, n);
    CHECK(!strstr(image_messages, "damaged"), "%s %ld: %s", what, n, image_messages);
    return met;
}

static void test_requests(struct image *base, bool write, bool on, int err)
{
    char what[60];
    sprintf(what, "%s%s, error %d, request", write ? "write" : "read", on ? "s from" : "", err);
    for (long n = 1; n < 2000; n++) {
        struct image *im = image_copy(base);
        *(write ? &im->fail_write : &im->fail_read) = n;
        im->fail_on = on;
        bool met = one_fault(im, err, what, n);
        image_free(im);
        if (!met) {
            CHECK(n > 10, "%s %ld", what, n);
            return;
        }
    }
    CHECK(false, "it never ends");
}

/* ---- Failing allocations ------------------------------------------------------------------- */

static long allocations, fail_allocation;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool allocation_fails(void)
{
    return fail_allocation && ++allocations == fail_allocation;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(old, size);
}

static void test_memory(struct image *base)
{
    long mounts = 0;
    for (long n = 1; n < 1000; n++) {
        struct image *im = image_copy(base);
        struct outcome o = { .allowed = -ENOMEM };
        allocations = 0;
        fail_allocation = n;
        struct fs *fs = image_mount(im, 128);
        mounts += fs != NULL;
        if (fs)
            workload(fs, &o);
        bool met = allocations >= n;
        fail_allocation = 0;
        CHECK(fs || !strcmp(image_reason, "out of memory") || !image_reason[0] ||
                  strstr(image_reason, "root"),
              "allocation %ld: %s", n, image_reason);
        if (fs) {
            CHECK(o.unexpected == 0 && as_expected(fs, &o), "allocation %ld", n);
            CHECK(fs_unmount(fs) == 0 && image_is_clean(im), "allocation %ld", n);
        }
        image_free(im);
        if (!met)
            break;
    }
    CHECK(mounts > 10, "%ld", mounts);
}

/* ---- Full disks ---------------------------------------------------------------------------- */

static void test_full(struct image *base)
{
    static uint8_t data[4096];
    for (int left = 0; left < 60; left += left < 20 ? 1 : 5) {
        struct image *im = image_copy(base);
        struct fs *fs = image_mount(im, 128);
        struct outcome o = { .allowed = -ENOSPC };
        struct fs_statfs st;
        struct vnode *vn;
        CHECK(do_create(fs, "filler", &vn) == 0);
        uint64_t at = 0;
        while (fs_write(vn, at, data, 1024) == 1024)
            at += 1024;
        CHECK(fs_truncate(vn, at - (uint64_t)left * 1024) == 0);
        vnode_put(vn);
        fs_statfs(fs, &st);
        workload(fs, &o);
        CHECK(o.unexpected == 0 && (o.errors > 0 || left > 30) && as_expected(fs, &o), "%d left",
              left);
        CHECK(fs_unmount(fs) == 0 && image_is_clean(im), "%d left", left);
        image_free(im);
    }
}

/* ---- Damage and power cuts ----------------------------------------------------------------- */

static struct image *furnished(const char *options)
{
    char with[200];
    CHECK(make_furniture(500) == 0);
    snprintf(with, sizeof with, "%s -N 400 -d in", options);
    return image_mke2fs(with, 1500);
}

static void damage(struct image *im, unsigned bs)
{
    uint64_t blocks = im->bytes / bs;
    uint64_t block = check_random() % (check_random() % 3 ? 90 : blocks);
    uint8_t *at = im->data + block * bs;
    switch (check_random() % 4) {
    case 0:
        for (unsigned i = 0; i < bs; i++)
            at[i] = (uint8_t)(check_random() >> 20);
        break;
    case 1: memset(at, check_random() % 2 ? 0 : 0xFF, bs); break;
    case 2:
        for (int i = 0; i < 8; i++)
            at[check_random() % bs] ^= (uint8_t)(1u << check_random() % 8);
        break;
    default:
        for (int i = 0; i < 4; i++) {
            uint32_t v = (uint32_t)(check_random() % blocks);
            memcpy(at + check_random() % bs / 4 * 4, &v, 4);
        }
    }
}

static void test_damage(int rounds)
{
    struct image *base[2] = { furnished("-t ext2 -b 1024"), furnished("-t ext2 -b 4096") };
    for (int i = 0; i < rounds; i++) {
        struct image *im = image_copy(base[i % 2]);
        uint64_t seed = check_seed;
        damage(im, i % 2 ? 4096 : 1024);
        if (check_random() % 2)
            im->data[1024 + 58] = 0; /* not clean: the check at mount has to cope with it too */
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        alarm(30);
        use_anyhow(im);
        alarm(0);
        clock_gettime(CLOCK_MONOTONIC, &b);
        CHECK(b.tv_sec - a.tv_sec < 5, "seed %#llx", (unsigned long long)seed);
        image_free(im);
    }
    image_free(base[0]);
    image_free(base[1]);
}

/*
 * The power is cut after the n-th write. What is left mounts, writable only where that is safe:
 * then all works, and e2fsck finds nothing worse than what it may find. e2fsck repairs every state.
 */
static void test_power_cuts(struct image *base, int stride)
{
    long clean = 0, writable = 0, read_only = 0;
    for (long n = 0; n < 500; n += stride) {
        struct image *im = image_copy(base);
        struct outcome o = { .allowed = -EIO };
        im->fail_write = n + 1;
        im->fail_on = true;
        im->fail_err = -EIO;
        struct fs *fs = image_mount(im, 128);
        workload(fs, &o);
        fs_unmount(fs);
        bool end = im->writes <= n;
        im->fail_write = 0;
        image_save(im, "image");
        clean += run("e2fsck -fn image") == 0;
        CHECK(run("e2fsck -fy image") <= 1 && run("e2fsck -fn image") == 0, "after write %ld", n);
        fs = image_mount(im, 128);
        CHECK(fs, "after write %ld: %s", n, image_reason);
        if (fs && !fs_read_only(fs)) {
            struct outcome again = { .allowed = -EEXIST };
            writable++;
            workload(fs, &again);
            CHECK(again.unexpected == 0 && !strstr(image_messages, "damaged"), "%ld: %s", n,
                  image_messages);
        } else {
            read_only++;
        }
        fs_unmount(fs);
        image_free(im);
        if (end)
            break;
    }
    printf("power cuts: %ld states clean; mounted writable %ld, read-only %ld\n", clean, writable,
           read_only);
    CHECK(writable > 0);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 200;
    image_enter();
    struct image *base = image_mke2fs("-t ext2 -b 1024 -N 64", 600);
    test_requests(base, true, false, -EIO);
    test_requests(base, true, false, -ENOSPC);
    test_requests(base, false, false, -EIO);
    test_requests(base, true, true, -EIO);
    test_memory(base);
    test_full(base);
    test_power_cuts(base, rounds > 200 ? 1 : 3);
    image_free(base);
    test_damage(rounds);
    return check_done("ext2 faults");
}
