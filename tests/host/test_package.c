/*
 * The package reader alone: a small package is accepted as it is, and with any bit of any byte flipped, cut at any place or
 * made longer it is refused; a source that fails or changes is noticed.
 * SOURCES: apps/pkg/package.c apps/pkg/manifest.c lib/sha256.c    FLAGS: -idirafter lib
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/host/pkg_source.h"

static uint8_t image[4096];
static size_t image_size;

/* ---- a writer of just what the test needs ---- */

static void put(const void *data, size_t size)
{
    memcpy(image + image_size, data, size);
    image_size += size;
}

static void put_entry(size_t archive, const char *path, unsigned mode, const char *data)
{
    char header[128];
    unsigned size = (unsigned)strlen(data);

    snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
             1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, (unsigned)strlen(path) + 1, 0);
    put(header, 110);
    put(path, strlen(path) + 1);
    while ((image_size - archive) % 4)
        put("", 1);
    put(data, size);
    while ((image_size - archive) % 4)
        put("", 1);
}

static void seal(size_t manifest_size)
{
    struct sha256 h;
    uint64_t payload = image_size - 64 - manifest_size;

    memcpy(image, "rugopkg\n", 8);
    image[12] = (uint8_t)manifest_size;
    image[16] = (uint8_t)payload;
    image[17] = (uint8_t)(payload >> 8);
    sha256_begin(&h);
    sha256_add(&h, image, 32);
    sha256_add(&h, image + 64, image_size - 64);
    sha256_end(&h, image + 32);
}

static void make_package(void)
{
    static const char manifest[] = "name = toy\nversion = 1.0\nprogram = toy\n";

    image_size = 64;
    put(manifest, sizeof(manifest) - 1);
    size_t archive = image_size;
    put_entry(archive, "bin", 0040755, "");
    put_entry(archive, "bin/toy", 0100755, "program");
    put_entry(archive, "link", 0120777, "bin/toy");
    put_entry(archive, "TRAILER!!!", 0, "");
    seal(sizeof(manifest) - 1);
}

/* ---- tests ---- */

/* In memory that ends where the package ends, so that the sanitizer sees a byte too much. */
static bool accepted(const uint8_t *data, size_t size)
{
    static struct package p;
    uint8_t *exact = malloc(size ? size : 1);
    struct memory memory = { exact, size };

    memcpy(exact, data, size);
    struct package_source source = source_of(&memory);
    bool good = package_open(&p, &source);
    assert(good || p.problem[0]);
    free(exact);
    return good;
}

static void test_good(void)
{
    static struct package p;
    struct memory memory = { image, image_size };
    struct package_source source = source_of(&memory);
    struct package_entry e = { 0 };

    assert(package_open(&p, &source) && p.entries == 3 && p.bytes == 7);
    assert(strcmp(p.manifest.name, "toy") == 0 && strcmp(p.manifest.version, "1.0") == 0);
    assert(package_next(&p, &e) == 1 && e.kind == PACKAGE_FOLDER && strcmp(e.path, "bin") == 0 &&
           e.mode == 0755);
    assert(package_next(&p, &e) == 1 && e.kind == PACKAGE_FILE && e.size == 7);
    assert(memcmp(image + e.data, "program", 7) == 0);
    assert(package_next(&p, &e) == 1 && e.kind == PACKAGE_LINK && strcmp(e.target, "bin/toy") == 0);
    assert(package_next(&p, &e) == 0);
}

static void test_each_flipped_bit(void)
{
    for (size_t at = 0; at < image_size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            image[at] ^= (uint8_t)(1u << bit);
            assert(!accepted(image, image_size));
            image[at] ^= (uint8_t)(1u << bit);
        }
    }
}

static void test_each_length(void)
{
    for (size_t size = 0; size < image_size; size++)
        assert(!accepted(image, size));
    for (size_t more = 1; more < 40; more++)
        assert(!accepted(image, image_size + more));
    assert(accepted(image, image_size));
}

/* Fails at the n-th read, or from then on gives other bytes. */
struct bad_source {
    unsigned left;
    int error;
};

static int read_badly(void *ctx, uint64_t offset, void *buf, size_t len)
{
    struct bad_source *bad = ctx;

    memcpy(buf, image + offset, len);
    if (bad->left > 0) {
        bad->left--;
        return 0;
    }
    memset(buf, 0xa5, len);
    return bad->error;
}

static void test_bad_sources(void)
{
    static struct package p;

    for (unsigned n = 0;; n++) {
        struct bad_source bad = { n, -EIO };
        struct package_source source = { read_badly, &bad, image_size };
        if (package_open(&p, &source))
            break;
        assert(strstr(p.problem, "can't be read") && n < 100);
        bad = (struct bad_source){ n, 0 };
        assert(!package_open(&p, &source) && p.problem[0]);
    }
}

/* The file turns into another one between the check and the unpacking. */
static void test_change_after_open(void)
{
    static struct package p;
    struct memory memory = { image, image_size };
    struct package_source source = source_of(&memory);
    struct package_entry e = { 0 };
    uint8_t *name = memmem(image, image_size, "bin/toy", 8);

    assert(package_open(&p, &source));
    memcpy(name, "../toys", 7);
    assert(package_next(&p, &e) == 1 && package_next(&p, &e) == -1);
    assert(strstr(p.problem, "leaves the package"));
    memcpy(name, "bin/toy", 7);
}

int main(void)
{
    make_package();
    test_good();
    test_each_flipped_bit();
    test_each_length();
    test_bad_sources();
    test_change_after_open();
    printf("package: ok, %zu bytes, each bit flipped\n", image_size);
    return 0;
}
