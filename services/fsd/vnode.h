/*
 * What stands behind fs.h: the parts that every file system type shares, and what a type provides.
 *
 * fs.c checks arguments (names, types of vnodes, read-only) and owns the table of vnodes; a type
 * finds its arguments valid. A type embeds struct fs and struct vnode at the start of its own.
 */
#ifndef FSD_VNODE_H
#define FSD_VNODE_H

#include "fs.h"

struct fs_ops {
    const char *type;
    size_t vnode_size;          /* of the type's own structure around struct vnode */

    /* Fill a new vnode (mode, and the type's own part) from vn->ino. May suspend. */
    int (*load)(struct vnode *vn);
    void (*release)(struct vnode *vn);              /* free what load and use have attached */
    int (*reap)(struct vnode *vn);                  /* free a removed file on the disk */

    void (*unmount)(struct fs *fs, int *status);    /* write back and free fs, not the vnodes */
    int (*sync)(struct fs *fs);
    int (*settle)(struct fs *fs);
    int (*statfs)(struct fs *fs, struct fs_statfs *out);
    size_t (*dirty_bytes)(const struct fs *fs);

    int64_t (*read)(struct vnode *vn, uint64_t offset, void *buf, size_t len);
    int64_t (*write)(struct vnode *vn, uint64_t offset, const void *buf, size_t len);
    int (*truncate)(struct vnode *vn, uint64_t size);
    int (*stat)(struct vnode *vn, struct fs_stat *out);
    int (*setattr)(struct vnode *vn, unsigned which, const struct fs_attr *attr);
    int64_t (*readlink)(struct vnode *vn, char *buf, size_t size);

    int (*lookup)(struct vnode *dir, const char *name, size_t len, uint64_t *ino);
    int (*readdir)(struct vnode *dir, uint64_t *pos, fs_dirent_fn emit, void *arg);
    /* create, mkdir and symlink in one: the type is in `mode`; target only for FS_IFLNK */
    int (*create)(struct vnode *dir, const char *name, size_t len, uint32_t mode,
                  const char *target, size_t target_len, struct vnode **out);
    int (*link)(struct vnode *dir, const char *name, size_t len, struct vnode *vn);
    int (*unlink)(struct vnode *dir, const char *name, size_t len, bool directory);
    int (*rename)(struct vnode *odir, const char *oname, size_t olen, struct vnode *ndir,
                  const char *nname, size_t nlen, unsigned flags);
};

enum vnode_state { VNODE_LOADING, VNODE_READY, VNODE_FAILED };

struct vnode {
    struct fs *fs;
    uint64_t ino;
    uint32_t mode;              /* type and permission bits */
    uint32_t refs;              /* 0: kept for its own sake, on the idle list */
    uint8_t state;              /* enum vnode_state */
    bool hashed;                /* can be found by number */
    bool removed;               /* no name is left: reap when the last reference goes */
    int error;                  /* VNODE_FAILED: of load() */
    struct vnode *hash_next;
    struct vnode *prev, *next;  /* idle list, or the list of vnodes to reap */
};

struct vnode_list {
    struct vnode *first, *last;
};

enum { VNODE_HASH = 256, VNODE_IDLE_MAX = 512 };

struct fs {
    const struct fs_ops *ops;
    struct fs_env env;
    uint64_t root_ino;
    bool read_only;
    struct vnode *hash[VNODE_HASH];
    struct vnode_list idle;     /* no references, most recently used first */
    struct vnode_list removed;  /* no references and no names: waiting for fs_reap() */
    unsigned nidle;
};

/* Prepare the shared part of a new file system (zeroed by the caller). */
void fs_init(struct fs *fs, const struct fs_ops *ops, const struct fs_env *env);

/* The vnode of a number, loaded, with a reference. May suspend. Errors are load()'s, or -ENOMEM. */
int vnode_find(struct fs *fs, uint64_t ino, struct vnode **out);

/*
 * A vnode for a file that is just being made: zeroed but for its number, ready, with a reference.
 * -EEXIST: there is one of that number. vnode_discard() takes it back if the making fails.
 */
int vnode_make(struct fs *fs, uint64_t ino, struct vnode **out);
void vnode_discard(struct vnode *vn);

/* Idle vnodes are forgotten, the least recently used first, until `keep` are left. */
void vnode_trim(struct fs *fs, unsigned keep);

/* One line for the console. */
void fs_message(const struct fs *fs, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct fs_time fs_now(const struct fs *fs);

#endif
