/*
 * libFuzzer on the cpio file system: whatever the archive, mounting and looking at everything in it
 * neither crashes nor hangs, and what is there can be found by the name that it is listed with.
 *
 * SOURCES: services/fsd/cpiofs.c services/fsd/fs.c services/fsd/path.c
 */
#include "fs_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct scan {
    struct fs *fs;
    unsigned entries, depth;
};

struct listing {
    struct fs_dirent entries[64];
    char names[64][256];
    unsigned n;
};

static bool list(void *arg, const struct fs_dirent *e)
{
    struct listing *l = arg;
    if (l->n == 64)
        return false;
    l->entries[l->n] = *e;
    memcpy(l->names[l->n], e->name, e->name_len);
    l->names[l->n++][e->name_len] = '\0';
    return true;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static void look(struct scan *s, struct vnode *vn);

/* One entry as listed: its name leads to the same file. */
static void follow(struct scan *s, struct vnode *dir, const struct fs_dirent *e, const char *name)
{
    struct vnode *vn;
    must(e->name_len > 0 && !memchr(name, '/', e->name_len) && !memchr(name, 0, e->name_len),
         "name");
    must(fs_lookup(dir, name, e->name_len, &vn) == 0, "a listed name is found");
    must(vnode_ino(vn) == e->ino && vnode_type(vn) >> 12 == e->type, "the same file");
    if (strcmp(name, ".") && strcmp(name, "..") && ++s->entries < 3000 && s->depth < 40) {
        s->depth++;
        look(s, vn);
        s->depth--;
    }
    vnode_put(vn);
}

static void look(struct scan *s, struct vnode *vn)
{
    uint8_t data[300];
    struct fs_stat st;
    must(fs_stat(vn, &st) == 0, "stat");
    must(fs_unlink(vn, "x", 1) < 0 && fs_truncate(vn, 0) < 0, "read-only");
    if (vnode_type(vn) == FS_IFREG) {
        must(fs_read(vn, 0, data, 300) == (int64_t)(st.size < 300 ? st.size : 300), "start");
        must(fs_read(vn, st.size, data, 300) == 0, "end");
        must(st.size == 0 || fs_read(vn, st.size - 1, data, 300) == 1, "last byte");
    } else if (vnode_type(vn) == FS_IFLNK) {
        must(fs_readlink(vn, (char *)data, 300) == (int64_t)st.size, "readlink");
    } else if (vnode_type(vn) == FS_IFDIR) {
        struct listing *l = calloc(1, sizeof *l);
        uint64_t pos = 0;
        int end;
        do {
            l->n = 0;
            end = fs_readdir(vn, &pos, list, l);
            must(end >= 0 && (end == 1 || l->n > 0), "listing goes on");
            for (unsigned i = 0; i < l->n; i++)
                follow(s, vn, &l->entries[i], l->names[i]);
        } while (end == 0 && s->entries < 3000);
        free(l);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fs *fs;
    uint8_t *copy = malloc(size);       /* of exactly this size: ASan sees one byte beyond */
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    image_messages[0] = '\0';
    if (cpiofs_mount(copy, size, &image_env, &fs, image_reason) == 0) {
        struct scan s = { .fs = fs };
        struct vnode *root = fs_root(fs);
        uint64_t odd = 0x123456789;
        look(&s, root);
        fs_readdir(root, &odd, list, &(struct listing){ .n = 64 });
        vnode_put(root);
        must(fs_unmount(fs) == 0, "unmount");
    }
    free(copy);
    return 0;
}
