/*
 * Packages, as docs/pkg_v0.md describes them, read from anywhere and believed in nothing. Pure: no system calls, no memory
 * but what it is given; compiled for the host as well (tests, fuzzer).
 *
 * package_open looks at every byte: hash, manifest and each entry of the payload. Only what it let through may be
 * unpacked. package_next checks each entry again whenever it is asked, so a source that changes its bytes
 * meanwhile gains nothing but a refusal.
 */
#ifndef PKG_PACKAGE_H
#define PKG_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <rugo/sha256.h>

#include "manifest.h"

#define PACKAGE_PATH_MAX   511 /* bytes of an entry's path */
#define PACKAGE_TARGET_MAX 255 /* bytes of a symbolic link's target */

/* Where the bytes of a package come from. */
struct package_source {
    /* Stores bytes offset ... offset + len - 1, all of them, in buf. 0, or a negative errno. Never asked past size. */
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t len);
    void *ctx;
    uint64_t size;
};

/* A package that is being looked at. */
struct package {
    struct package_source source;
    struct manifest manifest;
    char manifest_text[MANIFEST_MAX + 1]; /* as in the package, NUL-terminated */
    size_t manifest_size;
    uint8_t hash[SHA256_SIZE];
    uint64_t payload; /* offset of the payload; it ends where the source ends */
    uint64_t entries; /* files, folders and links */
    uint64_t bytes; /* of all files together */
    char problem[768]; /* why it was refused; safe to print */
    uint8_t buffer[8192]; /* for reading */
};

enum package_kind { PACKAGE_FILE, PACKAGE_FOLDER, PACKAGE_LINK };

/* One entry of the payload. */
struct package_entry {
    enum package_kind kind;
    uint32_t mode; /* permission bits, 0 ... 0777 */
    uint64_t size; /* bytes of a file */
    uint64_t data; /* where they are in the source */
    uint64_t next; /* where the next entry begins; 0 in an entry that is all zero */
    char
        path[PACKAGE_PATH_MAX + 1]; /* relative, below the package's folder, without "." and ".." */
    char target[PACKAGE_TARGET_MAX + 1];
};

/* Verifies the whole package and fills *p. On false p->problem says why not. */
bool package_open(struct package *p, const struct package_source *source);

/*
 * Steps from *e (all zero: from the beginning) to the next entry; a folder comes before what is in it. 1, 0 at the end, or -1:
 * refused, p->problem says why. p needs no more than what package_open filled before it looked at the payload.
 */
int package_next(struct package *p, struct package_entry *e);

/* Reads a piece of a file's data; offset and len lie inside its size. 0, or a negative errno. */
int package_read(const struct package *p, const struct package_entry *e, uint64_t offset, void *buf,
                 size_t len);

#endif
