/*
 * Checking a package. In order: the fixed header, the hash of everything, the manifest, then each entry of the payload, a cpio
 * archive in the "newc" form (cpio(5)) whose entries must come in the order of a walk through the tree. That
 * order is what makes checking possible without remembering names: an entry that is out of order may be a
 * second one of its name, and one whose folder is not on the way to its predecessor has none.
 */
#include "package.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* docs/pkg_v0.md: the header. */
#define HEADER_SIZE    64
#define HEADER_HASH    32 /* where the hash is; it covers all but itself */
#define FORMAT_VERSION 0
static const char magic[8] = { 'r', 'u', 'g', 'o', 'p', 'k', 'g', '\n' };

/* cpio(5), "New ASCII Format". */
#define CPIO_HEADER   110
#define CPIO_TRAILER  "TRAILER!!!"
#define CPIO_TAIL_MAX 1024 /* zeros with which an ordinary cpio fills its last block */
enum cpio_field {
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
    CPIO_FIELDS
};

/* File types and bits of a mode, Linux's. */
#define MODE_TYPE   0170000
#define MODE_FILE   0100000
#define MODE_FOLDER 0040000
#define MODE_LINK   0120000
#define MODE_CHAR   0020000
#define MODE_BLOCK  0060000
#define MODE_RIGHTS 0777

/* The name under which an installed package keeps its manifest. */
#define MANIFEST_FILE "pkg.conf"

__attribute__((format(printf, 2, 3))) static bool refuse(struct package *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(p->problem, sizeof(p->problem), fmt, ap);
    va_end(ap);
    return false;
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

/* Refuse because of an entry; whatever its name is, a terminal survives it. */
static bool refuse_entry(struct package *p, const char *path, const char *why)
{
    char shown[PACKAGE_PATH_MAX + 1];
    size_t i;

    for (i = 0; i < PACKAGE_PATH_MAX && path[i]; i++)
        shown[i] = is_control(path[i]) ? '?' : path[i];
    shown[i] = 0;
    return refuse(p, "`%s`: %s", shown, why);
}

/* ---- reading ---- */

/* Reads inside the package; what would lie past its end is refused and never asked for. */
static bool fetch(struct package *p, uint64_t offset, void *buf, size_t len)
{
    int st;

    if (offset > p->source.size || len > p->source.size - offset)
        return refuse(p, "cut short");
    if (len == 0)
        return true;
    st = p->source.read(p->source.ctx, offset, buf, len);
    return st == 0 || refuse(p, "can't be read (%s)", strerror(-st));
}

static uint32_t load_le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t load_le64(const uint8_t *p)
{
    return load_le32(p) | (uint64_t)load_le32(p + 4) << 32;
}

/* ---- header, hash, manifest ---- */

static bool check_header(struct package *p, const uint8_t header[HEADER_SIZE])
{
    uint32_t version = load_le32(header + 8);
    uint32_t manifest_size = load_le32(header + 12);
    uint64_t payload_size = load_le64(header + 16);

    if (memcmp(header, magic, sizeof(magic)) != 0)
        return refuse(p, "not a package");
    if (version != FORMAT_VERSION)
        return refuse(p, "format version %u; this system reads version %u", (unsigned)version,
                      FORMAT_VERSION);
    if (load_le64(header + 24) != 0)
        return refuse(p, "reserved bytes of the header are in use");
    if (manifest_size > MANIFEST_MAX)
        return refuse(p, "a manifest of more than %u bytes", MANIFEST_MAX);
    p->manifest_size = manifest_size;
    p->payload = HEADER_SIZE + manifest_size;
    if (p->payload > p->source.size || payload_size > p->source.size - p->payload)
        return refuse(p, "cut short");
    if (payload_size < p->source.size - p->payload)
        return refuse(p, "bytes behind its end");
    memcpy(p->hash, header + HEADER_HASH, SHA256_SIZE);
    return true;
}

static bool check_hash(struct package *p, const uint8_t header[HEADER_SIZE])
{
    struct sha256 h;
    uint8_t hash[SHA256_SIZE];

    sha256_begin(&h);
    sha256_add(&h, header, HEADER_HASH);
    for (uint64_t at = HEADER_SIZE; at < p->source.size;) {
        uint64_t left = p->source.size - at;
        size_t n = left < sizeof(p->buffer) ? (size_t)left : sizeof(p->buffer);

        if (!fetch(p, at, p->buffer, n))
            return false;
        sha256_add(&h, p->buffer, n);
        at += n;
    }
    sha256_end(&h, hash);
    return memcmp(hash, p->hash, sizeof(hash)) == 0 ||
           refuse(p, "damaged: its hash does not match");
}

static bool check_manifest(struct package *p)
{
    unsigned line;
    const char *wrong;

    if (!fetch(p, HEADER_SIZE, p->manifest_text, p->manifest_size))
        return false;
    p->manifest_text[p->manifest_size] = 0;
    wrong = manifest_parse(p->manifest_text, p->manifest_size, &p->manifest, &line);
    if (wrong && line)
        return refuse(p, "manifest, line %u: %s", line, wrong);
    if (wrong)
        return refuse(p, "manifest: %s", wrong);
    return !p->manifest.sha256[0] || refuse(p, "manifest: `sha256` is written by pkg alone");
}

/* ---- entries ---- */

/* The 13 numbers of a cpio header, 8 hexadecimal digits each. */
static bool read_cpio_header(struct package *p, uint64_t at, uint32_t field[CPIO_FIELDS])
{
    char text[CPIO_HEADER];

    if (!fetch(p, at, text, sizeof(text)))
        return false;
    if (memcmp(text, "070701", 6) != 0)
        return refuse(p, "payload: not an entry of a newc archive");
    for (unsigned i = 0; i < CPIO_FIELDS * 8; i++) {
        static const char digits[] = "0123456789abcdef";
        char c = text[6 + i];
        const char *digit = memchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c, 16);

        if (!digit)
            return refuse(p, "payload: a number that is none");
        field[i / 8] = field[i / 8] << 4 | (uint32_t)(digit - digits);
    }
    return true;
}

static bool check_path(struct package *p, const char *path)
{
    if (path[0] == 0)
        return refuse(p, "payload: an entry without a name");
    if (path[0] == '/')
        return refuse_entry(p, path, "an absolute path");
    for (const char *name = path;;) {
        size_t len = strcspn(name, "/");

        if (len == 2 && memcmp(name, "..", 2) == 0)
            return refuse_entry(p, path, "a path that leaves the package");
        if (len == 0 || (len == 1 && name[0] == '.'))
            return refuse_entry(p, path, "a path with empty parts");
        if (len > 255)
            return refuse_entry(p, path, "a name of more than 255 bytes");
        if (name[len] == 0)
            break;
        name += len + 1;
    }
    for (const char *c = path; *c; c++) {
        if (is_control(*c))
            return refuse_entry(p, path, "a control character in a name");
    }
    return strcmp(path, MANIFEST_FILE) != 0 || refuse_entry(p, path, "a name that pkg itself uses");
}

/* The order of a walk: byte by byte, but a folder's content comes right behind the folder. */
static int compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int x = *a == '/' ? 1 : (unsigned char)*a;
    int y = *b == '/' ? 1 : (unsigned char)*b;
    return x - y;
}

/* An entry stands behind its predecessor, in a folder that the package has. */
static bool check_place(struct package *p, const struct package_entry *before, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) : 0;
    int order = compare_paths(before->path, path);

    if (order == 0)
        return refuse_entry(p, path, "there twice");
    if (order > 0)
        return refuse_entry(p, path, "out of order, or there twice");
    if (folder == 0)
        return true;
    if (strncmp(before->path, path, folder) != 0 ||
        (before->path[folder] != 0 && before->path[folder] != '/'))
        return refuse_entry(p, path, "in a folder that is not in the package");
    if (before->path[folder] == 0 && before->kind != PACKAGE_FOLDER)
        return refuse_entry(p, path, "below something that is no folder");
    return true;
}

/*
 * A link must end inside the package wherever it is put. Its own folder is a real one, so leading ".." climb as many levels as
 * are written; behind a name they could climb out of some other link's target, and are refused.
 */
static bool check_target(struct package *p, const struct package_entry *e)
{
    unsigned depth = 0;
    bool down = false;

    for (const char *c = e->path; *c; c++)
        depth += *c == '/';
    if (e->target[0] == '/')
        return refuse_entry(p, e->path, "a link to an absolute path");
    for (const char *name = e->target; *name;) {
        size_t len = strcspn(name, "/");

        if (len == 2 && memcmp(name, "..", 2) == 0) {
            if (down || depth == 0)
                return refuse_entry(p, e->path, "a link that leaves the package");
            depth--;
        } else {
            down = true;
        }
        name += len + (name[len] == '/');
    }
    for (const char *c = e->target; *c; c++) {
        if (is_control(*c))
            return refuse_entry(p, e->path, "a control character in its target");
    }
    return true;
}

static bool check_mode(struct package *p, struct package_entry *e,
                       const uint32_t field[CPIO_FIELDS])
{
    uint32_t mode = field[C_MODE];

    switch (mode & MODE_TYPE) {
    case MODE_FILE: e->kind = PACKAGE_FILE; break;
    case MODE_FOLDER: e->kind = PACKAGE_FOLDER; break;
    case MODE_LINK: e->kind = PACKAGE_LINK; break;
    case MODE_CHAR:
    case MODE_BLOCK: return refuse_entry(p, e->path, "a device node");
    default: return refuse_entry(p, e->path, "neither file, folder nor link");
    }
    if (mode & ~(uint32_t)(MODE_TYPE | MODE_RIGHTS))
        return refuse_entry(p, e->path, "a set-user-id, set-group-id or sticky bit");
    if (e->kind != PACKAGE_FOLDER && field[C_NLINK] > 1)
        return refuse_entry(p, e->path, "a hard link");
    if (e->kind == PACKAGE_FOLDER && e->size != 0)
        return refuse_entry(p, e->path, "a folder with data");
    e->mode = mode & MODE_RIGHTS;
    return true;
}

static bool read_target(struct package *p, struct package_entry *e)
{
    if (e->size == 0 || e->size > PACKAGE_TARGET_MAX)
        return refuse_entry(p, e->path, "a link with a target of no or too many bytes");
    if (!fetch(p, e->data, e->target, (size_t)e->size))
        return false;
    e->target[e->size] = 0;
    if (strlen(e->target) != e->size)
        return refuse_entry(p, e->path, "a NUL in its target");
    return check_target(p, e);
}

static bool read_name(struct package *p, uint64_t at, uint32_t size,
                      char path[PACKAGE_PATH_MAX + 1])
{
    if (size == 0 || size > PACKAGE_PATH_MAX + 1)
        return refuse(p, "payload: a path of no or more than %u bytes", PACKAGE_PATH_MAX);
    if (!fetch(p, at, path, size))
        return false;
    if (memchr(path, 0, size) != path + size - 1)
        return refuse(p, "payload: a path with a NUL in it, or without one at its end");
    return true;
}

static uint64_t round_up4(uint64_t n)
{
    return (n + 3) & ~(uint64_t)3;
}

/* Behind the last entry there may be zeros up to the end of a block, and nothing else. */
static bool check_tail(struct package *p, uint64_t at)
{
    uint8_t tail[CPIO_TAIL_MAX];
    uint64_t left = at < p->source.size ? p->source.size - at : 0;

    if (left > sizeof(tail))
        return refuse(p, "payload: bytes behind the last entry");
    if (!fetch(p, p->source.size - left, tail, (size_t)left))
        return false;
    for (uint64_t i = 0; i < left; i++) {
        if (tail[i] != 0)
            return refuse(p, "payload: bytes behind the last entry");
    }
    return true;
}

/* Reads the entry at `at`, which stands behind `before`. 1, 0 at the trailer, -1. */
static int read_entry(struct package *p, uint64_t at, const struct package_entry *before,
                      struct package_entry *e)
{
    uint32_t field[CPIO_FIELDS] = { 0 };
    uint64_t name = at + CPIO_HEADER;

    if (!read_cpio_header(p, at, field) || !read_name(p, name, field[C_NAMESIZE], e->path))
        return -1;
    /* Alignment counts from the beginning of the archive. */
    e->data = p->payload + round_up4(name + field[C_NAMESIZE] - p->payload);
    e->size = field[C_FILESIZE];
    e->next = p->payload + round_up4(e->data + e->size - p->payload);
    if (strcmp(e->path, CPIO_TRAILER) == 0)
        return check_tail(p, e->data) ? 0 : -1;
    if (e->data > p->source.size || e->size > p->source.size - e->data) {
        refuse_entry(p, e->path, "cut short");
        return -1;
    }
    if (!check_path(p, e->path) || !check_place(p, before, e->path) || !check_mode(p, e, field))
        return -1;
    return e->kind != PACKAGE_LINK || read_target(p, e) ? 1 : -1;
}

int package_next(struct package *p, struct package_entry *e)
{
    struct package_entry before = *e;

    return read_entry(p, before.next ? before.next : p->payload, &before, e);
}

int package_read(const struct package *p, const struct package_entry *e, uint64_t offset, void *buf,
                 size_t len)
{
    return p->source.read(p->source.ctx, e->data + offset, buf, len);
}

/* ---- the whole ---- */

/* The program that an executable file is, as the number in the manifest; nprograms if it is none of them. */
static unsigned program_of(const struct manifest *m, const struct package_entry *e)
{
    unsigned i = m->nprograms;

    if (e->kind == PACKAGE_FILE && (e->mode & 0111) && strncmp(e->path, "bin/", 4) == 0) {
        for (i = 0; i < m->nprograms && strcmp(m->program[i], e->path + 4) != 0;)
            i++;
    }
    return i;
}

static bool check_payload(struct package *p)
{
    struct package_entry e = { 0 };
    bool found[MANIFEST_PROGRAMS + 1] = { false };
    int st;

    while ((st = package_next(p, &e)) > 0) {
        p->entries++;
        p->bytes += e.kind == PACKAGE_FILE ? e.size : 0;
        found[program_of(&p->manifest, &e)] = true;
    }
    for (unsigned i = 0; st == 0 && i < p->manifest.nprograms; i++) {
        if (!found[i])
            return refuse(p, "its program `%s` is not in it", p->manifest.program[i]);
    }
    return st == 0;
}

bool package_open(struct package *p, const struct package_source *source)
{
    uint8_t header[HEADER_SIZE];

    memset(p, 0, sizeof(*p));
    p->source = *source;
    if (source->size < HEADER_SIZE)
        return refuse(p, "not a package");
    return fetch(p, 0, header, sizeof(header)) && check_header(p, header) &&
           check_hash(p, header) && check_manifest(p) && check_payload(p);
}
