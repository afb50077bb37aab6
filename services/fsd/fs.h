/*
 * The file systems of fsd: what the server calls.
 *
 * Two types stand behind this interface: ext2 on a block device (ext2_mount) and the read-only
 * view of a cpio archive (cpiofs_mount). Nothing here makes a system call: the embedding program
 * hands down the disk (disk.h) and a few hooks (struct fs_env).
 *
 * Holds. A call may suspend inside the disk, and other requests run meanwhile. So the embedding
 * program keeps one reader-writer lock per mounted file system, and takes it around each call:
 *
 *     [S]  shared hold: the call changes nothing that another [S] call may see
 *     [X]  exclusive hold: the call changes the file system
 *     [-]  no hold needed; the call never suspends
 *
 * [S] calls may overlap with one another at will: a cached read overtakes one that waits for the
 * disk. For that the lock should let readers pass a waiting writer for a while.
 *
 * Results. All calls return 0 (or a count where they say so), or a negative errno number, the same
 * as Linux's. A failed [X] call has changed nothing. -EUCLEAN means that the disk's structures are
 * damaged where the call had to look; what was found has then gone to env->message, and the file
 * system is read-only from there on (-EROFS) until it is repaired and mounted again. -EIO is the
 * device's own error: it may be tried again.
 *
 * Names are byte strings of 1 to FS_NAME_MAX bytes without '/' and NUL, given with their length;
 * "." and ".." are understood by fs_lookup() (".." of the root is the root).
 */
#ifndef FSD_FS_H
#define FSD_FS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk.h"

#ifndef EUCLEAN
#define EUCLEAN 117             /* structure needs cleaning */
#endif

enum {
    FS_NAME_MAX = 255,          /* bytes in a name */
    FS_SYMLINK_MAX = 4095,      /* bytes in a symbolic link's target */
    FS_REASON_MAX = 160,        /* size of the buffer for a mount's reason */
};

/* The file type bits of a mode; `mode >> 12` is the d_type of a directory entry (DT_*). */
enum {
    FS_IFMT = 0170000,
    FS_IFIFO = 0010000,
    FS_IFCHR = 0020000,
    FS_IFDIR = 0040000,
    FS_IFBLK = 0060000,
    FS_IFREG = 0100000,
    FS_IFLNK = 0120000,
    FS_IFSOCK = 0140000,
};

struct fs;                      /* a mounted file system */
struct vnode;                   /* a file of one, in memory, reference counted */

struct fs_time {
    int64_t sec;                /* since 1970, UTC */
    uint32_t nsec;              /* 0 to 999,999,999 */
};

/* The hooks of the embedding program. The structure is copied at mount. */
struct fs_env {
    void *ctx;                  /* first argument of each hook */
    struct fs_time (*now)(void *ctx);               /* wall clock; NULL: always 1970 */
    void (*message)(void *ctx, const char *text);   /* one line, no newline; NULL: dropped */
    /*
     * Suspend the calling fiber until wake(chan), or for no reason at all: callers look again.
     * Both may be NULL where calls never overlap.
     */
    void (*wait)(void *ctx, const void *chan);
    void (*wake)(void *ctx, const void *chan);
};

struct fs_options {
    size_t cache_bytes;         /* memory for blocks; 0: 8 MiB. At least 128 blocks are taken */
    void *cache_memory; /* cache_bytes of it, page-aligned; NULL: malloc. Not freed here */
    bool read_only; /* never write to the disk */
    bool trust_unclean; /* mount writable without a check though not unmounted cleanly */
};

struct fs_stat {
    uint64_t ino;
    uint32_t mode; /* type and permission bits, as in Linux */
    uint32_t nlink;
    uint32_t uid, gid;
    uint64_t rdev; /* of device nodes, Linux's encoding */
    uint64_t size; /* bytes */
    uint64_t blocks; /* units of 512 bytes really used */
    uint32_t blksize; /* good size for I/O */
    struct fs_time atime, mtime, ctime; /* atime is not kept up: as it is on the disk */
};

struct fs_statfs {
    uint32_t type; /* Linux's f_type: 0xEF53 ext2, 0x858458F6 cpio (as ramfs) */
    uint32_t block_size; /* bytes */
    uint64_t blocks, blocks_free, blocks_avail; /* in units of block_size */
    uint64_t files, files_free;
    bool read_only;
};

/* What fs_readdir() shows of an entry; `name` is only valid during the call, and not terminated. */
struct fs_dirent {
    uint64_t ino;
    uint64_t next; /* cursor of the entry after this one */
    uint8_t type; /* DT_*: 4 directory, 8 file, 10 symlink ...; 0 where not known */
    uint8_t name_len;
    const char *name;
};

/* Return false to stop: this entry then comes again at the next call. Must not suspend. */
typedef bool (*fs_dirent_fn)(void *arg, const struct fs_dirent *entry);

/* fs_rename() */
enum {
    FS_RENAME_NOREPLACE = 1, /* -EEXIST instead of replacing */
};

/* fs_setattr(): which fields count */
enum {
    FS_SET_MODE = 1, /* permission bits only, 07777 */
    FS_SET_UID = 2,
    FS_SET_GID = 4,
    FS_SET_ATIME = 8,
    FS_SET_MTIME = 16,
};

/* ---- Mounting ------------------------------------------------------------------------------ */

/*
 * Mount the ext2 file system on `disk`, which must stay until fs_unmount(). `reason` gets one line
 * for the console: why it was refused ("bad magic", "truncated: ...", "feature extents is not
 * supported"), why it is mounted read-only, what is odd about it; empty if all is well.
 * -EINVAL: no ext2 here, or features this version can't handle; -EUCLEAN: damaged; -EIO; -ENOMEM.
 * May suspend; no other call on the same disk may be under way.
 */
int ext2_mount(struct disk *disk, const struct fs_env *env, const struct fs_options *options,
               struct fs **out, char reason[FS_REASON_MAX]);

/*
 * Mount a cpio archive (newc) in memory, which must stay, unchanged, until fs_unmount().
 * Damaged entries are left out and told of through env->message; -EINVAL: not a cpio archive.
 */
int cpiofs_mount(const void *archive, size_t size, const struct fs_env *env, struct fs **out,
                 char reason[FS_REASON_MAX]);

/*
 * Make an empty ext2 file system on `disk` (at least 64 KiB), as mke2fs would with the features
 * filetype, sparse_super and large_file. block_size: 1024, 2048, 4096, or 0 to choose.
 * Everything on the disk is lost. -ENOSPC: too small; -EINVAL: block size; -EROFS; -EIO.
 */
int ext2_format(struct disk *disk, uint32_t block_size, const struct fs_env *env);

/*
 * [X] Write everything back, mark the disk clean, and free `fs` with all its vnodes, whoever holds
 * them; the caller has forgotten his. Files removed while open are freed on the disk first.
 * When a write fails, the error is returned, `fs` is gone all the same, and the disk is left
 * marked as not clean. NULL is allowed.
 */
int fs_unmount(struct fs *fs);

/*
 * [X] As fs_sync(), and mark the disk clean: until the next change a power cut costs nothing.
 * For shutdown, and for a quiet moment. Never marks a disk clean that was not clean when mounted.
 */
int fs_settle(struct fs *fs);

/* [S] Write everything back; on stable storage when it returns 0. After an error the data are
 * still in memory and the next call tries again. Nothing to do costs nothing. */
int fs_sync(struct fs *fs);

const char *fs_type(const struct fs *fs); /* [-] "ext2", "cpio" */
bool fs_read_only(const struct fs *fs); /* [-] may change at any call (-EUCLEAN) */
int fs_statfs(struct fs *fs, struct fs_statfs *out); /* [S] */

/* [-] Bytes of changes that wait for fs_sync(); 0: nothing to write. */
size_t fs_dirty_bytes(const struct fs *fs);

/* ---- Vnodes -------------------------------------------------------------------------------- */

/*
 * A vnode is one file, however many have it open; whoever keeps a pointer holds a reference.
 * All calls that give out a vnode give a reference with it.
 */
struct vnode *fs_root(struct fs *fs); /* [-] */
struct vnode *vnode_get(struct vnode *vn); /* [-] one more reference; returns vn */

/*
 * [-] Give a reference back; NULL is allowed. When the last reference to a removed file goes, its
 * blocks still have to be freed: fs_reap_needed() says so and fs_reap() does it, soon after.
 */
void vnode_put(struct vnode *vn);
bool fs_reap_needed(const struct fs *fs); /* [-] */
int fs_reap(struct fs *fs); /* [X] */

struct fs *vnode_fs(const struct vnode *vn); /* [-] */
uint64_t vnode_ino(const struct vnode *vn); /* [-] unique within its file system */
uint32_t vnode_type(const struct vnode *vn); /* [-] FS_IFREG, FS_IFDIR, ... */

/* ---- Files --------------------------------------------------------------------------------- */

/* [S] Bytes read: less than len only at the end of the file. -EISDIR, -EINVAL (not a file), -EIO. */
int64_t fs_read(struct vnode *vn, uint64_t offset, void *buf, size_t len);

/*
 * [X] Bytes written: less than len when the disk got full or failed on the way, and an error only
 * if not a single byte was written (-ENOSPC, -EIO, -EFBIG, -EROFS). Writing behind the end leaves
 * a hole. `buf` must not change meanwhile.
 */
int64_t fs_write(struct vnode *vn, uint64_t offset, const void *buf, size_t len);

/* [X] Cut off, or grow with a hole. -EISDIR, -EINVAL, -EFBIG, -EROFS. */
int fs_truncate(struct vnode *vn, uint64_t size);

int fs_stat(struct vnode *vn, struct fs_stat *out); /* [S] */

struct fs_attr {
    uint32_t mode, uid, gid;
    struct fs_time atime, mtime;
};
int fs_setattr(struct vnode *vn, unsigned which, const struct fs_attr *attr); /* [X] FS_SET_* */

/* [S] The target, not terminated; returns its length, at most `size` bytes of it are copied.
 * -EINVAL: not a symbolic link. */
int64_t fs_readlink(struct vnode *vn, char *buf, size_t size);

/* ---- Directories --------------------------------------------------------------------------- */

/* [S] -ENOENT, -ENOTDIR, -ENAMETOOLONG. Symbolic links are not followed. */
int fs_lookup(struct vnode *dir, const char *name, size_t len, struct vnode **out);

/*
 * [S] Show the entries from cursor *pos on ("." and ".." among them), until `emit` says stop or the
 * end is reached; *pos is where to go on. 0 is the start. A cursor stays good while entries come
 * and go: each entry that is there all the time is shown exactly once. Returns 1 at the end, else 0.
 */
int fs_readdir(struct vnode *dir, uint64_t *pos, fs_dirent_fn emit, void *arg);

/* [X] A new regular file, directory, symbolic link. -EEXIST, -ENOENT (dir was removed), -ENOSPC,
 * -EMLINK, -ENAMETOOLONG (name, target). `mode` is the permission bits. out may be NULL. */
int fs_create(struct vnode *dir, const char *name, size_t len, uint32_t mode, struct vnode **out);
int fs_mkdir(struct vnode *dir, const char *name, size_t len, uint32_t mode, struct vnode **out);
int fs_symlink(struct vnode *dir, const char *name, size_t len, const char *target,
               size_t target_len, struct vnode **out);

/* [X] One more name for `vn`, of the same file system (-EXDEV). -EPERM: a directory; -EEXIST ... */
int fs_link(struct vnode *dir, const char *name, size_t len, struct vnode *vn);

/* [X] Remove a name. An open file lives on without it. -ENOENT, -EISDIR, -EINVAL ("." and "..") */
int fs_unlink(struct vnode *dir, const char *name, size_t len);

/* [X] -ENOENT, -ENOTDIR, -ENOTEMPTY, -EINVAL ("."), -EBUSY (the root) */
int fs_rmdir(struct vnode *dir, const char *name, size_t len);

/*
 * [X] POSIX's rename(): replaces `nname`; nothing happens if both are the same file. -EXDEV,
 * -EINVAL (a directory into itself), -ENOTEMPTY, -EISDIR, -ENOTDIR, -EBUSY ("." and ".."), ...
 */
int fs_rename(struct vnode *odir, const char *oname, size_t olen, struct vnode *ndir,
              const char *nname, size_t nlen, unsigned flags);

#endif
