/*
 * A cpio archive (newc, as the initrd is) as a read-only file system.
 *
 * Mounting reads the headers once and makes a tree of nodes; names and contents stay in the
 * archive. Nothing in it is trusted: an entry that makes no sense (a name with "..", a length
 * beyond the end, a file in place of a directory) is left out and told of; a header that makes no
 * sense ends the reading, as nothing behind it can be found.
 *
 * newc: a header of 110 bytes (magic "070701", then 13 numbers of 8 hexadecimal digits), the name
 * with its NUL, padding to 4 bytes, the contents, padding to 4 bytes; the last is "TRAILER!!!".
 */
#include "path.h"
#include "vnode.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER = 110,
    MAX_NODES = 1 << 20,
    MAX_MESSAGES = 20,
    NONE = 0,                   /* no node: number 0 is not used */
    ROOT = 1,
    PATH_MAX_BYTES = PATH_SIZE_MAX,
};

/* The header's numbers, in their order. */
enum {
    C_INO,
    C_MODE,
    C_UID,
    C_GID,
    C_NLINK,
    C_MTIME,
    C_FILESIZE,
    C_DEVMAJOR,
    C_DEVMINOR,
    C_RDEVMAJOR,
    C_RDEVMINOR,
    C_NAMESIZE,
    C_CHECK,
    C_FIELDS
};

struct node {
    uint32_t parent, first_child, last_child, next;     /* node numbers */
    uint32_t hash_next;
    const char *name;           /* in the archive, not terminated */
    const uint8_t *data;
    uint32_t size;
    uint32_t mode, uid, gid, mtime, nlink, rdev;
    uint32_t link_id[3];        /* inode and device in the archive: equal for hard links */
    uint8_t name_len;
};

struct cpiofs {
    struct fs fs;
    const uint8_t *archive;
    size_t size;
    struct node *nodes;         /* numbers are inode numbers */
    uint32_t count, allocated;
    uint32_t *hash;             /* nodes by parent and name */
    uint32_t hash_size;
    unsigned nmessages;
};

/* ---- The tree ------------------------------------------------------------------------------ */

static uint32_t *hash_slot(struct cpiofs *cf, uint32_t parent, const char *name, size_t len)
{
    uint32_t h = 2166136261u ^ parent;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * 16777619u;
    return &cf->hash[h & (cf->hash_size - 1)];
}

static uint32_t find_child(struct cpiofs *cf, uint32_t parent, const char *name, size_t len)
{
    uint32_t i = *hash_slot(cf, parent, name, len);
    for (; i != NONE; i = cf->nodes[i].hash_next) {
        const struct node *n = &cf->nodes[i];
        if (n->parent == parent && n->name_len == len && memcmp(n->name, name, len) == 0)
            break;
    }
    return i;
}

static int grow(struct cpiofs *cf)
{
    if (cf->count < cf->allocated)
        return 0;
    uint32_t n = cf->allocated ? cf->allocated * 2 : 64;
    if (n > MAX_NODES)
        return -ENOMEM;
    struct node *nodes = realloc(cf->nodes, n * sizeof *nodes);
    if (!nodes)
        return -ENOMEM;
    cf->nodes = nodes;
    uint32_t *hash = realloc(cf->hash, n * sizeof *hash);
    if (!hash)
        return -ENOMEM;
    cf->hash = hash;
    cf->allocated = cf->hash_size = n;
    memset(hash, 0, n * sizeof *hash);
    for (uint32_t i = ROOT + 1; i < cf->count; i++) {
        struct node *node = &nodes[i];
        uint32_t *slot = hash_slot(cf, node->parent, node->name, node->name_len);
        node->hash_next = *slot;
        *slot = i;
    }
    return 0;
}

static int add_child(struct cpiofs *cf, uint32_t parent, const char *name, size_t len,
                     uint32_t *out)
{
    int err = grow(cf);
    if (err)
        return err;
    uint32_t i = cf->count++, *slot = hash_slot(cf, parent, name, len);
    struct node *up = &cf->nodes[parent];
    cf->nodes[i] = (struct node){ .parent = parent,
                                  .name = name,
                                  .name_len = (uint8_t)len,
                                  .mode = FS_IFDIR | 0755,
                                  .nlink = 2,
                                  .hash_next = *slot };
    *slot = i;
    if (up->last_child)
        cf->nodes[up->last_child].next = i;
    else
        up->first_child = i;
    up->last_child = i;
    *out = i;
    return 0;
}

static bool is_dir(const struct cpiofs *cf, uint32_t i)
{
    return (cf->nodes[i].mode & FS_IFMT) == FS_IFDIR;
}

/*
 * The node of a path, made with all that leads to it if need be. -EINVAL: a path that is none.
 * *made: the node itself is new.
 */
static int make_path(struct cpiofs *cf, const char *path, size_t size, uint32_t *out, bool *made)
{
    const char *end = path + size, *name;
    size_t len;
    uint32_t at = ROOT;
    *made = false;
    while (path_next(&path, end, &name, &len)) {
        if (len == 1 && name[0] == '.')
            continue;
        if ((len == 2 && name[0] == '.' && name[1] == '.') || len > FS_NAME_MAX || !is_dir(cf, at))
            return -EINVAL;
        uint32_t child = find_child(cf, at, name, len);
        *made = child == NONE;
        if (*made) {
            int err = add_child(cf, at, name, len, &child);
            if (err)
                return err;
        }
        at = child;
    }
    *out = at;
    return 0;
}

/* ---- Reading the archive ------------------------------------------------------------------- */

struct entry {
    uint32_t field[C_FIELDS];
    const char *name;
    size_t name_len;
    const uint8_t *data;
    size_t end;                 /* offset behind it */
};

static void tell(struct cpiofs *cf, const char *what, size_t offset)
{
    if (++cf->nmessages < MAX_MESSAGES)
        fs_message(&cf->fs, "cpio: %s at byte %llu", what, (unsigned long long)offset);
    else if (cf->nmessages == MAX_MESSAGES)
        fs_message(&cf->fs, "cpio: more of it, not told any more");
}

static bool parse_hex(const uint8_t *text, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 8; i++) {
        unsigned c = text[i], lower = c | 0x20;
        if (c >= '0' && c <= '9')
            c -= '0';
        else if (lower >= 'a' && lower <= 'f')
            c = lower - 'a' + 10;
        else
            return false;
        *value = *value << 4 | c;
    }
    return true;
}

static size_t align4(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* The entry at `offset`; NULL, or what is wrong with it. */
static const char *parse_entry(const struct cpiofs *cf, size_t offset, struct entry *e)
{
    const uint8_t *h = cf->archive + offset;
    size_t left = cf->size - offset;
    if (left < HEADER)
        return "the archive ends without its trailer";
    if (memcmp(h, "070701", 6) && memcmp(h, "070702", 6))
        return "bad magic";
    for (int i = 0; i < C_FIELDS; i++) {
        if (!parse_hex(h + 6 + 8 * i, &e->field[i]))
            return "bad number";
    }
    size_t name_size = e->field[C_NAMESIZE], size = e->field[C_FILESIZE];
    if (name_size == 0 || name_size > PATH_MAX_BYTES || name_size > left - HEADER)
        return "bad name length";
    e->name = (const char *)h + HEADER;
    if (e->name[name_size - 1] != '\0')
        return "a name without end";
    e->name_len = strlen(e->name);
    size_t data = align4(offset + HEADER + name_size);
    if (data > cf->size || size > cf->size - data)
        return "contents beyond the end";
    e->data = cf->archive + data;
    e->end = align4(data + size);
    return NULL;
}

static void fill_node(struct node *node, const struct entry *e)
{
    node->mode = e->field[C_MODE] & 0177777;
    node->uid = e->field[C_UID];
    node->gid = e->field[C_GID];
    node->mtime = e->field[C_MTIME];
    node->nlink = e->field[C_NLINK] ? e->field[C_NLINK] : 1;
    node->rdev = (e->field[C_RDEVMAJOR] & 0xFFF) << 8 | (e->field[C_RDEVMINOR] & 0xFF);
    node->data = e->data;
    node->size = e->field[C_FILESIZE];
    node->link_id[0] = e->field[C_INO];
    node->link_id[1] = e->field[C_DEVMAJOR];
    node->link_id[2] = e->field[C_DEVMINOR];
}

static const char *check_type(const struct entry *e)
{
    switch (e->field[C_MODE] & FS_IFMT) {
    case FS_IFREG:
    case FS_IFDIR:
    case FS_IFCHR:
    case FS_IFBLK:
    case FS_IFIFO:
    case FS_IFSOCK: return NULL;
    case FS_IFLNK:
        return e->field[C_FILESIZE] == 0 || e->field[C_FILESIZE] > FS_SYMLINK_MAX ||
                       memchr(e->data, '\0', e->field[C_FILESIZE])
                   ? "left out: a bad symbolic link"
                   : NULL;
    default: return "left out: an unknown file type";
    }
}

/* Put one entry into the tree; -ENOMEM is the only error that ends the reading. */
static int add_entry(struct cpiofs *cf, const struct entry *e, size_t offset)
{
    const char *wrong = check_type(e);
    uint32_t i = ROOT;
    bool made, dir = (e->field[C_MODE] & FS_IFMT) == FS_IFDIR;
    if (wrong) {
        tell(cf, wrong, offset);
        return 0;
    }
    int err = make_path(cf, e->name, e->name_len, &i, &made);
    if (err == -EINVAL || (!err && !made && (is_dir(cf, i) != dir))) {
        tell(cf, "left out: a bad path", offset);
        return 0;
    }
    if (!err)
        fill_node(&cf->nodes[i], e);
    return err;
}

static int parse_archive(struct cpiofs *cf)
{
    for (size_t offset = 0;;) {
        struct entry e;
        const char *wrong = offset < cf->size ? parse_entry(cf, offset, &e)
                                              : "the archive ends without its trailer";
        if (wrong) {
            if (offset == 0)
                return -EINVAL;
            tell(cf, wrong, offset);
            return 0;
        }
        if (strcmp(e.name, "TRAILER!!!") == 0)
            return 0;
        int err = add_entry(cf, &e, offset);
        if (err)
            return err;
        offset = e.end;
    }
}

static int compare_links(const void *a, const void *b)
{
    const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;
    int order = memcmp(x->link_id, y->link_id, sizeof x->link_id);
    if (order == 0)
        order = (x->size < y->size) - (x->size > y->size);      /* the one with contents first */
    return order ? order : (x > y) - (x < y);
}

/* Of files with several links only one has the contents: give them to all. */
static int join_links(struct cpiofs *cf)
{
    struct node **linked = malloc(cf->count * sizeof *linked);
    size_t n = 0;
    if (!linked)
        return -ENOMEM;
    for (uint32_t i = ROOT; i < cf->count; i++) {
        struct node *node = &cf->nodes[i];
        if ((node->mode & FS_IFMT) == FS_IFREG && node->nlink > 1)
            linked[n++] = node;
    }
    qsort(linked, n, sizeof *linked, compare_links);
    for (size_t i = 1; i < n; i++) {
        if (linked[i]->size == 0 &&
            memcmp(linked[i]->link_id, linked[i - 1]->link_id, sizeof linked[i]->link_id) == 0) {
            linked[i]->data = linked[i - 1]->data;
            linked[i]->size = linked[i - 1]->size;
        }
    }
    free(linked);
    return 0;
}

/* ---- The file system ----------------------------------------------------------------------- */

static const struct node *node_of(const struct vnode *vn)
{
    return &((const struct cpiofs *)vn->fs)->nodes[vn->ino];
}

static int cpio_load(struct vnode *vn)
{
    vn->mode = node_of(vn)->mode;
    return 0;
}

static void cpio_release(struct vnode *vn)
{
    (void)vn;
}

static int cpio_nothing(struct fs *fs)
{
    (void)fs;
    return 0;
}

static size_t cpio_dirty_bytes(const struct fs *fs)
{
    (void)fs;
    return 0;
}

static void destroy(struct cpiofs *cf)
{
    free(cf->nodes);
    free(cf->hash);
    free(cf);
}

static void cpio_unmount(struct fs *fs, int *status)
{
    (void)status;
    destroy((struct cpiofs *)fs);
}

static int cpio_statfs(struct fs *fs, struct fs_statfs *out)
{
    const struct cpiofs *cf = (const struct cpiofs *)fs;
    out->type = 0x858458F6;     /* ramfs */
    out->block_size = 4096;
    out->blocks = (cf->size + 4095) / 4096;
    out->files = cf->count - 1;
    return 0;
}

static int cpio_stat(struct vnode *vn, struct fs_stat *out)
{
    const struct node *node = node_of(vn);
    out->nlink = node->nlink;
    out->uid = node->uid;
    out->gid = node->gid;
    out->rdev = node->rdev;
    out->size = (node->mode & FS_IFMT) == FS_IFDIR ? 0 : node->size;
    out->blocks = (out->size + 511) / 512;
    out->blksize = 4096;
    out->atime.sec = out->mtime.sec = out->ctime.sec = node->mtime;
    return 0;
}

static int64_t cpio_read(struct vnode *vn, uint64_t offset, void *buf, size_t len)
{
    const struct node *node = node_of(vn);
    if (offset >= node->size)
        return 0;
    if (len > node->size - offset)
        len = node->size - (size_t)offset;
    memcpy(buf, node->data + offset, len);
    return (int64_t)len;
}

static int64_t cpio_readlink(struct vnode *vn, char *buf, size_t size)
{
    const struct node *node = node_of(vn);
    memcpy(buf, node->data, node->size < size ? node->size : size);
    return node->size;
}

static int cpio_lookup(struct vnode *dir, const char *name, size_t len, uint64_t *ino)
{
    if (len == 2 && name[0] == '.' && name[1] == '.')
        *ino = node_of(dir)->parent;
    else
        *ino = find_child((struct cpiofs *)dir->fs, (uint32_t)dir->ino, name, len);
    return *ino == NONE ? -ENOENT : 0;
}

/* Cursors: 0 ".", 1 "..", then 2 + the node to show; UINT64_MAX is the end. */
static uint64_t cursor_of(uint32_t node)
{
    return node == NONE ? UINT64_MAX : 2 + (uint64_t)node;
}

static int cpio_readdir(struct vnode *dir, uint64_t *pos, fs_dirent_fn emit, void *arg)
{
    const struct cpiofs *cf = (const struct cpiofs *)dir->fs;
    const struct node *d = node_of(dir);
    while (*pos != UINT64_MAX) {
        struct fs_dirent e = { dir->ino, 1, FS_IFDIR >> 12, 1, "." };
        if (*pos == 1) {
            e = (struct fs_dirent){ d->parent, cursor_of(d->first_child), FS_IFDIR >> 12, 2, ".." };
        } else if (*pos >= 2) {
            if (*pos - 2 >= cf->count || *pos - 2 <= ROOT)
                return -EINVAL;
            const struct node *n = &cf->nodes[*pos - 2];
            if (n->parent != dir->ino)
                return -EINVAL;
            e = (struct fs_dirent){ *pos - 2, cursor_of(n->next), (uint8_t)(n->mode >> 12 & 15),
                                    n->name_len, n->name };
        }
        if (!emit(arg, &e))
            return 0;
        *pos = e.next;
    }
    return 1;
}

static const struct fs_ops cpio_ops = {
    .type = "cpio",
    .vnode_size = sizeof(struct vnode),
    .load = cpio_load,
    .release = cpio_release,
    .unmount = cpio_unmount,
    .sync = cpio_nothing,
    .settle = cpio_nothing,
    .statfs = cpio_statfs,
    .dirty_bytes = cpio_dirty_bytes,
    .read = cpio_read,
    .stat = cpio_stat,
    .readlink = cpio_readlink,
    .lookup = cpio_lookup,
    .readdir = cpio_readdir,
};

static int build(struct cpiofs *cf)
{
    cf->count = ROOT;
    int err = grow(cf);
    if (err)
        return err;
    cf->nodes[ROOT] =
        (struct node){ .parent = ROOT, .mode = FS_IFDIR | 0755, .nlink = 2, .name = "" };
    cf->count = ROOT + 1;
    err = parse_archive(cf);
    if (!err)
        err = join_links(cf);
    struct vnode *root;
    cf->fs.root_ino = ROOT;
    return err ? err : vnode_find(&cf->fs, ROOT, &root);
}

int cpiofs_mount(const void *archive, size_t size, const struct fs_env *env, struct fs **out,
                 char reason[FS_REASON_MAX])
{
    reason[0] = '\0';
    struct cpiofs *cf = calloc(1, sizeof *cf);
    if (!cf)
        return -ENOMEM;
    fs_init(&cf->fs, &cpio_ops, env);
    cf->fs.read_only = true;
    cf->archive = archive;
    cf->size = size;
    int err = build(cf);
    if (err) {
        strcpy(reason, err == -EINVAL ? "not a cpio archive" : "out of memory");
        destroy(cf);
        return err;
    }
    *out = &cf->fs;
    return 0;
}
