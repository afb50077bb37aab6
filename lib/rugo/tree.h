/* What ls, cp, mv and rm share: names of a directory, paths below it, whole trees. */
#ifndef RUGO_TREE_H
#define RUGO_TREE_H

#include <stddef.h>

/*
 * The names in a directory without "." and "..", in byte order, as a NULL-terminated array; free
 * it with dir_names_free. NULL with errno set on failure. *n (may be NULL) is their number.
 */
char **dir_names(const char *path, size_t *n);
void dir_names_free(char **names);

/* "dir/name" in memory of its own (free it); ends the program when there is none. */
char *path_below(const char *dir, const char *name);

/* to, or to/LAST when `to` is a directory, in memory of its own: where cp, mv and ln put `from`. */
char *target_of(const char *from, const char *to);

/*
 * Copies a file, a symbolic link or (with recursive) a directory with all in it. Existing files
 * are overwritten. Each problem is told on standard error. The number of problems.
 */
int copy_tree(const char *from, const char *to, int recursive);

/* Removes a file, or (with recursive) a directory with all in it. force: nothing is said of what
 * is not there. The number of problems, each told on standard error. */
int remove_tree(const char *path, int recursive, int force);

#endif
