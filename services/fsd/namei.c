/* Names: looking up, creating, linking, removing and renaming, each as one transaction. */
#include "ext2fs.h"

#include <string.h>

int ext2_lookup(struct vnode *vn, const char *name, size_t len, uint64_t *ino)
{
    struct dir_slot slot;
    if (vn->removed)
        return -ENOENT;
    int err = ext2_dir_find(inode_of(vn), name, len, &slot);
    if (err)
        return err;
    *ino = slot.ino;
    buf_put(&ext2_of(vn)->cache, slot.buf);
    return 0;
}

/* 0 if the name is not there yet, else -EEXIST. */
static int must_be_new(struct ext2_inode *dir, const char *name, size_t len)
{
    struct dir_slot slot;
    int err = ext2_dir_find(dir, name, len, &slot);
    if (err == -ENOENT)
        return 0;
    if (err)
        return err;
    buf_put(&inode_fs(dir)->cache, slot.buf);
    return -EEXIST;
}

/* One link more or less on an inode. */
static int add_links(struct ext2_inode *ip, int delta)
{
    int err = ext2_inode_change(ip);
    if (err)
        return err;
    if (delta > 0 && ip->core.nlink >= EXT2_LINK_MAX)
        return -EMLINK;
    if (delta < 0 && ip->core.nlink < (uint32_t)-delta)
        return ext2_damaged(inode_fs(ip), "inode %llu: link count %u",
                            (unsigned long long)ip->vn.ino, ip->core.nlink);
    ip->core.nlink += (uint32_t)delta;
    ip->core.ctime = fs_now(ip->vn.fs);
    return 0;
}

/* Give a new inode its first contents: "." and ".." or the target of a link. */
static int fill_new(struct ext2_inode *dir, struct ext2_inode *ip, const char *target,
                    size_t target_len)
{
    switch (vnode_type(&ip->vn)) {
    case FS_IFDIR: {
        int err = add_links(dir, 1);
        ip->core.nlink = 2;
        return err ? err : ext2_dir_make(ip, (uint32_t)dir->vn.ino);
    }
    case FS_IFLNK: ip->core.nlink = 1; return ext2_symlink_write(ip, target, target_len);
    default: ip->core.nlink = 1; return 0;
    }
}

int ext2_create(struct vnode *vn, const char *name, size_t len, uint32_t mode, const char *target,
                size_t target_len, struct vnode **out)
{
    struct ext2_fs *fs = ext2_of(vn);
    struct ext2_inode *dir = inode_of(vn), *ip = NULL;
    int err = ext2_begin(fs);
    if (err)
        return err;
    err = must_be_new(dir, name, len);
    if (!err)
        err = ext2_inode_new(dir, mode, &ip);
    if (!err)
        err = fill_new(dir, ip, target, target_len);
    if (!err)
        err = ext2_dir_insert(dir, name, len, (uint32_t)ip->vn.ino, mode);
    err = ext2_end(fs, err);
    if (err)
        vnode_discard(ip ? &ip->vn : NULL);
    else
        *out = &ip->vn;
    return err;
}

int ext2_link(struct vnode *dirvn, const char *name, size_t len, struct vnode *vn)
{
    struct ext2_fs *fs = ext2_of(vn);
    struct ext2_inode *dir = inode_of(dirvn);
    int err = ext2_begin(fs);
    if (err)
        return err;
    err = must_be_new(dir, name, len);
    if (!err)
        err = add_links(inode_of(vn), 1);
    if (!err)
        err = ext2_dir_insert(dir, name, len, (uint32_t)vn->ino, vn->mode);
    return ext2_end(fs, err);
}

/* ---- Removing ------------------------------------------------------------------------------ */

/* May this directory be removed? */
static int must_be_empty(struct ext2_inode *dir)
{
    bool empty;
    int err = ext2_dir_is_empty(dir, &empty);
    return err ? err : empty ? 0 : -ENOTEMPTY;
}

/* A name of `ip` in `dir` is going away: count links, mark it as removed with the last one. */
static int drop_name(struct ext2_inode *dir, struct ext2_inode *ip)
{
    if (vnode_type(&ip->vn) != FS_IFDIR) {
        int err = add_links(ip, -1);
        if (!err && ip->core.nlink == 0)
            ip->vn.removed = true;
        return err;
    }
    int err = add_links(dir, -1);
    if (!err)
        err = ext2_inode_change(ip);
    if (err)
        return err;
    ip->core.nlink = 0;
    ip->core.ctime = fs_now(ip->vn.fs);
    ip->vn.removed = true;
    return 0;
}

/* The checks of unlink and rmdir on what the name leads to. */
static int check_removal(struct ext2_inode *dir, struct ext2_inode *ip, bool directory)
{
    bool is_dir = vnode_type(&ip->vn) == FS_IFDIR;
    if (is_dir && !directory)
        return -EISDIR;
    if (!is_dir && directory)
        return -ENOTDIR;
    if (is_dir && (ip == dir || ip->vn.ino == EXT2_ROOT_INO))
        return ext2_damaged(inode_fs(dir), "directory %llu contains itself or the root",
                            (unsigned long long)dir->vn.ino);
    return is_dir ? must_be_empty(ip) : 0;
}

/* What the slot leads to, as a referenced vnode. */
static int open_slot(struct ext2_fs *fs, const struct dir_slot *slot, struct ext2_inode **out)
{
    struct vnode *vn;
    int err = vnode_find(&fs->fs, slot->ino, &vn);
    if (err)
        return err;
    *out = inode_of(vn);
    if (!vn->removed)
        return 0;
    vnode_put(vn);
    return ext2_damaged(fs, "inode %u has more names than links", slot->ino);
}

static int remove_name(struct ext2_inode *dir, struct dir_slot *slot, bool directory,
                       struct ext2_inode **ip)
{
    int err = open_slot(inode_fs(dir), slot, ip);
    if (err)
        return err;
    err = check_removal(dir, *ip, directory);
    if (!err)
        err = ext2_dir_remove(dir, slot);
    return err ? err : drop_name(dir, *ip);
}

int ext2_unlink(struct vnode *vn, const char *name, size_t len, bool directory)
{
    struct ext2_fs *fs = ext2_of(vn);
    struct ext2_inode *dir = inode_of(vn), *ip = NULL;
    struct dir_slot slot;
    int err = ext2_begin(fs);
    if (err)
        return err;
    err = vn->removed ? -ENOENT : ext2_dir_find(dir, name, len, &slot);
    if (!err) {
        err = remove_name(dir, &slot, directory, &ip);
        buf_put(&fs->cache, slot.buf);
    }
    err = ext2_end(fs, err);
    vnode_put(ip ? &ip->vn : NULL);
    return err;
}

/* ---- Renaming ------------------------------------------------------------------------------ */

/* The number of a directory's parent. */
static int parent_of(struct ext2_inode *dir, uint64_t *ino)
{
    return ext2_lookup(&dir->vn, "..", 2, ino);
}

/* -EINVAL if `dir` is `ip` or lies below it. */
static int must_not_be_below(struct ext2_inode *dir, const struct ext2_inode *ip)
{
    struct ext2_fs *fs = inode_fs(dir);
    uint64_t ino = dir->vn.ino;
    for (uint32_t depth = 0; depth < fs->inodes_count; depth++) {
        if (ino == ip->vn.ino)
            return -EINVAL;
        if (ino == EXT2_ROOT_INO)
            return 0;
        struct vnode *vn;
        int err = vnode_find(&fs->fs, ino, &vn);
        if (err)
            return err;
        err = vnode_type(vn) == FS_IFDIR ? parent_of(inode_of(vn), &ino)
                                         : ext2_damaged(fs, "a parent that is no directory");
        vnode_put(vn);
        if (err)
            return err == -ENOENT ? ext2_damaged(fs, "a directory without \"..\"") : err;
    }
    return ext2_damaged(fs, "directories in a circle");
}

/* All that one rename works on. */
struct rename {
    struct ext2_inode *odir, *ndir;
    const char *oname, *nname;
    size_t olen, nlen;
    struct ext2_inode *ip;      /* the file */
    struct ext2_inode *victim;  /* what has the new name now; or NULL */
    bool is_dir;
};

static int find_files(struct rename *r)
{
    struct ext2_fs *fs = inode_fs(r->odir);
    struct dir_slot slot;
    int err = ext2_dir_find(r->odir, r->oname, r->olen, &slot);
    if (err)
        return err;
    err = open_slot(fs, &slot, &r->ip);
    buf_put(&fs->cache, slot.buf);
    if (err)
        return err;
    r->is_dir = vnode_type(&r->ip->vn) == FS_IFDIR;
    err = ext2_dir_find(r->ndir, r->nname, r->nlen, &slot);
    if (err)
        return err == -ENOENT ? 0 : err;
    err = open_slot(fs, &slot, &r->victim);
    buf_put(&fs->cache, slot.buf);
    return err;
}

static int check_rename(struct rename *r)
{
    if (r->is_dir) {
        int err = must_not_be_below(r->ndir, r->ip);
        if (err)
            return err;
    }
    if (!r->victim)
        return 0;
    bool victim_is_dir = vnode_type(&r->victim->vn) == FS_IFDIR;
    if (r->is_dir && !victim_is_dir)
        return -ENOTDIR;
    if (!r->is_dir && victim_is_dir)
        return -EISDIR;
    if (victim_is_dir &&
        (r->victim == r->odir || r->victim == r->ndir || r->victim->vn.ino == EXT2_ROOT_INO))
        return -ENOTEMPTY;      /* it contains the old name; or the disk is damaged */
    return victim_is_dir ? must_be_empty(r->victim) : 0;
}

/* The new name leads to the file. */
static int set_new_name(struct rename *r)
{
    struct ext2_fs *fs = inode_fs(r->odir);
    uint32_t ino = (uint32_t)r->ip->vn.ino;
    if (!r->victim)
        return ext2_dir_insert(r->ndir, r->nname, r->nlen, ino, r->ip->vn.mode);
    struct dir_slot slot;
    int err = ext2_dir_find(r->ndir, r->nname, r->nlen, &slot);
    if (err)
        return err;
    err = ext2_dir_replace(r->ndir, &slot, ino, r->ip->vn.mode);
    buf_put(&fs->cache, slot.buf);
    return err ? err : drop_name(r->ndir, r->victim);
}

static int remove_old_name(struct rename *r)
{
    struct dir_slot slot;
    int err = ext2_dir_find(r->odir, r->oname, r->olen, &slot);
    if (err)
        return err;
    err = ext2_dir_remove(r->odir, &slot);
    buf_put(&inode_fs(r->odir)->cache, slot.buf);
    return err;
}

/* A directory has moved: ".." leads to the new parent, which has one more link. */
static int set_parent(struct rename *r)
{
    struct dir_slot slot;
    int err = ext2_dir_find(r->ip, "..", 2, &slot);
    if (err)
        return err;
    err = ext2_dir_replace(r->ip, &slot, (uint32_t)r->ndir->vn.ino, FS_IFDIR);
    buf_put(&inode_fs(r->ip)->cache, slot.buf);
    if (!err)
        err = add_links(r->odir, -1);
    return err ? err : add_links(r->ndir, 1);
}

static int do_rename(struct rename *r, unsigned flags)
{
    int err = find_files(r);
    if (err)
        return err;
    if (r->victim && (flags & FS_RENAME_NOREPLACE))
        return -EEXIST;
    if (r->ip == r->victim)
        return 0;               /* two names of one file: both stay */
    err = check_rename(r);
    if (!err)
        err = set_new_name(r);
    if (!err)
        err = remove_old_name(r);
    if (!err && r->is_dir && r->odir != r->ndir)
        err = set_parent(r);
    if (!err)
        err = ext2_inode_change(r->ip);
    if (!err)
        r->ip->core.ctime = fs_now(r->ip->vn.fs);
    return err;
}

int ext2_rename(struct vnode *odir, const char *oname, size_t olen, struct vnode *ndir,
                const char *nname, size_t nlen, unsigned flags)
{
    struct ext2_fs *fs = ext2_of(odir);
    struct rename r = {
        inode_of(odir), inode_of(ndir), oname, nname, olen, nlen, NULL, NULL, false
    };
    if (odir->removed)
        return -ENOENT;
    int err = ext2_begin(fs);
    if (err)
        return err;
    err = ext2_end(fs, do_rename(&r, flags));
    vnode_put(r.ip ? &r.ip->vn : NULL);
    vnode_put(r.victim ? &r.victim->vn : NULL);
    return err;
}
