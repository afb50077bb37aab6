/*
 * What each operation of the `file` protocol does. Each runs in a fiber; the holds on the file system
 * (fs.h) are taken here and nowhere else:
 *
 *     reading      hold_read  … release_read     shared
 *     changing     hold_write … release_write    exclusive
 *
 * Both know that the initrd needs none. Bulk data travel in pieces of IO_PIECE through a buffer of
 * ours: between two pieces nothing is held and other requests get their turn.
 */
#include "services/fsd/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rugo/proto_file.h>
#include <rugo/proto_service.h>
#include <rugo/syscall.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "services/fsd/fiber.h"
#include "services/fsd/files.h"
#include "services/fsd/images.h"
#include "services/fsd/walk.h"
#include "services/say.h"

enum {
    IO_PIECE = 64 * 1024,
    DIR_PIECE = 16 * 1024,
    OPEN_FLAGS = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |
                 O_SYNC | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    MODE_BITS = 07777,
};

bool server_stopped;
bool server_stopping;
const char *server_hang;

/* ---- holds and buffers --------------------------------------------------------------------- */

static bool in_root_fs(const struct vnode *vn)
{
    return vnode_fs(vn) == mounts.root;
}

static void hold_read(const struct vnode *vn)
{
    if (in_root_fs(vn))
        fiber_read_lock(&mounts.lock);
}

static void release_read(const struct vnode *vn)
{
    if (in_root_fs(vn))
        fiber_read_unlock(&mounts.lock);
}

static void hold_write(const struct vnode *vn)
{
    if (in_root_fs(vn))
        fiber_write_lock(&mounts.lock);
}

static void release_write(const struct vnode *vn)
{
    if (in_root_fs(vn))
        fiber_write_unlock(&mounts.lock);
}

/* Buffers of IO_PIECE bytes, kept for the next one: at most one per fiber. */
struct io_buffer {
    struct io_buffer *next;
};
static struct io_buffer *io_buffers;

static void *io_take(void)
{
    struct io_buffer *buf = io_buffers;

    if (buf == NULL)
        return malloc(IO_PIECE);
    io_buffers = buf->next;
    return buf;
}

static void io_give(void *p)
{
    struct io_buffer *buf = p;

    if (buf != NULL) {
        buf->next = io_buffers;
        io_buffers = buf;
    }
}

/* What msg_read and msg_write say about the caller's buffer, as the caller should hear it. */
static int64_t bulk_status(int64_t st)
{
    return st == -EREMOTEIO ? -EFAULT : st;
}

/* Put `len` bytes at `offset` of the caller's buffer. */
static int64_t put_bulk(const struct ipc_call *call, uint64_t offset, const void *buf, size_t len)
{
    return bulk_status(sys_msg_write(call->ep, call->token, offset, buf, len));
}

/* Answer with one structure, all of it or -EINVAL. */
static int put_struct(const struct ipc_call *call, const void *buf, size_t len)
{
    int64_t n;

    if (call->out_len < len)
        return -EINVAL;
    n = put_bulk(call, 0, buf, len);
    return n < 0 ? (int)n : 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The directory that paths of this request start from. */
static int base_dir(const struct request *req, struct vnode **dir)
{
    if (vnode_type(req->file->vn) != FS_IFDIR)
        return -ENOTDIR;
    *dir = req->file->vn;
    return 0;
}

/* Whether `vn` may be opened with these flags. */
static int check_open(const struct walk *w, uint32_t flags)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    uint32_t type = vnode_type(w->vn);

    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if (type == FS_IFLNK)
        return -ELOOP;
    if ((flags & O_DIRECTORY) != 0 && type != FS_IFDIR)
        return -ENOTDIR;
    if (type == FS_IFDIR && (writes || (flags & (O_CREAT | O_TRUNC)) != 0))
        return -EISDIR;
    if (type != FS_IFDIR && type != FS_IFREG)
        return -ENXIO;
    if (writes && fs_read_only(vnode_fs(w->vn)))
        return -EROFS;
    return 0;
}

/* Make the file that the walk did not find. Exclusive hold. */
static int create_file(struct walk *w, uint32_t mode)
{
    if (w->slash)
        return -EISDIR;
    int st = fs_create(w->dir, w->name, w->len, mode & MODE_BITS, &w->vn);

    if (st == 0)
        image_changed(w->vn); /* the number may have been another file's */
    return st;
}

/* Find, make and cut the file. The hold fits the flags. *vn is the caller's reference. */
static int open_vnode(struct vnode *top, const char *path, uint32_t flags, uint32_t mode,
                      struct vnode **vn)
{
    unsigned how = (flags & O_CREAT) != 0 ? WALK_MISSING_OK : 0;
    struct walk w;
    int st;

    if ((flags & O_NOFOLLOW) != 0 || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        how |= WALK_NOFOLLOW;
    st = walk_path(&w, top, path, how);
    if (st != 0)
        return st;
    if (w.vn == NULL) {
        st = create_file(&w, mode);
    } else {
        st = check_open(&w, flags);
        if (st == 0 && (flags & O_TRUNC) != 0) {
            image_changed(w.vn);
            st = fs_truncate(w.vn, 0);
        }
    }
    if (st == 0)
        *vn = vnode_get(w.vn);
    walk_end(&w);
    return st;
}

/* Make the session for an open file; on failure the file is closed. */
static int make_session(const struct ipc_call *call, struct open_file *file, handle_t *out)
{
    uint64_t id;
    handle_t session = sys_session_create(call->ep, file->badge, SESSION_SILENT, &id);

    if (session < 0) {
        file_closed(file->badge);
        return session;
    }
    *out = session;
    return 0;
}

static int do_open(void *ctx, const struct ipc_call *call, uint32_t flags, uint32_t mode,
                   const char *path, handle_t *file, uint32_t *kind)
{
    struct request *req = ctx;
    bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
    struct open_file *opened;
    struct vnode *top, *vn;
    int st;

    if ((flags & ~(uint32_t)OPEN_FLAGS) != 0 || (flags & O_ACCMODE) == O_ACCMODE ||
        ((flags & O_TRUNC) != 0 && (flags & O_ACCMODE) == O_RDONLY))
        return -EINVAL;
    if (server_hang != NULL && strcmp(path, server_hang) == 0)
        fiber_wait(&server_hang);
    st = base_dir(req, &top);
    if (st != 0)
        return st;
    if (changes)
        fiber_write_lock(&mounts.lock);
    else
        fiber_read_lock(&mounts.lock);
    st = open_vnode(top, path, flags, mode, &vn);
    if (changes)
        fiber_write_unlock(&mounts.lock);
    else
        fiber_read_unlock(&mounts.lock);
    if (st != 0)
        return st;
    *kind = vnode_type(vn);
    st = file_new(vn, flags & (O_ACCMODE | O_APPEND | O_NONBLOCK), &opened);
    return st == 0 ? make_session(call, opened, file) : st;
}

/* ---- reading and writing ----------------------------------------------------------------------- */

static int check_io(const struct open_file *file, uint32_t forbidden)
{
    if (vnode_type(file->vn) == FS_IFDIR)
        return -EISDIR;
    return (file->access & O_ACCMODE) == forbidden ? -EBADF : 0;
}

/* Read up to out_len bytes at `offset` into the caller's buffer; the number, or the first error. */
static int64_t read_pieces(const struct ipc_call *call, struct vnode *vn, uint64_t offset)
{
    uint64_t done = 0;
    char *buf = io_take();
    int64_t n = buf != NULL ? 0 : -ENOMEM;

    while (n >= 0 && done < call->out_len) {
        uint64_t left = call->out_len - done;
        size_t want = left < IO_PIECE ? (size_t)left : IO_PIECE;

        if (done > 0)
            fiber_yield();
        hold_read(vn);
        n = fs_read(vn, offset + done, buf, want);
        release_read(vn);
        if (n <= 0)
            break;
        n = put_bulk(call, done, buf, (size_t)n);
        if (n < 0)
            break;
        done += (uint64_t)n;
        if ((size_t)n < want)
            break;
    }
    io_give(buf);
    return done > 0 ? (int64_t)done : n;
}

static int do_read(void *ctx, const struct ipc_call *call, int64_t offset, uint64_t *count)
{
    struct open_file *file = ((struct request *)ctx)->file;
    int st = check_io(file, O_WRONLY);
    int64_t n;

    if (st != 0)
        return st;
    if (offset < -1)
        return -EINVAL;
    if (offset == -1) {
        file_take_pos(file);
        n = read_pieces(call, file->vn, file->pos);
        if (n > 0)
            file->pos += (uint64_t)n;
        file_give_pos(file);
    } else {
        n = read_pieces(call, file->vn, (uint64_t)offset);
    }
    if (n < 0)
        return (int)n;
    *count = (uint64_t)n;
    return 0;
}

/* One piece to disk; with O_APPEND *offset becomes the file's end, which the hold keeps still. */
static int64_t write_piece(const struct open_file *file, uint64_t *offset, const void *buf,
                           size_t len)
{
    struct fs_stat st;
    int64_t n = 0;

    hold_write(file->vn);
    if ((file->access & O_APPEND) != 0) {
        n = fs_stat(file->vn, &st);
        *offset = st.size;
    }
    if (n == 0) {
        image_changed(file->vn);
        n = fs_write(file->vn, *offset, buf, len);
    }
    release_write(file->vn);
    return n;
}

/* Write the caller's buffer at *offset, which moves behind the last byte written. */
static int64_t write_pieces(const struct ipc_call *call, const struct open_file *file,
                            uint64_t *offset)
{
    uint64_t done = 0;
    char *buf = io_take();
    int64_t n = buf != NULL ? 0 : -ENOMEM;

    while (n >= 0 && done < call->in_len) {
        size_t got;

        if (done > 0)
            fiber_yield();
        n = bulk_status(sys_msg_read(call->ep, call->token, done, buf, IO_PIECE));
        if (n <= 0)
            break;
        got = (size_t)n;
        n = write_piece(file, offset, buf, got);
        if (n <= 0)
            break;
        done += (uint64_t)n;
        *offset += (uint64_t)n;
        if ((size_t)n < got)
            break;
    }
    io_give(buf);
    return done > 0 ? (int64_t)done : n;
}

static int do_write(void *ctx, const struct ipc_call *call, int64_t offset, uint64_t *count)
{
    struct open_file *file = ((struct request *)ctx)->file;
    int st = check_io(file, O_RDONLY);
    uint64_t at = (uint64_t)offset;
    int64_t n;

    if (st != 0)
        return st;
    if (offset < -1)
        return -EINVAL;
    if (offset == -1) {
        file_take_pos(file);
        n = write_pieces(call, file, &file->pos);
        file_give_pos(file);
    } else {
        n = write_pieces(call, file, &at);
    }
    if (n < 0)
        return (int)n;
    *count = (uint64_t)n;
    return 0;
}

/* Where the position moves to, from the file's size where that matters. */
static int seek_target(struct open_file *file, int64_t offset, uint32_t whence, int64_t *target)
{
    struct fs_stat st = { .size = 0 };
    int64_t base = 0;
    int err = 0;

    if (whence == 1) {
        base = (int64_t)file->pos;
    } else if (whence == 2) {
        hold_read(file->vn);
        err = fs_stat(file->vn, &st);
        release_read(file->vn);
        base = (int64_t)st.size;
    } else if (whence != 0) {
        return -EINVAL;
    }
    if (err != 0)
        return err;
    if (__builtin_add_overflow(base, offset, target) || *target < 0)
        return -EINVAL;
    return 0;
}

static int do_seek(void *ctx, const struct ipc_call *call, int64_t offset, uint32_t whence,
                   int64_t *offset_out)
{
    struct open_file *file = ((struct request *)ctx)->file;
    int st;

    (void)call;
    if (file->is_root)
        return -ESPIPE;
    if (vnode_type(file->vn) == FS_IFDIR && whence == 2)
        return -EINVAL;
    file_take_pos(file);
    st = seek_target(file, offset, whence, offset_out);
    if (st == 0)
        file->pos = (uint64_t)*offset_out;
    file_give_pos(file);
    return st;
}

static int do_truncate(void *ctx, const struct ipc_call *call, int64_t length)
{
    struct open_file *file = ((struct request *)ctx)->file;
    int st = check_io(file, O_RDONLY);

    (void)call;
    if (st != 0)
        return st;
    if (length < 0)
        return -EINVAL;
    hold_write(file->vn);
    image_changed(file->vn);
    st = fs_truncate(file->vn, (uint64_t)length);
    release_write(file->vn);
    return st;
}

static int do_sync(void *ctx, const struct ipc_call *call, uint32_t all)
{
    struct open_file *file = ((struct request *)ctx)->file;
    int st;

    (void)call;
    if (all > 1)
        return -EINVAL;
    if (all == 0 && !in_root_fs(file->vn))
        return 0;
    fiber_read_lock(&mounts.lock);
    st = fs_read_only(mounts.root) ? 0 : fs_sync(mounts.root);
    fiber_read_unlock(&mounts.lock);
    return st;
}

/* ---- directories --------------------------------------------------------------------------------- */

#define AFTER_MOUNT 0x7fffffffffffffffu /* cursor behind the entry of the mounted initrd */

/* linux_dirent64 entries being collected. */
struct listing {
    char *buf;
    size_t used, size;
    uint64_t cursor; /* after the last entry in it */
    bool is_root; /* of the root, where MOUNT_NAME is another directory */
    bool full;
};

static bool add_entry(void *arg, const struct fs_dirent *entry)
{
    struct listing *list = arg;
    size_t bytes = offsetof(struct dirent, d_name) + entry->name_len + 1;
    struct dirent *d = (struct dirent *)(void *)(list->buf + list->used);

    if (list->is_root && entry->next != AFTER_MOUNT && entry->name_len == strlen(MOUNT_NAME) &&
        memcmp(entry->name, MOUNT_NAME, strlen(MOUNT_NAME)) == 0)
        return true; /* hidden by the initrd */
    bytes = (bytes + 7) & ~(size_t)7;
    if (bytes > list->size - list->used) {
        list->full = true;
        return false;
    }
    memset(d, 0, bytes);
    d->d_ino = entry->ino;
    d->d_off = (int64_t)entry->next;
    d->d_reclen = (uint16_t)bytes;
    d->d_type = entry->type;
    memcpy(d->d_name, entry->name, entry->name_len);
    list->used += bytes;
    list->cursor = entry->next;
    return true;
}

/* Collect from list->cursor on: the directory's entries, at the root's end the initrd's. */
static int list_entries(struct vnode *dir, struct listing *list)
{
    uint64_t cursor = list->cursor;
    int st;

    if (cursor == AFTER_MOUNT)
        return 0;
    st = fs_readdir(dir, &cursor, add_entry, list);
    if (st == 1)
        list->cursor = cursor;
    if (st == 1 && list->is_root) {
        struct fs_dirent mount = {
            .ino = vnode_ino(mounts.boot_vn),
            .next = AFTER_MOUNT,
            .type = DT_DIR,
            .name_len = (uint8_t)strlen(MOUNT_NAME),
            .name = MOUNT_NAME,
        };

        (void)add_entry(list, &mount);
    }
    return st < 0 ? st : 0;
}

static int do_readdir(void *ctx, const struct ipc_call *call, uint64_t *count)
{
    struct open_file *file = ((struct request *)ctx)->file;
    struct listing list = { .size = DIR_PIECE };
    int64_t n;
    int st;

    if (vnode_type(file->vn) != FS_IFDIR)
        return -ENOTDIR;
    if (file->is_root)
        return -EINVAL; /* many share it: open "." first, to have a position */
    list.buf = io_take();
    if (list.buf == NULL)
        return -ENOMEM;
    if (call->out_len < list.size)
        list.size = (size_t)call->out_len;
    list.is_root = file->vn == mounts.root_vn && mounts.boot_vn != NULL;

    file_take_pos(file);
    list.cursor = file->pos;
    hold_read(file->vn);
    st = list_entries(file->vn, &list);
    release_read(file->vn);
    if (st == 0 && list.used == 0 && list.full)
        st = -EINVAL; /* no room for even one entry */
    if (list.used > 0)
        st = 0; /* an error comes again when the rest is asked for */
    n = st == 0 ? put_bulk(call, 0, list.buf, list.used) : st;
    if (n >= 0) {
        file->pos = list.cursor;
        *count = list.used;
    }
    file_give_pos(file);
    io_give(list.buf);
    return n < 0 ? (int)n : 0;
}

/* ---- attributes ----------------------------------------------------------------------------------- */

static struct timespec timespec_of(struct fs_time t)
{
    return (struct timespec){ .tv_sec = t.sec, .tv_nsec = (long)t.nsec };
}

/* The caller's struct stat of vn. */
static int put_stat(const struct ipc_call *call, struct vnode *vn)
{
    struct fs_stat fst;
    struct stat out;
    int st;

    hold_read(vn);
    st = fs_stat(vn, &fst);
    release_read(vn);
    if (st != 0)
        return st;
    memset(&out, 0, sizeof(out));
    out.st_dev = in_root_fs(vn) ? 1 : 2;
    out.st_ino = fst.ino;
    out.st_nlink = fst.nlink;
    out.st_mode = fst.mode;
    out.st_uid = fst.uid;
    out.st_gid = fst.gid;
    out.st_rdev = fst.rdev;
    out.st_size = (int64_t)fst.size;
    out.st_blksize = (int64_t)fst.blksize;
    out.st_blocks = (int64_t)fst.blocks;
    out.st_atim = timespec_of(fst.atime);
    out.st_mtim = timespec_of(fst.mtime);
    out.st_ctim = timespec_of(fst.ctime);
    return put_struct(call, &out, sizeof(out));
}

static int do_stat(void *ctx, const struct ipc_call *call)
{
    return put_stat(call, ((struct request *)ctx)->file->vn);
}

/* Walk from the request's directory under the shared hold; *vn is the caller's reference. */
static int find_vnode(const struct request *req, const char *path, unsigned how, struct vnode **vn)
{
    struct vnode *top;
    struct walk w;
    int st = base_dir(req, &top);

    if (st != 0)
        return st;
    fiber_read_lock(&mounts.lock);
    st = walk_path(&w, top, path, how);
    fiber_read_unlock(&mounts.lock);
    if (st != 0)
        return st;
    *vn = vnode_get(w.vn);
    walk_end(&w);
    return 0;
}

static int do_stat_path(void *ctx, const struct ipc_call *call, uint32_t flags, const char *path)
{
    struct vnode *vn;
    int st;

    if ((flags & ~(uint32_t)AT_SYMLINK_NOFOLLOW) != 0)
        return -EINVAL;
    st = find_vnode(ctx, path, flags != 0 ? WALK_NOFOLLOW : 0, &vn);
    if (st != 0)
        return st;
    st = put_stat(call, vn);
    vnode_put(vn);
    return st;
}

/* A handle of the client's own to the image of a file that is held, and the image's beginning. */
static int hand_out(const struct ipc_call *call, struct vnode *vn, uint64_t size, handle_t *object)
{
    struct image *im;
    size_t head;
    int64_t n;
    int st = image_of(vn, size, &im);

    if (st != 0)
        return st;
    head = call->out_len < im->size ? (size_t)call->out_len : im->size;
    n = put_bulk(call, 0, im->data, head);
    if (n < 0)
        return (int)n;
    *object =
        sys_handle_dup(im->object, RIGHT_READ | RIGHT_EXEC | RIGHT_DUP | RIGHT_TRANSFER, 0, 0);
    return *object < 0 ? *object : 0;
}

static int do_image(void *ctx, const struct ipc_call *call, const char *path, handle_t *object,
                    uint64_t *size, uint32_t *mode)
{
    struct fs_stat st;
    struct vnode *vn;
    int err = find_vnode(ctx, path, 0, &vn);

    if (err != 0)
        return err;
    hold_read(vn);
    err = fs_stat(vn, &st);
    if (err == 0 && vnode_type(vn) != FS_IFREG)
        err = vnode_type(vn) == FS_IFDIR ? -EISDIR : -EINVAL;
    if (err == 0)
        err = hand_out(call, vn, st.size, object);
    release_read(vn);
    vnode_put(vn);
    if (err == 0) {
        *size = st.size;
        *mode = st.mode;
    }
    return err;
}

static int do_readlink(void *ctx, const struct ipc_call *call, const char *path, uint64_t *count)
{
    char target[FS_SYMLINK_MAX];
    struct vnode *vn;
    int64_t n = find_vnode(ctx, path, WALK_NOFOLLOW, &vn);

    if (n != 0)
        return (int)n;
    hold_read(vn);
    n = fs_readlink(vn, target, sizeof(target));
    release_read(vn);
    vnode_put(vn);
    if (n > (int64_t)sizeof(target))
        n = (int64_t)sizeof(target);
    if (n >= 0)
        n = put_bulk(call, 0, target, (size_t)n);
    if (n < 0)
        return (int)n;
    *count = (uint64_t)n;
    return 0;
}

static int do_statfs(void *ctx, const struct ipc_call *call)
{
    struct vnode *vn = ((struct request *)ctx)->file->vn;
    struct fs_statfs info;
    struct statfs out;
    int st;

    hold_read(vn);
    st = fs_statfs(vnode_fs(vn), &info);
    release_read(vn);
    if (st != 0)
        return st;
    memset(&out, 0, sizeof(out));
    out.f_type = info.type;
    out.f_bsize = info.block_size;
    out.f_frsize = info.block_size;
    out.f_blocks = info.blocks;
    out.f_bfree = info.blocks_free;
    out.f_bavail = info.blocks_avail;
    out.f_files = info.files;
    out.f_ffree = info.files_free;
    out.f_namelen = FS_NAME_MAX;
    out.f_flags = info.read_only ? ST_RDONLY : 0;
    return put_struct(call, &out, sizeof(out));
}

static int do_utimes(void *ctx, const struct ipc_call *call, const char *path, int64_t mtime_sec)
{
    struct fs_attr attr = { .mtime = { .sec = mtime_sec } };
    struct vnode *top;
    struct walk w;
    int st = base_dir(ctx, &top);

    (void)call;
    if (st != 0)
        return st;
    fiber_write_lock(&mounts.lock);
    st = walk_path(&w, top, path, 0);
    if (st == 0) {
        st = fs_setattr(w.vn, FS_SET_MTIME, &attr);
        walk_end(&w);
    }
    fiber_write_unlock(&mounts.lock);
    return st;
}

/* ---- changing directories ---------------------------------------------------------------------- */

/*
 * Take the exclusive hold and walk to a name that is to be made or removed. After 0 the caller ends
 * with end_change().
 */
static int begin_change(const struct request *req, const char *path, unsigned how, struct walk *w)
{
    struct vnode *top;
    int st = base_dir(req, &top);

    if (st != 0)
        return st;
    fiber_write_lock(&mounts.lock);
    st = walk_path(w, top, path, how | WALK_NOFOLLOW);
    if (st != 0)
        fiber_write_unlock(&mounts.lock);
    return st;
}

static void end_change(struct walk *w)
{
    walk_end(w);
    fiber_write_unlock(&mounts.lock);
}

static int do_mkdir(void *ctx, const struct ipc_call *call, uint32_t mode, const char *path)
{
    struct walk w;
    int st = begin_change(ctx, path, WALK_MISSING_OK, &w);

    (void)call;
    if (st != 0)
        return st;
    st = w.vn != NULL ? -EEXIST : fs_mkdir(w.dir, w.name, w.len, mode & MODE_BITS, NULL);
    end_change(&w);
    return st;
}

/* Names that cannot go: the directory a path ends in without a name, and the mounted initrd. */
static int check_removable(const struct walk *w)
{
    return w->len == 0 || walk_is_mount(w) ? -EBUSY : 0;
}

static int do_unlink(void *ctx, const struct ipc_call *call, uint32_t flags, const char *path)
{
    struct walk w;
    int st;

    (void)call;
    if ((flags & ~(uint32_t)AT_REMOVEDIR) != 0)
        return -EINVAL;
    st = begin_change(ctx, path, 0, &w);
    if (st != 0)
        return st;
    st = check_removable(&w);
    if (st == 0 && flags != 0)
        st = fs_rmdir(w.dir, w.name, w.len);
    else if (st == 0)
        st = fs_unlink(w.dir, w.name, w.len);
    if (st == 0)
        image_changed(w.vn);
    end_change(&w);
    return st;
}

/* Rename what `from` found to what `to` found, or did not. Exclusive hold. */
static int rename_walked(const struct walk *from, const struct walk *to)
{
    int st = check_removable(from);

    if (st == 0)
        st = check_removable(to);
    if (st != 0)
        return st;
    if (vnode_fs(from->dir) != vnode_fs(to->dir))
        return -EXDEV;
    if (to->slash && vnode_type(from->vn) != FS_IFDIR)
        return -ENOTDIR;
    return fs_rename(from->dir, from->name, from->len, to->dir, to->name, to->len, 0);
}

static int do_rename(void *ctx, const struct ipc_call *call, const char *from, const char *to)
{
    struct request *req = ctx;
    struct walk a, b;
    int st = begin_change(req, from, 0, &a);

    (void)call;
    if (st != 0)
        return st;
    st = walk_path(&b, req->file->vn, to, WALK_MISSING_OK | WALK_NOFOLLOW);
    if (st == 0) {
        st = rename_walked(&a, &b);
        walk_end(&b);
    }
    end_change(&a);
    return st;
}

static int do_symlink(void *ctx, const struct ipc_call *call, const char *target, const char *path)
{
    size_t len = strlen(target);
    struct walk w;
    int st;

    (void)call;
    if (len == 0)
        return -ENOENT;
    st = begin_change(ctx, path, WALK_MISSING_OK, &w);
    if (st != 0)
        return st;
    st = w.vn != NULL ? -EEXIST : fs_symlink(w.dir, w.name, w.len, target, len, NULL);
    end_change(&w);
    return st;
}

/* ---- flags ---------------------------------------------------------------------------------------- */

static int do_flags(void *ctx, const struct ipc_call *call, uint32_t clear, uint32_t set,
                    uint32_t *flags)
{
    struct open_file *file = ((struct request *)ctx)->file;

    (void)call;
    if (file->is_root)
        return -EBADF;
    if (((clear | set) & ~(uint32_t)(O_APPEND | O_NONBLOCK)) != 0)
        return -EINVAL;
    file->access = (file->access & ~clear) | set;
    *flags = file->access;
    return 0;
}

/* ---- stopping ------------------------------------------------------------------------------------- */

/* Wait for the other requests, make all durable and mark the disk clean. */
static int do_stop(void *ctx, const struct ipc_call *call)
{
    int st;

    (void)call;
    if (((struct request *)ctx)->badge != BADGE_SUPERVISOR || server_stopping)
        return -EACCES;
    server_stopping = true;
    while (fiber_count() > 1)
        fiber_wait(&server_stopping);
    files_forget();
    vnode_put(mounts.boot_vn);
    vnode_put(mounts.root_vn);
    st = fs_unmount(mounts.root);
    (void)fs_unmount(mounts.boot);
    if (st == 0)
        say("FSD: unmounted");
    else
        say_error("FSD: unmount failed: %s", strerror(-st));
    server_stopped = true;
    return st;
}

/* ---- dispatch ----------------------------------------------------------------------------------- */

static const struct file_ops file_ops = {
    .open = do_open,
    .read = do_read,
    .write = do_write,
    .seek = do_seek,
    .readdir = do_readdir,
    .stat = do_stat,
    .stat_path = do_stat_path,
    .truncate = do_truncate,
    .sync = do_sync,
    .mkdir = do_mkdir,
    .unlink = do_unlink,
    .rename = do_rename,
    .symlink = do_symlink,
    .readlink = do_readlink,
    .statfs = do_statfs,
    .utimes = do_utimes,
    .image = do_image,
    .flags = do_flags,
};

static const struct service_ops service_ops = { .stop = do_stop };

bool server_answer(handle_t ep, struct request *req)
{
    enum proto_result result;

    req->file = file_get(req->badge);
    if (req->file == NULL)
        return proto_refuse(&req->msg, -EBADF) == PROTO_REPLY;
    result = file_dispatch(&file_ops, req, ep, &req->msg);
    if (result == PROTO_OTHER)
        result = service_dispatch(&service_ops, req, ep, &req->msg);
    if (result == PROTO_OTHER)
        result = proto_refuse(&req->msg, -ENOSYS);
    file_put(req->file);
    return result == PROTO_REPLY;
}
