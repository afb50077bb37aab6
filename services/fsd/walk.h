/*
 * Paths: from a directory and a text to vnodes, over symbolic links and into the mounted initrd.
 */
#ifndef FSD_WALK_H
#define FSD_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "services/fsd/fiber.h"
#include "services/fsd/fs.h"

/*
 * All that is mounted: `/`, and in it the initrd as the directory `boot`, whether or not the disk
 * has such a name. The initrd never changes and never suspends, so it needs no holds: `lock` is
 * the hold (fs.h) on the root file system, and whoever walks has it.
 */
struct mounts {
    struct fs *root, *boot;             /* boot: NULL if there is none */
    struct vnode *root_vn, *boot_vn;    /* their roots, one reference each */
    struct fiber_rwlock lock;
};
extern struct mounts mounts;

#define MOUNT_NAME "boot"

enum {
    WALK_NOFOLLOW = 1,              /* a symbolic link as the last component is what is meant */
    WALK_MISSING_OK = 2,            /* the last component need not exist */
};

/* Where a path leads. The holder of one calls walk_end(). */
struct walk {
    struct vnode *vn;               /* what it names; NULL: nothing (WALK_MISSING_OK) */
    struct vnode *dir;              /* the directory that has it */
    const char *name;               /* under this name */
    size_t len;                     /* 0: the path ends in "/", "." or "..": only vn counts */
    bool slash;                     /* a slash follows the name: a directory is meant */
    char *text;                     /* buffer of expanded links, owned */
};

/*
 * Follow `path` from the directory `top`, which it cannot leave: a leading slash, an absolute link
 * and ".." above it all mean `top` itself. Needs at least the shared hold. `path` must stay while *w
 * is used. Returns 0 or -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -ENOMEM, -EIO, -EUCLEAN; then
 * there is nothing to end.
 */
int walk_path(struct walk *w, struct vnode *top, const char *path, unsigned flags);
void walk_end(struct walk *w);

/* Whether the name is that of the mounted initrd: it can't be made, removed or renamed. */
bool walk_is_mount(const struct walk *w);

#endif
