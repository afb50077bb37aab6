/* Files below the POSIX names: sessions of the `file` protocol, for services and the shell. */
#ifndef RUGO_FILE_H
#define RUGO_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <rugo/abi.h>

/*
 * Opens path as open(2) does, but gives a high handle (not a file descriptor) and a negative
 * errno. *kind (may be NULL): the S_IFMT bits of what was opened.
 */
int file_open_path(const char *path, uint32_t flags, uint32_t mode, handle_t *file, uint32_t *kind);

/* Reads a whole file into a new mapping: *data, *size bytes (data NULL for an empty file). Release
 * with file_unload. -EFBIG if it is larger than max bytes. */
int file_load(const char *path, size_t max, void **data, size_t *size);
void file_unload(void *data, size_t size);

/*
 * A file as a memory object that never changes: the protocol's `image`. The object is the caller's. -EFBIG or -ENOMEM: there is
 * none to be had, and the file must be read.
 */
struct file_image {
    handle_t object;
    uint32_t mode; /* type and permission bits */
    uint64_t size;
    char head[1024]; /* its beginning */
};
int file_image_path(const char *path, struct file_image *im);

/* Moves a handle into the file descriptor range, lowest free number not below `from`. The given
 * handle is closed, also on failure. The fd, or negative errno. */
int fd_place(handle_t h, int from);

/* Makes h (copied, the caller keeps it) the session on / that paths go through, in place of
 * START_ROOT; for a program that is given its root late. 0 or negative errno. */
int root_set(handle_t h);

#endif
