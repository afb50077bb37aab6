/* Paths as text. */
#include <rugo/path.h>

#include <errno.h>
#include <string.h>

struct builder {
    char *out;
    size_t size;
    size_t len;
};

/* Appends "/name"; -1 when it does not fit. */
static int append(struct builder *b, const char *name, size_t n)
{
    if (n + 2 > b->size - b->len)
        return -1;
    b->out[b->len++] = '/';
    memcpy(b->out + b->len, name, n);
    b->len += n;
    return 0;
}

static void drop_last(struct builder *b)
{
    while (b->len > 0 && b->out[--b->len] != '/')
        ;
}

static int append_clean(struct builder *b, const char *path)
{
    while (*path != '\0') {
        size_t n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.')
            drop_last(b);
        else if (n > 0 && !(n == 1 && path[0] == '.') && append(b, path, n) != 0)
            return -1;
        path += n + (path[n] == '/');
    }
    return 0;
}

static int append_as_is(struct builder *b, const char *path)
{
    while (*path == '/')
        path++;
    return append(b, path, strlen(path));
}

int path_join(const char *dir, const char *path, int clean, char *out, size_t size)
{
    struct builder b = { out, size, 0 };
    int (*add)(struct builder *, const char *) = clean ? append_clean : append_as_is;

    if (*path == '\0')
        return -ENOENT;
    if (size < 2)
        return -ENAMETOOLONG;
    if (*path != '/' && add(&b, dir) != 0)
        return -ENAMETOOLONG;
    if (b.len > 0 && b.out[b.len - 1] == '/')
        b.len--;
    if (add(&b, path) != 0)
        return -ENAMETOOLONG;
    if (b.len == 0)
        b.out[b.len++] = '/';
    b.out[b.len] = '\0';
    return 0;
}

const char *path_last(const char *path, char *out, size_t size)
{
    size_t end = strlen(path), start;

    while (end > 1 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--)
        ;
    if (start == end && end > 0)
        start = end - 1;
    if (end - start >= size)
        end = start + size - 1;
    memcpy(out, path + start, end - start);
    out[end - start] = '\0';
    return out;
}
