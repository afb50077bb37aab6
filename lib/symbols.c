/* Names of functions from the table that tools/usyms.py makes (rugo/crash.h); nothing in it is trusted. */
#include <rugo/crash.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SYMBOLS_FILE "/boot/etc/symbols"

struct head {
    char magic[4];
    uint32_t nprograms;
};

struct program {
    uint32_t name, first, count, reserved;
};

struct function {
    uint32_t address, name;
};

static int read_file(const struct symbols *s, uint64_t offset, void *buf, size_t n)
{
    return pread(s->fd, buf, n, (off_t)offset) == (ssize_t)n ? 0 : -EIO;
}

static int read_memory(const struct symbols *s, uint64_t offset, void *buf, size_t n)
{
    if (offset > s->size || n > s->size - offset)
        return -EIO;
    memcpy(buf, (const char *)s->data + offset, n);
    return 0;
}

int symbols_open(struct symbols *s)
{
    *s = (struct symbols){ .read = read_file };
    s->fd = open(SYMBOLS_FILE, O_RDONLY);
    return s->fd < 0 ? -errno : 0;
}

void symbols_close(struct symbols *s)
{
    close(s->fd);
}

void symbols_in_memory(struct symbols *s, const void *data, size_t size)
{
    *s = (struct symbols){ .read = read_memory, .data = data, .size = size };
}

/* A name of the table, cut to what fits; byte by byte, as it may lie at the table's end. */
static int read_name(const struct symbols *s, uint64_t offset, char *name, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        int st = s->read(s, offset + i, &name[i], 1);
        if (st != 0 || name[i] == '\0')
            return st;
    }
    name[size - 1] = '\0';
    return 0;
}

static int find_program(const struct symbols *s, const char *name, struct program *p)
{
    uint32_t low = 0, high;
    struct head h;
    char found[NAME_LEN];
    int st = s->read(s, 0, &h, sizeof h);

    if (st != 0 || memcmp(h.magic, "RSYM", 4) != 0)
        return st != 0 ? st : -EINVAL;
    for (high = h.nprograms; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int order;

        st = s->read(s, sizeof h + (uint64_t)middle * sizeof *p, p, sizeof *p);
        if (st == 0)
            st = read_name(s, p->name, found, sizeof found);
        if (st != 0)
            return st;
        order = strcmp(name, found);
        if (order == 0)
            return 0;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -ENOENT;
}

int symbols_find(const struct symbols *s, const char *program, uint64_t address, char *name,
                 size_t size, uint64_t *offset)
{
    uint32_t low = 0, high;
    struct program p;
    struct function f, best = { 0 };
    int st = find_program(s, program, &p);

    if (st != 0)
        return st;
    for (high = p.count; low < high;) {
        uint32_t middle = low + (high - low) / 2;

        st = s->read(s, p.first + (uint64_t)middle * sizeof f, &f, sizeof f);
        if (st != 0)
            return st;
        if (f.address <= address) {
            best = f;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0)
        return -ENOENT;
    *offset = address - best.address;
    return read_name(s, best.name, name, size);
}
