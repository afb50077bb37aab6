/* Trees of files: making one from a package, removing one. Complaints go to standard error. */
#ifndef PKG_TREE_H
#define PKG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "package.h"

#define TREE_PATH_MAX 1024 /* bytes of a path here, NUL included */

/* "DIR/NAME" in path (TREE_PATH_MAX bytes); false with errno ENAMETOOLONG if it does not fit. */
bool tree_path(char *path, const char *dir, const char *name);

/* Writes a new file; on false errno says why, and there may be a part of it. */
bool tree_write(const char *path, const void *data, size_t size);

/* Unpacks all entries of a package into dir, which is there and empty. On false it holds some of them. */
bool tree_unpack(struct package *p, const char *dir);

/* Removes a file or a folder with all in it. What is not there is no error. On false errno says why. */
bool tree_remove(const char *path);

#endif
