/*
 * Finding files in the mapped initrd (cpio, newc format) without a file server: for svcman, which
 * starts fsd from it, and for test programs. fsd's cpiofs.c shows the same archive as /boot.
 *
 * The archive is untrusted text: every length is checked against what is left of it.
 */
#ifndef SERVICES_INITRD_H
#define SERVICES_INITRD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct initrd {
    const char *data;
    size_t size;
};

/* One file of it; name is terminated, everything points into the archive. */
struct initrd_file {
    const char *name;
    const char *data;
    size_t size;
};

enum { INITRD_HEADER = 110, INITRD_FIELDS = 13, INITRD_FILESIZE = 6, INITRD_NAMESIZE = 11 };

/* Field number `n` of a newc header: eight hexadecimal digits after the magic. */
static inline bool initrd_field(const char *header, unsigned n, uint32_t *out)
{
    const char *digits = header + 6 + 8 * n;

    *out = 0;
    for (unsigned i = 0; i < 8; i++) {
        char c = digits[i];
        unsigned d;

        if (c >= '0' && c <= '9')
            d = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            d = (unsigned)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            d = (unsigned)(c - 'A' + 10);
        else
            return false;
        *out = *out << 4 | d;
    }
    return true;
}

/*
 * The entry at *at, which moves to the next one. False at the archive's end, or where it is damaged.
 * Start with *at = 0. Directories come too, with size 0.
 */
static inline bool initrd_next(const struct initrd *rd, size_t *at, struct initrd_file *file)
{
    size_t left = *at <= rd->size ? rd->size - *at : 0;
    const char *header = rd->data + *at;
    uint32_t name_size, file_size;
    size_t name_end, file_end;

    if (left < INITRD_HEADER || memcmp(header, "07070", 5) != 0 ||
        !initrd_field(header, INITRD_FILESIZE, &file_size) ||
        !initrd_field(header, INITRD_NAMESIZE, &name_size))
        return false;
    name_end = ((size_t)INITRD_HEADER + name_size + 3) & ~(size_t)3;
    file_end = name_end + file_size;
    if (name_size == 0 || file_end > left || header[INITRD_HEADER + name_size - 1] != '\0' ||
        strcmp(header + INITRD_HEADER, "TRAILER!!!") == 0)
        return false;
    file->name = header + INITRD_HEADER;
    file->data = header + name_end;
    file->size = file_size;
    *at += (file_end + 3) & ~(size_t)3;
    return true;
}

/* The file of this name, "bin/sh". False: there is none. */
static inline bool initrd_find(const struct initrd *rd, const char *name, struct initrd_file *file)
{
    size_t at = 0;

    while (initrd_next(rd, &at, file)) {
        if (strcmp(file->name, name) == 0)
            return true;
    }
    return false;
}

#endif
