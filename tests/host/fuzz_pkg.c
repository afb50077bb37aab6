/*
 * libFuzzer target for the package reader. Each input is tried as it is, and once more with magic, sizes and hash mended: they would turn
 * every mutation away at the door, and what lies behind it gets no attention. What is accepted must be harmless.
 * SOURCES: apps/pkg/package.c apps/pkg/manifest.c lib/sha256.c    FLAGS: -idirafter lib
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/host/pkg_source.h"

#define HASH_AT 32
#define HEADER  64
#define ENTRIES 64 /* more than fit into an input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Make magic, sizes and hash fit, leaving the rest to the mutations. */
static void mend(uint8_t *data, size_t size)
{
    struct sha256 h;
    uint64_t manifest = (uint64_t)data[12] | (uint64_t)data[13] << 8;
    uint64_t payload = size - HEADER;

    memcpy(data, "rugopkg\n\0\0\0\0", 12);
    memset(data + 14, 0, 18);
    if (manifest > payload)
        manifest = payload;
    data[12] = (uint8_t)manifest;
    data[13] = (uint8_t)(manifest >> 8);
    payload -= manifest;
    for (int i = 0; i < 8; i++)
        data[16 + i] = (uint8_t)(payload >> (8 * i));
    sha256_begin(&h);
    sha256_add(&h, data, HASH_AT);
    sha256_add(&h, data + HEADER, size - HEADER);
    sha256_end(&h, data + HASH_AT);
}

static void require(int fact, const char *what)
{
    if (!fact) {
        fprintf(stderr, "accepted a package with %s\n", what);
        abort();
    }
}

/* An accepted entry can't reach outside, said in other words than the reader's own. */
static void check_entry(struct package *p, const struct package_entry *e)
{
    char framed[PACKAGE_PATH_MAX + 3];
    uint8_t byte;

    snprintf(framed, sizeof(framed), "/%s/", e->path);
    require(!strstr(framed, "//") && !strstr(framed, "/../") && !strstr(framed, "/./"),
            "a wild path");
    require(strcmp(e->path, "pkg.conf") != 0, "pkg.conf");
    require(e->mode <= 0777, "odd rights");
    require(e->kind != PACKAGE_LINK || (e->target[0] && e->target[0] != '/'), "a wild link");
    require(e->data <= p->source.size && e->size <= p->source.size - e->data,
            "a file past the end");
    if (e->size > 0)
        require(package_read(p, e, e->size - 1, &byte, 1) == 0, "an unreadable byte");
}

/* What came before, compared with everything: no name twice, and each in a folder of the package. */
static void check_place_of(const struct package_entry *all, size_t n, const struct package_entry *e)
{
    const char *slash = strrchr(e->path, '/');
    size_t folder = slash ? (size_t)(slash - e->path) : 0;
    int housed = folder == 0;

    for (size_t i = 0; i < n; i++) {
        require(strcmp(all[i].path, e->path) != 0, "a name twice");
        if (strlen(all[i].path) == folder && memcmp(all[i].path, e->path, folder) == 0)
            housed = all[i].kind == PACKAGE_FOLDER;
    }
    require(housed, "a file without its folder");
}

static void walk(struct package *p)
{
    static struct package_entry all[ENTRIES];
    struct package_entry e = { 0 };
    uint64_t entries = 0;
    int st;

    while ((st = package_next(p, &e)) > 0) {
        check_entry(p, &e);
        check_place_of(all, entries, &e);
        if (entries < ENTRIES)
            all[entries] = e;
        entries++;
    }
    require(st == 0 && entries == p->entries, "entries that come and go");
    require(manifest_name_ok(p->manifest.name) && manifest_name_ok(p->manifest.version),
            "a bad name");
}

static void try_package(const uint8_t *data, size_t size)
{
    static struct package p;
    struct memory memory = { data, size };
    struct package_source source = source_of(&memory);

    if (package_open(&p, &source))
        walk(&p);
    else
        require(p.problem[0] != 0, "no reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    try_package(data, size);
    if (size < HEADER)
        return 0;
    copy = malloc(size);
    memcpy(copy, data, size);
    mend(copy, size);
    try_package(copy, size);
    free(copy);
    return 0;
}
