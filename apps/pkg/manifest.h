/*
 * The manifest of a package: lines `key = value`, which say what it is. Pure, as package.h.
 * The same text, with a `sha256` line added, lies beside an installed package's files as pkg.conf.
 */
#ifndef PKG_MANIFEST_H
#define PKG_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#define MANIFEST_MAX      4096 /* bytes of the text */
#define MANIFEST_NAME_MAX 32   /* of a package's and a program's name, and of a version */
#define MANIFEST_PROGRAMS 16   /* programs a package may have */
#define MANIFEST_HASH     64   /* hexadecimal digits of the hash */

struct manifest {
    char name[MANIFEST_NAME_MAX + 1];
    char version[MANIFEST_NAME_MAX + 1];
    char summary[129];
    unsigned nprograms;
    char program[MANIFEST_PROGRAMS][MANIFEST_NAME_MAX + 1]; /* each is the file bin/NAME */
    char sha256[MANIFEST_HASH + 1]; /* of the package it came from; empty in a package */
};

/*
 * Reads size bytes of text into *m. NULL, or what is wrong as a phrase; then *line is the number of the offending line, 0 if
 * it is about the whole.
 */
const char *manifest_parse(const char *text, size_t size, struct manifest *m, unsigned *line);

/* A name that packages and programs may have: letters, digits and `._+-`, the first a letter or digit. */
bool manifest_name_ok(const char *name);

#endif
