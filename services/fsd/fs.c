/*
 * The calls of fs.h: arguments are checked here, once for all file system types; and the table of
 * vnodes, by which a file is in memory once however many have it open.
 *
 * Life of a vnode: loading -> ready, referenced -> idle (no reference, kept for the next one)
 * -> forgotten. One whose last name is gone goes from its last reference to the `removed` list
 * instead, and fs_reap() frees its blocks on the disk.
 */
#include "vnode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The table of vnodes ------------------------------------------------------------------- */

static void list_push(struct vnode_list *list, struct vnode *vn)
{
    vn->prev = NULL;
    vn->next = list->first;
    if (list->first)
        list->first->prev = vn;
    else
        list->last = vn;
    list->first = vn;
}

static void list_remove(struct vnode_list *list, struct vnode *vn)
{
    *(vn->prev ? &vn->prev->next : &list->first) = vn->next;
    *(vn->next ? &vn->next->prev : &list->last) = vn->prev;
    vn->prev = vn->next = NULL;
}

static struct vnode **hash_slot(struct fs *fs, uint64_t ino)
{
    return &fs->hash[(ino ^ (ino >> 8)) % VNODE_HASH];
}

static void hash_remove(struct vnode *vn)
{
    if (!vn->hashed)
        return;
    struct vnode **link = hash_slot(vn->fs, vn->ino);
    while (*link != vn)
        link = &(*link)->hash_next;
    *link = vn->hash_next;
    vn->hashed = false;
}

/* Forget a vnode that nobody refers to and that is on no list. */
static void vnode_free(struct vnode *vn)
{
    hash_remove(vn);
    if (vn->state == VNODE_READY)
        vn->fs->ops->release(vn);
    free(vn);
}

void vnode_trim(struct fs *fs, unsigned keep)
{
    while (fs->nidle > keep) {
        struct vnode *vn = fs->idle.last;
        list_remove(&fs->idle, vn);
        fs->nidle--;
        vnode_free(vn);
    }
}

static struct vnode *vnode_new(struct fs *fs, uint64_t ino)
{
    struct vnode *vn = calloc(1, fs->ops->vnode_size);
    if (!vn)
        return NULL;
    vn->fs = fs;
    vn->ino = ino;
    vn->refs = 1;
    vn->state = VNODE_LOADING;
    vn->hash_next = *hash_slot(fs, ino);
    *hash_slot(fs, ino) = vn;
    vn->hashed = true;
    return vn;
}

/* Load a new vnode; whoever asks for the same number meanwhile waits in vnode_found(). */
static int vnode_load(struct vnode *vn)
{
    struct fs *fs = vn->fs;
    int err = fs->ops->load(vn);
    vn->error = err;
    vn->state = err ? VNODE_FAILED : VNODE_READY;
    if (err)
        hash_remove(vn);
    if (fs->env.wake)
        fs->env.wake(fs->env.ctx, vn);
    if (err)
        vnode_put(vn);
    return err;
}

static int vnode_found(struct vnode *vn)
{
    vnode_get(vn);
    while (vn->state == VNODE_LOADING)
        vn->fs->env.wait(vn->fs->env.ctx, vn);
    int err = vn->state == VNODE_FAILED ? vn->error : 0;
    if (err)
        vnode_put(vn);
    return err;
}

static struct vnode *hash_find(struct fs *fs, uint64_t ino)
{
    struct vnode *vn = *hash_slot(fs, ino);
    while (vn && vn->ino != ino)
        vn = vn->hash_next;
    return vn;
}

int vnode_make(struct fs *fs, uint64_t ino, struct vnode **out)
{
    if (hash_find(fs, ino))
        return -EEXIST;
    struct vnode *vn = vnode_new(fs, ino);
    if (!vn)
        return -ENOMEM;
    vn->state = VNODE_READY;
    *out = vn;
    return 0;
}

void vnode_discard(struct vnode *vn)
{
    if (vn)
        vnode_free(vn);
}

int vnode_find(struct fs *fs, uint64_t ino, struct vnode **out)
{
    struct vnode *vn = hash_find(fs, ino);
    int err;
    if (vn) {
        err = vnode_found(vn);
    } else {
        vn = vnode_new(fs, ino);
        if (!vn)
            return -ENOMEM;
        err = vnode_load(vn);
    }
    if (!err)
        *out = vn;
    return err;
}

struct vnode *vnode_get(struct vnode *vn)
{
    if (vn->refs++ == 0) {
        struct fs *fs = vn->fs;
        if (vn->removed) {
            list_remove(&fs->removed, vn);
        } else {
            list_remove(&fs->idle, vn);
            fs->nidle--;
        }
    }
    return vn;
}

/* The last reference to a loaded vnode is gone: to the list where it belongs now. */
static void vnode_retire(struct vnode *vn)
{
    struct fs *fs = vn->fs;
    if (vn->removed) {
        list_push(&fs->removed, vn);
    } else {
        list_push(&fs->idle, vn);
        fs->nidle++;
    }
}

void vnode_put(struct vnode *vn)
{
    if (!vn || --vn->refs > 0)
        return;
    if (vn->state != VNODE_READY) {
        vnode_free(vn);
        return;
    }
    vnode_retire(vn);
    vnode_trim(vn->fs, VNODE_IDLE_MAX);
}

struct fs *vnode_fs(const struct vnode *vn)
{
    return vn->fs;
}

uint64_t vnode_ino(const struct vnode *vn)
{
    return vn->ino;
}

uint32_t vnode_type(const struct vnode *vn)
{
    return vn->mode & FS_IFMT;
}

/* ---- The mounted file system --------------------------------------------------------------- */

void fs_init(struct fs *fs, const struct fs_ops *ops, const struct fs_env *env)
{
    fs->ops = ops;
    if (env)
        fs->env = *env;
}

void fs_message(const struct fs *fs, const char *format, ...)
{
    if (!fs->env.message)
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fs->env.message(fs->env.ctx, text);
}

struct fs_time fs_now(const struct fs *fs)
{
    return fs->env.now ? fs->env.now(fs->env.ctx) : (struct fs_time){ 0, 0 };
}

const char *fs_type(const struct fs *fs)
{
    return fs->ops->type;
}

bool fs_read_only(const struct fs *fs)
{
    return fs->read_only;
}

struct vnode *fs_root(struct fs *fs)
{
    /* Mounting has loaded the root, and the file system holds a reference until unmount. */
    return vnode_get(hash_find(fs, fs->root_ino));
}

bool fs_reap_needed(const struct fs *fs)
{
    return fs->removed.first != NULL;
}

int fs_reap(struct fs *fs)
{
    while (fs->removed.first) {
        struct vnode *vn = fs->removed.first;
        int err = fs->read_only ? -EROFS : fs->ops->reap(vn);
        if (err && !fs->read_only)
            return err;         /* it stays on the list: the next call tries again */
        list_remove(&fs->removed, vn);
        vnode_free(vn);
        if (err)
            return err;
    }
    return 0;
}

/* Take back every reference that is still out. */
static void release_all(struct fs *fs)
{
    for (unsigned i = 0; i < VNODE_HASH; i++) {
        for (struct vnode *vn = fs->hash[i]; vn; vn = vn->hash_next) {
            if (vn->refs > 0) {
                vn->refs = 0;
                vnode_retire(vn);
            }
        }
    }
}

int fs_unmount(struct fs *fs)
{
    if (!fs)
        return 0;
    release_all(fs);
    int status = fs_reap(fs);
    while (fs->removed.first) {
        struct vnode *vn = fs->removed.first;
        list_remove(&fs->removed, vn);
        vnode_free(vn);
    }
    vnode_trim(fs, 0);
    fs->ops->unmount(fs, &status);
    return status;
}

int fs_settle(struct fs *fs)
{
    return fs->ops->settle(fs);
}

int fs_sync(struct fs *fs)
{
    return fs->ops->sync(fs);
}

size_t fs_dirty_bytes(const struct fs *fs)
{
    return fs->ops->dirty_bytes(fs);
}

int fs_statfs(struct fs *fs, struct fs_statfs *out)
{
    memset(out, 0, sizeof *out);
    int err = fs->ops->statfs(fs, out);
    out->read_only = fs->read_only;
    return err;
}

/* ---- Files --------------------------------------------------------------------------------- */

/* 0 if `vn` is a regular file; the error for what it is else. */
static int need_file(const struct vnode *vn)
{
    if (vnode_type(vn) == FS_IFREG)
        return 0;
    return vnode_type(vn) == FS_IFDIR ? -EISDIR : -EINVAL;
}

int64_t fs_read(struct vnode *vn, uint64_t offset, void *buf, size_t len)
{
    int err = need_file(vn);
    if (err)
        return err;
    if (len > INT32_MAX)
        len = INT32_MAX;
    return vn->fs->ops->read(vn, offset, buf, len);
}

int64_t fs_write(struct vnode *vn, uint64_t offset, const void *buf, size_t len)
{
    int err = need_file(vn);
    if (err)
        return err;
    if (vn->fs->read_only)
        return -EROFS;
    if (len > INT32_MAX)
        len = INT32_MAX;
    if (len == 0)
        return 0;
    return vn->fs->ops->write(vn, offset, buf, len);
}

int fs_truncate(struct vnode *vn, uint64_t size)
{
    int err = need_file(vn);
    if (err)
        return err;
    if (vn->fs->read_only)
        return -EROFS;
    return vn->fs->ops->truncate(vn, size);
}

int fs_stat(struct vnode *vn, struct fs_stat *out)
{
    memset(out, 0, sizeof *out);
    out->ino = vn->ino;
    out->mode = vn->mode;
    return vn->fs->ops->stat(vn, out);
}

int fs_setattr(struct vnode *vn, unsigned which, const struct fs_attr *attr)
{
    if (vn->fs->read_only)
        return -EROFS;
    if (((which & FS_SET_ATIME) && attr->atime.nsec > 999999999) ||
        ((which & FS_SET_MTIME) && attr->mtime.nsec > 999999999))
        return -EINVAL;
    return vn->fs->ops->setattr(vn, which, attr);
}

int64_t fs_readlink(struct vnode *vn, char *buf, size_t size)
{
    if (vnode_type(vn) != FS_IFLNK)
        return -EINVAL;
    return vn->fs->ops->readlink(vn, buf, size);
}

/* ---- Directories --------------------------------------------------------------------------- */

static bool is_dot(const char *name, size_t len)
{
    return len == 1 && name[0] == '.';
}

static bool is_dotdot(const char *name, size_t len)
{
    return len == 2 && name[0] == '.' && name[1] == '.';
}

static int check_name(const char *name, size_t len)
{
    if (len == 0)
        return -ENOENT;
    if (len > FS_NAME_MAX)
        return -ENAMETOOLONG;
    if (memchr(name, '/', len) || memchr(name, '\0', len))
        return -EINVAL;
    return 0;
}

static int check_lookup(const struct vnode *dir, const char *name, size_t len)
{
    if (vnode_type(dir) != FS_IFDIR)
        return -ENOTDIR;
    return check_name(name, len);
}

/* All that must hold before a directory is changed at `name`; `dots` is the error for "." and "..". */
static int check_change(const struct vnode *dir, const char *name, size_t len, int dots)
{
    int err = check_lookup(dir, name, len);
    if (err)
        return err;
    if (is_dot(name, len) || is_dotdot(name, len))
        return dots;
    return dir->fs->read_only ? -EROFS : 0;
}

int fs_lookup(struct vnode *dir, const char *name, size_t len, struct vnode **out)
{
    int err = check_lookup(dir, name, len);
    if (err)
        return err;
    if (is_dot(name, len) || (is_dotdot(name, len) && dir->ino == dir->fs->root_ino)) {
        *out = vnode_get(dir);
        return 0;
    }
    uint64_t ino;
    err = dir->fs->ops->lookup(dir, name, len, &ino);
    if (err)
        return err;
    return vnode_find(dir->fs, ino, out);
}

int fs_readdir(struct vnode *dir, uint64_t *pos, fs_dirent_fn emit, void *arg)
{
    if (vnode_type(dir) != FS_IFDIR)
        return -ENOTDIR;
    return dir->fs->ops->readdir(dir, pos, emit, arg);
}

static int create(struct vnode *dir, const char *name, size_t len, uint32_t mode,
                  const char *target, size_t target_len, struct vnode **out)
{
    int err = check_change(dir, name, len, -EEXIST);
    if (err)
        return err;
    if (dir->removed)
        return -ENOENT;
    struct vnode *vn;
    err = dir->fs->ops->create(dir, name, len, mode, target, target_len, &vn);
    if (err)
        return err;
    if (out)
        *out = vn;
    else
        vnode_put(vn);
    return 0;
}

int fs_create(struct vnode *dir, const char *name, size_t len, uint32_t mode, struct vnode **out)
{
    return create(dir, name, len, FS_IFREG | (mode & 07777), NULL, 0, out);
}

int fs_mkdir(struct vnode *dir, const char *name, size_t len, uint32_t mode, struct vnode **out)
{
    return create(dir, name, len, FS_IFDIR | (mode & 07777), NULL, 0, out);
}

int fs_symlink(struct vnode *dir, const char *name, size_t len, const char *target,
               size_t target_len, struct vnode **out)
{
    if (target_len == 0)
        return -ENOENT;
    if (target_len > FS_SYMLINK_MAX)
        return -ENAMETOOLONG;
    if (memchr(target, '\0', target_len))
        return -EINVAL;
    return create(dir, name, len, FS_IFLNK | 0777, target, target_len, out);
}

int fs_link(struct vnode *dir, const char *name, size_t len, struct vnode *vn)
{
    if (dir->fs != vn->fs)
        return -EXDEV;
    if (vnode_type(vn) == FS_IFDIR)
        return -EPERM;
    int err = check_change(dir, name, len, -EEXIST);
    if (err)
        return err;
    if (dir->removed || vn->removed)
        return -ENOENT;
    return dir->fs->ops->link(dir, name, len, vn);
}

int fs_unlink(struct vnode *dir, const char *name, size_t len)
{
    int err = check_change(dir, name, len, -EINVAL);
    if (err)
        return err;
    err = dir->fs->ops->unlink(dir, name, len, false);
    if (!err)
        fs_reap(dir->fs); /* the name is gone, whatever happens to the blocks */
    return err;
}

int fs_rmdir(struct vnode *dir, const char *name, size_t len)
{
    int err = check_change(dir, name, len, is_dot(name, len) ? -EINVAL : -ENOTEMPTY);
    if (err)
        return err;
    err = dir->fs->ops->unlink(dir, name, len, true);
    if (!err)
        fs_reap(dir->fs);
    return err;
}

int fs_rename(struct vnode *odir, const char *oname, size_t olen, struct vnode *ndir,
              const char *nname, size_t nlen, unsigned flags)
{
    if (flags & ~(unsigned)FS_RENAME_NOREPLACE)
        return -EINVAL;
    if (odir->fs != ndir->fs)
        return -EXDEV;
    int err = check_change(odir, oname, olen, -EBUSY);
    if (!err)
        err = check_change(ndir, nname, nlen, -EBUSY);
    if (err)
        return err;
    if (ndir->removed)
        return -ENOENT;
    err = odir->fs->ops->rename(odir, oname, olen, ndir, nname, nlen, flags);
    if (!err)
        fs_reap(odir->fs);
    return err;
}
