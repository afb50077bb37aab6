/*
 * Random operations on ext2 beside a simple model in memory: the same results, the same contents,
 * a clean image, and the same files as debugfs sees them.
 *
 * test_ext2_model [ROUNDS [SEED]]; each round is 600 operations on a fresh image.
 *
 * SOURCES: services/fsd/balloc.c services/fsd/cache.c services/fsd/check.c services/fsd/dir.c services/fsd/dirindex.c services/fsd/file.c services/fsd/fs.c services/fsd/inode.c services/fsd/map.c services/fsd/mkfs.c services/fsd/namei.c services/fsd/ramdisk.c services/fsd/super.c services/fsd/txn.c
 */
#include "fs_image.h"

enum { MAX_NODES = 120, MAX_SIZE = 90000, OPERATIONS = 600 };

struct file {                   /* shared by its hard links */
    uint8_t *data;              /* MAX_SIZE bytes, zeros behind size */
    uint32_t size, links;
};

struct node {
    char path[200];
    char kind;                  /* 'd', 'f', 'l'; 0: free */
    struct file *file;
};

static struct node nodes[MAX_NODES];

static struct node *find(const char *path)
{
    for (int i = 0; i < MAX_NODES; i++) {
        if (nodes[i].kind && !strcmp(nodes[i].path, path))
            return &nodes[i];
    }
    return NULL;
}

static unsigned rnd(unsigned n)
{
    return (unsigned)(check_random() >> 11) % n;
}

static struct node *any(const char *kinds)
{
    for (int tries = 0; tries < 200; tries++) {
        struct node *n = &nodes[rnd(MAX_NODES)];
        if (n->kind && strchr(kinds, n->kind))
            return n;
    }
    return NULL;
}

/* A name that is often taken already, in some directory. */
static void any_path(char *path)
{
    struct node *dir = rnd(3) ? any("d") : NULL;
    static const char *const long_name = "a-name-that-takes-some-room-in-its-directory-";
    snprintf(path, 200, "%.90s%s%s%u", dir ? dir->path : "", dir ? "/" : "",
             rnd(4) ? "n" : long_name, rnd(14));
}

/* What must hold before something is made at `path`: 0, -ENOENT, -ENOTDIR. */
static int parent_error(const char *path)
{
    char parent[200];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash)
        return 0;
    *slash = '\0';
    struct node *n = find(parent);
    if (n)
        return n->kind == 'd' ? 0 : -ENOTDIR;
    int err = parent_error(parent);
    return err ? err : -ENOENT;
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return !strncmp(path, dir, len) && path[len] == '/';
}

static int children(const char *dir)
{
    int n = 0;
    for (int i = 0; i < MAX_NODES; i++) {
        if (!nodes[i].kind)
            continue;
        const char *slash = strrchr(nodes[i].path, '/');
        size_t len = slash ? (size_t)(slash - nodes[i].path) : 0;
        n += len == strlen(dir) && !strncmp(nodes[i].path, dir, len);
    }
    return n;
}

static struct node *add(const char *path, char kind, struct file *file)
{
    for (int i = 0; i < MAX_NODES; i++) {
        if (nodes[i].kind)
            continue;
        snprintf(nodes[i].path, sizeof nodes[i].path, "%s", path);
        nodes[i].kind = kind;
        nodes[i].file = file;
        if (file)
            file->links++;
        return &nodes[i];
    }
    return NULL;
}

static void drop(struct node *n)
{
    if (n->file && --n->file->links == 0) {
        free(n->file->data);
        free(n->file);
    }
    n->kind = 0;
    n->file = NULL;
}

static bool room(void)
{
    int n = 0;
    for (int i = 0; i < MAX_NODES; i++)
        n += nodes[i].kind != 0;
    return n < MAX_NODES - 2;
}

static struct file *new_file(void)
{
    struct file *file = calloc(1, sizeof *file);
    file->data = calloc(1, MAX_SIZE);
    return file;
}

/* ---- Operations: each does the same to both, and compares ---------------------------------- */

static int expect_new(const char *path)
{
    int err = parent_error(path);
    return err ? err : find(path) ? -EEXIST : 0;
}

static void op_create(struct fs *fs)
{
    char path[200];
    any_path(path);
    int want = expect_new(path);
    if (want == 0 && !room())
        return;
    unsigned what = rnd(6);
    if (what == 0) {
        int err = do_mkdir(fs, path);
        CHECK(err == want, "mkdir %s: %d, not %d", path, err, want);
        if (!err)
            add(path, 'd', NULL);
    } else if (what == 1) {
        char target[300];
        snprintf(target, sizeof target, "%0*u", 1 + (int)rnd(200), rnd(1000));
        int err = do_symlink(fs, path, target);
        CHECK(err == want, "symlink %s: %d, not %d", path, err, want);
        if (!err) {
            struct file *file = new_file();
            file->size = (uint32_t)strlen(target);
            memcpy(file->data, target, file->size);
            add(path, 'l', file);
        }
    } else {
        struct vnode *vn = NULL;
        int err = do_create(fs, path, &vn);
        CHECK(err == want, "create %s: %d, not %d", path, err, want);
        if (!err)
            add(path, 'f', new_file());
        vnode_put(vn);
    }
}

static void op_write(struct fs *fs)
{
    static uint8_t data[30000];
    struct node *n = any("f");
    if (!n)
        return;
    uint32_t offset = rnd(3) ? rnd(n->file->size + 1) : rnd(MAX_SIZE - 30000);
    uint32_t len = rnd(4) ? rnd(3000) : rnd(30000);
    if (offset + len > MAX_SIZE)
        return;
    fill(data, len, check_random());
    int err;
    struct vnode *vn = walk(fs, n->path, &err);
    int64_t done = vn ? fs_write(vn, offset, data, len) : err;
    CHECK(done == len, "write %s: %lld of %u", n->path, (long long)done, len);
    memcpy(n->file->data + offset, data, len);
    if (len && offset + len > n->file->size)
        n->file->size = offset + len;
    vnode_put(vn);
}

static void op_truncate(struct fs *fs)
{
    struct node *n = any("f");
    if (!n)
        return;
    uint32_t size = rnd(2) ? rnd(MAX_SIZE) : rnd(n->file->size + 1);
    int err;
    struct vnode *vn = walk(fs, n->path, &err);
    CHECK(vn && fs_truncate(vn, size) == 0, "truncate %s", n->path);
    if (size < n->file->size)
        memset(n->file->data + size, 0, n->file->size - size);
    n->file->size = size;
    vnode_put(vn);
}

static void op_remove(struct fs *fs)
{
    char path[200];
    struct node *some = rnd(4) ? any("dfl") : NULL;
    if (some)
        snprintf(path, sizeof path, "%s", some->path);
    else
        any_path(path);
    struct node *n = find(path);
    bool directory = n && n->kind == 'd' ? rnd(8) != 0 : rnd(8) == 0;
    int want = parent_error(path);
    if (!want && !n)
        want = -ENOENT;
    if (!want && (n->kind == 'd') != directory)
        want = directory ? -ENOTDIR : -EISDIR;
    if (!want && directory && children(path))
        want = -ENOTEMPTY;
    int err = do_remove(fs, path, directory);
    CHECK(err == want, "remove %s: %d, not %d", path, err, want);
    if (!err)
        drop(n);
}

static void op_link(struct fs *fs)
{
    char path[200];
    struct node *n = any("fl");
    any_path(path);
    if (!n || !room())
        return;
    int want = expect_new(path), err = do_link(fs, path, n->path);
    CHECK(err == want, "link %s to %s: %d, not %d", path, n->path, err, want);
    if (!err)
        add(path, n->kind, n->file);
}

static int expect_rename(const struct node *from, const char *to)
{
    struct node *n = find(to);
    int err = parent_error(to);
    if (err)
        return err;
    if (n == from || (n && n->file && n->file == from->file))
        return 0;
    if (from->kind == 'd' && is_below(to, from->path))
        return -EINVAL;
    if (n && from->kind == 'd' && n->kind != 'd')
        return -ENOTDIR;
    if (n && from->kind != 'd' && n->kind == 'd')
        return -EISDIR;
    return n && n->kind == 'd' && children(to) ? -ENOTEMPTY : 0;
}

static void move(struct node *from, const char *to)
{
    char old[200];
    struct node *victim = find(to);
    if (victim == from || (victim && victim->file && victim->file == from->file))
        return;
    if (victim)
        drop(victim);
    snprintf(old, sizeof old, "%s", from->path);
    for (int i = 0; i < MAX_NODES; i++) {
        struct node *n = &nodes[i];
        char path[500];
        if (!n->kind || (n != from && !is_below(n->path, old)))
            continue;
        snprintf(path, sizeof path, "%s%s", to, n->path + strlen(old));
        memcpy(n->path, path, sizeof n->path);
        n->path[sizeof n->path - 1] = '\0';
    }
}

/* Would a path of the model get too long? */
static bool too_long(const struct node *from, const char *to)
{
    size_t longest = 0;
    for (int i = 0; i < MAX_NODES; i++) {
        if (nodes[i].kind && is_below(nodes[i].path, from->path) && strlen(nodes[i].path) > longest)
            longest = strlen(nodes[i].path);
    }
    return longest && longest - strlen(from->path) + strlen(to) >= sizeof from->path;
}

static void op_rename(struct fs *fs)
{
    char to[200];
    struct node *from = any("dfl");
    any_path(to);
    if (!from || too_long(from, to))
        return;
    int want = expect_rename(from, to), err = do_rename(fs, from->path, to);
    CHECK(err == want, "rename %s to %s: %d, not %d", from->path, to, err, want);
    if (!err)
        move(from, to);
}

static void check_node(struct fs *fs, const struct node *n)
{
    static uint8_t got[MAX_SIZE + 1];
    int err;
    if (n->kind == 'd') {
        int count = count_entries(fs, n->path);
        CHECK(count == children(n->path), "%s: %d entries, not %d", n->path, count,
              children(n->path));
        return;
    }
    struct vnode *vn = walk(fs, n->path, &err);
    struct fs_stat st;
    CHECK(vn && fs_stat(vn, &st) == 0 && st.size == n->file->size && st.nlink == n->file->links,
          "%s: size %llu, not %u", n->path, vn ? (unsigned long long)st.size : 0, n->file->size);
    int64_t len = !vn              ? err
                  : n->kind == 'f' ? fs_read(vn, 0, got, sizeof got)
                                   : fs_readlink(vn, (char *)got, sizeof got);
    CHECK(len == n->file->size && !memcmp(got, n->file->data, n->file->size), "%s", n->path);
    vnode_put(vn);
}

static void check_all(struct fs *fs)
{
    for (int i = 0; i < MAX_NODES; i++) {
        if (nodes[i].kind)
            check_node(fs, &nodes[i]);
    }
}

/* The files as debugfs takes them out of the image. */
static void check_outside(void)
{
    static uint8_t got[MAX_SIZE + 1];
    CHECK(run("rm -rf outside && mkdir outside && debugfs -R 'rdump / outside' image") == 0);
    for (int i = 0; i < MAX_NODES; i++) {
        char path[300];
        struct stat st;
        snprintf(path, sizeof path, "outside/%s", nodes[i].path);
        if (nodes[i].kind == 'd')
            CHECK(stat(path, &st) == 0 && S_ISDIR(st.st_mode), "%s", path);
        if (nodes[i].kind != 'f')
            continue;
        FILE *f = fopen(path, "rb");
        size_t n = f ? fread(got, 1, sizeof got, f) : 0;
        CHECK(f && n == nodes[i].file->size && !memcmp(got, nodes[i].file->data, n), "%s", path);
        if (f)
            fclose(f);
    }
}

static void one_round(const char *options, unsigned cache_kib)
{
    struct image *im = image_mke2fs(options, 7000);
    struct fs *fs = image_mount(im, cache_kib);
    static void (*const ops[])(struct fs *) = { op_create, op_create, op_create,   op_write,
                                                op_write,  op_write,  op_truncate, op_remove,
                                                op_link,   op_rename, op_rename };
    for (int i = 0; i < OPERATIONS && !check_failures; i++) {
        ops[rnd(sizeof ops / sizeof ops[0])](fs);
        if (rnd(40) == 0)
            CHECK(fs_sync(fs) == 0);
        if (rnd(100) == 0) {
            CHECK(fs_unmount(fs) == 0);
            fs = image_mount(im, cache_kib);
            CHECK(fs && !image_reason[0], "%s", image_reason);
            if (!fs)
                return;
        }
    }
    check_all(fs);
    CHECK(fs_unmount(fs) == 0 && image_is_clean(im));
    check_outside();
    image_free(im);
    for (int i = 0; i < MAX_NODES; i++) {
        if (nodes[i].kind)
            drop(&nodes[i]);
    }
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = { "-t ext2 -b 1024", "-t ext2 -b 4096",
                                         "-t ext2 -b 1024 -I 128 -O ^filetype",
                                         "-t ext2 -b 2048 -O ^sparse_super,^resize_inode" };
    int rounds = argc > 1 ? atoi(argv[1]) : 8;
    if (argc > 2)
        check_seed = strtoull(argv[2], NULL, 0) * 2654435761u + 1;
    image_enter();
    for (int i = 0; i < rounds && !check_failures; i++) {
        uint64_t seed = check_seed;
        one_round(kinds[i % 4], i % 3 ? 130 : 2000);
        if (check_failures)
            fprintf(stderr, "round %d, state of the generator before it %#llx\n", i,
                    (unsigned long long)seed);
    }
    return check_done("ext2 model");
}
