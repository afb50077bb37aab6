/* Paths as strings; nothing here looks at a file system. */
#ifndef FSD_PATH_H
#define FSD_PATH_H

#include <stdbool.h>
#include <stddef.h>

enum { PATH_SIZE_MAX = 4096 };      /* bytes of a path with its NUL, as in Linux */

/*
 * The next component of the path in [*path, end): its start in *name, its length in *len; *path
 * moves behind it. Slashes are skipped. False when none is left.
 */
bool path_next(const char **path, const char *end, const char **name, size_t *len);

/* Nothing but slashes left: the component before was the last one. */
bool path_at_end(const char *path, const char *end);

/*
 * The absolute path that `path` means when the current directory is `cwd` (absolute): without
 * ".", "..", and doubled slashes; ".." of "/" is "/". Symbolic links are not known here.
 * Writes at most `size` bytes with the NUL. Returns the length, or -ENAMETOOLONG, -EINVAL (cwd).
 */
int path_normalise(const char *cwd, const char *path, char *out, size_t size);

#endif
