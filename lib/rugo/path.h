/* Paths as text. Pure: no calls, compiled for the host as well. */
#ifndef RUGO_PATH_H
#define RUGO_PATH_H

#include <stddef.h>

/*
 * dir and path made one absolute path: path alone if it begins with '/', else dir/path. With
 * clean, "." and "//" go, and ".." takes the name before it away (nothing above "/"); symbolic
 * links are not looked at. Without, they stay. 0, or -ENAMETOOLONG if out (size bytes) is too
 * small, -ENOENT for an empty path.
 */
int path_join(const char *dir, const char *path, int clean, char *out, size_t size);

/* The last component of a path ("/" for the root, trailing slashes ignored), in out (size bytes,
 * cut if needed). */
const char *path_last(const char *path, char *out, size_t size);

#endif
