/* Paths to vnodes (walk.h). */
#include "services/fsd/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINKS_MAX = 40,                 /* symbolic links followed in one path, as in Linux */
    TEXT_MAX = 8192,                /* bytes of an expanded path */
};

struct mounts mounts;

/* State of a walk that has not arrived. */
struct way {
    struct vnode *top;              /* borrowed */
    struct vnode *at;               /* where we are: a reference of ours */
    const char *rest;               /* what is still to go */
    char *text;                     /* buffer of `rest` once a link was followed, else NULL */
    unsigned links;
};

static bool is_dir(const struct vnode *vn)
{
    return vnode_type(vn) == FS_IFDIR;
}

static bool is_mount_name(const struct vnode *dir, const char *name, size_t len)
{
    return dir == mounts.root_vn && mounts.boot_vn != NULL && len == strlen(MOUNT_NAME) &&
           memcmp(name, MOUNT_NAME, len) == 0;
}

bool walk_is_mount(const struct walk *w)
{
    return is_mount_name(w->dir, w->name, w->len);
}

static int step_down(struct vnode *dir, const char *name, size_t len, struct vnode **out)
{
    if (is_mount_name(dir, name, len)) {
        *out = vnode_get(mounts.boot_vn);
        return 0;
    }
    return fs_lookup(dir, name, len, out);
}

static int step_up(const struct way *way, struct vnode **out)
{
    if (way->at == way->top) {
        *out = vnode_get(way->top);
        return 0;
    }
    if (way->at == mounts.boot_vn) {
        *out = vnode_get(mounts.root_vn);
        return 0;
    }
    return fs_lookup(way->at, "..", 2, out);
}

static void move_to(struct way *way, struct vnode *vn)
{
    vnode_put(way->at);
    way->at = vn;
}

/* Go on with the target of `link`, then with `next`; `slash` says that a slash stood between. */
static int follow(struct way *way, struct vnode *link, const char *next, bool slash)
{
    size_t next_len = strlen(next);
    char *text;
    int64_t n;

    if (++way->links > LINKS_MAX)
        return -ELOOP;
    text = malloc(TEXT_MAX);
    if (text == NULL)
        return -ENOMEM;
    n = fs_readlink(link, text, TEXT_MAX);
    if (n <= 0 || (size_t)n + next_len + 2 > TEXT_MAX) {
        free(text);
        if (n > 0)
            return -ENAMETOOLONG;
        return n == 0 ? -ENOENT : (int)n;
    }
    if (slash)
        text[n++] = '/';
    memcpy(text + n, next, next_len + 1);
    free(way->text);
    way->text = text;
    way->rest = text;
    if (text[0] == '/')
        move_to(way, vnode_get(way->top));
    return 0;
}

/* The way has ended at way->at itself. */
static int arrive_here(struct way *way, struct walk *w)
{
    if (!is_dir(way->at))
        return -ENOTDIR;
    w->dir = vnode_get(way->at);
    w->vn = vnode_get(way->at);
    w->name = "";
    w->len = 0;
    return 0;
}

/* One component, of `len` bytes at way->rest. 1: arrived, 0: go on. */
static int step(struct way *way, struct walk *w, size_t len, unsigned flags)
{
    const char *name = way->rest, *next = name + len;
    struct vnode *vn = NULL;
    bool last;
    int st;

    while (*next == '/')
        next++;
    last = *next == '\0';
    w->slash = next > name + len;
    if (len > FS_NAME_MAX)
        return -ENAMETOOLONG;
    if (!is_dir(way->at))
        return -ENOTDIR;
    if (len == 1 && name[0] == '.') {
        way->rest = next;
        return 0;
    }
    if (len == 2 && name[0] == '.' && name[1] == '.') {
        st = step_up(way, &vn);
        if (st == 0) {
            move_to(way, vn);
            way->rest = next;
        }
        return st;
    }
    st = step_down(way->at, name, len, &vn);
    if (st == -ENOENT && last && (flags & WALK_MISSING_OK) != 0)
        vn = NULL;
    else if (st != 0)
        return st;
    if (vn != NULL && vnode_type(vn) == FS_IFLNK &&
        (!last || w->slash || (flags & WALK_NOFOLLOW) == 0)) {
        st = follow(way, vn, next, w->slash);
        vnode_put(vn);
        return st;
    }
    if (!last) {
        move_to(way, vn);
        way->rest = next;
        return 0;
    }
    w->dir = vnode_get(way->at);
    w->vn = vn;
    w->name = name;
    w->len = len;
    return 1;
}

int walk_path(struct walk *w, struct vnode *top, const char *path, unsigned flags)
{
    struct way way = { .top = top, .at = vnode_get(top), .rest = path };
    int st = path[0] == '\0' ? -ENOENT : 0;

    *w = (struct walk){ .vn = NULL };
    while (st == 0) {
        size_t len;

        while (*way.rest == '/')
            way.rest++;
        len = strcspn(way.rest, "/");
        if (len == 0) {
            st = arrive_here(&way, w);
            break;
        }
        st = step(&way, w, len, flags);
    }
    vnode_put(way.at);
    w->text = way.text;
    if (st >= 0 && w->slash && w->vn != NULL && !is_dir(w->vn))
        st = -ENOTDIR;
    if (st < 0) {
        walk_end(w);
        return st;
    }
    return 0;
}

void walk_end(struct walk *w)
{
    vnode_put(w->vn);
    vnode_put(w->dir);
    free(w->text);
    *w = (struct walk){ .vn = NULL };
}
