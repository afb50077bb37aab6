/* Paths as strings; the contract is in path.h. */
#include "path.h"

#include <errno.h>
#include <string.h>

bool path_next(const char **path, const char *end, const char **name, size_t *len)
{
    const char *p = *path;
    while (p < end && *p == '/')
        p++;
    *name = p;
    while (p < end && *p != '/')
        p++;
    *path = p;
    *len = (size_t)(p - *name);
    return *len > 0;
}

bool path_at_end(const char *path, const char *end)
{
    while (path < end && *path == '/')
        path++;
    return path == end;
}

/* Put the components of `path` behind the *used bytes that are in `out` already. */
static int append(const char *path, char *out, size_t size, size_t *used)
{
    const char *end = path + strlen(path), *name;
    size_t len;
    while (path_next(&path, end, &name, &len)) {
        if (len == 1 && name[0] == '.')
            continue;
        if (len == 2 && name[0] == '.' && name[1] == '.') {
            while (*used > 0 && out[--*used] != '/')
                ;
            continue;
        }
        if (len + 2 > size - *used)
            return -ENAMETOOLONG;
        out[(*used)++] = '/';
        memcpy(out + *used, name, len);
        *used += len;
    }
    return 0;
}

int path_normalise(const char *cwd, const char *path, char *out, size_t size)
{
    size_t used = 0;
    if (size < 2)
        return -ENAMETOOLONG;
    if (path[0] != '/') {
        if (cwd[0] != '/')
            return -EINVAL;
        int err = append(cwd, out, size, &used);
        if (err)
            return err;
    }
    int err = append(path, out, size, &used);
    if (err)
        return err;
    if (used == 0)
        out[used++] = '/';
    out[used] = '\0';
    return (int)used;
}
