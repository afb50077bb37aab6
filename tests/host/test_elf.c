/*
 * The check of ELF files: a good file made here, each of its fields made bad in turn with the
 * reason that must be named, and every single byte of the headers with every value.
 *
 * SOURCES: lib/elf_check.c FLAGS: -idirafter lib
 */
#include <stddef.h>
#include <stdlib.h>

#include "check.h"
#include "elf_promise.h"

enum { FILE_SIZE = 0x3000, TEXT = 0, DATA = 1, OTHER = 2 };

static struct file {
    struct elf_header h;
    struct elf_phdr p[3];
    unsigned char rest[FILE_SIZE - sizeof(struct elf_header) - 3 * sizeof(struct elf_phdr)];
} good;

/* A static-PIE program as ld makes it: text with the headers, data with a bss, and one more
 * header. */
static void make_good(void)
{
    static const uint8_t ident[16] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

    memcpy(good.h.ident, ident, sizeof ident);
    good.h.type = ELF_ET_DYN;
    good.h.machine = 62;
    good.h.version = 1;
    good.h.entry = 0x1010;
    good.h.phoff = sizeof good.h;
    good.h.ehsize = 64;
    good.h.phentsize = 56;
    good.h.phnum = 3;
    good.p[TEXT] =
        (struct elf_phdr){ ELF_PT_LOAD, ELF_PF_R | ELF_PF_X, 0, 0, 0, 0x1800, 0x1800, 0x1000 };
    good.p[DATA] =
        (struct elf_phdr){ ELF_PT_LOAD, ELF_PF_R | ELF_PF_W, 0x2100, 0x5100, 0x5100, 0x300, 0x4000,
                           0x1000 };
    good.p[OTHER] =
        (struct elf_phdr){ ELF_PT_DYNAMIC, ELF_PF_R, 0x2100, 0x5100, 0x5100, 0x100, 0x100, 8 };
}

static const char *check(const struct file *f, struct elf_image *im)
{
    return elf_check(f, FILE_SIZE, FILE_SIZE, im);
}

static void accepts(void)
{
    struct file f = good;
    struct elf_image im;

    CHECK(check(&f, &im) == NULL);
    CHECK(im.pie && im.nsegments == 2 && im.entry == 0x1010 && im.low == 0 && im.high == 0xa000);
    CHECK(im.phdr == sizeof(struct elf_header) && im.phnum == 3);
    CHECK(im.segment[1].page == 0x5000 && im.segment[1].pages == 0x5000 && im.segment[1].prot == 6);
    CHECK(broken_promise(&im, (unsigned char *)&f, FILE_SIZE) == NULL);
    f.h.type = ELF_ET_EXEC; /* at 0x400000, as Go links */
    f.p[TEXT].vaddr += 0x400000;
    f.p[DATA].vaddr += 0x400000;
    f.h.entry += 0x400000;
    CHECK(check(&f, &im) == NULL && !im.pie && im.low == 0x400000);
    f = good;
    f.p[OTHER] = (struct elf_phdr){ ELF_PT_TLS, ELF_PF_R, 0x2100, 0x5100, 0, 0x20, 0x100, 16 };
    CHECK(check(&f, &im) == NULL);
}

/* The n bytes at `offset` of a good file become value: refused, and the reason contains word. */
static void refused(size_t offset, size_t n, uint64_t value, const char *word)
{
    struct file f = good;
    struct elf_image im;
    const char *why;

    memcpy((char *)&f + offset, &value, n);
    why = check(&f, &im);
    CHECK(why != NULL && strstr(why, word) != NULL, "\"%s\" instead of \"%s\"",
          why != NULL ? why : "accepted", word);
}

#define HEADER(field, value, word) \
    refused(offsetof(struct file, h.field), sizeof good.h.field, value, word)
#define SEGMENT(i, field, value, word)                                         \
    refused(offsetof(struct file, p[0].field) + (i) * sizeof(struct elf_phdr), \
            sizeof good.p[0].field, value, word)

static void headers(void)
{
    HEADER(ident[0], 'E', "not an ELF");
    HEADER(ident[3], 'f', "not an ELF");
    HEADER(ident[4], 1, "64-bit");
    HEADER(ident[5], 2, "little-endian");
    HEADER(ident[6], 0, "version");
    HEADER(ident[7], 9, "another system");
    HEADER(version, 2, "version");
    HEADER(machine, 40, "x86-64");
    HEADER(type, 1, "not an executable");
    HEADER(type, 4, "not an executable");
    HEADER(flags, 1, "flags");
    HEADER(ehsize, 52, "size");
    HEADER(phentsize, 32, "size");
    HEADER(phnum, 0, "no program headers");
    HEADER(phnum, 65, "too many");
    HEADER(phnum, 65535, "too many");
    HEADER(phoff, 65, "misaligned");
    HEADER(phoff, FILE_SIZE, "outside the file");
    HEADER(phoff, UINT64_MAX - 7, "outside the file");
    HEADER(entry, 0x5100, "not in an executable");
    HEADER(entry, 0x4000, "outside the segments");
    HEADER(entry, 0xffff800000000000ull, "outside the segments");
}

static void segments(void)
{
    SEGMENT(TEXT, flags, 7, "writable and executable");
    SEGMENT(TEXT, flags, 0, "no access");
    SEGMENT(TEXT, flags, 0x15, "unknown flags");
    SEGMENT(TEXT, type, ELF_PT_INTERP, "dynamic linker");
    SEGMENT(TEXT, filesz, 0x1801, "larger in the file");
    SEGMENT(TEXT, align, 3, "power of two");
    SEGMENT(DATA, offset, 0x2000, "do not agree");
    SEGMENT(DATA, offset, FILE_SIZE + 0x100, "outside the file");
    SEGMENT(DATA, offset, UINT64_MAX, "outside the file");
    SEGMENT(DATA, filesz, FILE_SIZE, "outside the file");
    SEGMENT(DATA, filesz, UINT64_MAX, "outside the file");
    SEGMENT(DATA, memsz, 0x100, "larger in the file");
    SEGMENT(DATA, memsz, UINT64_MAX, "outside the user's");
    SEGMENT(DATA, memsz, USER_MAX, "outside the user's");
    SEGMENT(DATA, memsz, 1ull << 46, "too large");
    SEGMENT(DATA, vaddr, 0xffff800000000100ull, "outside the user's");
    SEGMENT(DATA, vaddr, USER_MAX - 0xf00, "outside the user's");
    SEGMENT(DATA, vaddr, 0x100, "overlap");
    SEGMENT(DATA, vaddr, 0x1100, "overlap");
    SEGMENT(TEXT, vaddr, 0x20000, "ascending");
    SEGMENT(OTHER, type, ELF_PT_INTERP, "dynamic linker");
}

static void thread_storage(void)
{
    struct elf_image im;
    struct file f = good;
    const char *why;

    f.p[OTHER] = (struct elf_phdr){ ELF_PT_TLS, ELF_PF_R, 0x2100, 0x9100, 0, 0x20, 0x100, 16 };
    why = check(&f, &im);
    CHECK(why != NULL && strstr(why, "outside the segments") != NULL);
    f.p[OTHER] = (struct elf_phdr){ ELF_PT_TLS, ELF_PF_R, 0x2100, 0x5100, 0, 0x20, 0x10, 16 };
    why = check(&f, &im);
    CHECK(why != NULL && strstr(why, "larger in the file") != NULL);
    f.p[OTHER] = (struct elf_phdr){ ELF_PT_TLS, ELF_PF_R, 0x2100, 0x5100, 0, 0x20, 1ull << 40, 16 };
    why = check(&f, &im);
    CHECK(why != NULL && strstr(why, "too large") != NULL);
    f.p[OTHER] =
        (struct elf_phdr){ ELF_PT_TLS, ELF_PF_R, 0x2100, 0x5100, 0, 0x20, 0x100, 1ull << 40 };
    why = check(&f, &im);
    CHECK(why != NULL && strstr(why, "alignment") != NULL);
}

static void absolute(void)
{
    struct elf_image im;
    struct file f = good;
    const char *why;

    f.h.type = ELF_ET_EXEC; /* its text would lie at page 0 */
    why = check(&f, &im);
    CHECK(why != NULL && strstr(why, "below the user's") != NULL, "%s", why);
    f = good;
    f.p[TEXT].type = f.p[DATA].type = 0;
    why = check(&f, &im);
    CHECK(why != NULL && strstr(why, "nothing to load") != NULL);
}

static void shortened(void)
{
    struct elf_image im;

    for (size_t n = 0; n < FILE_SIZE; n += n < 300 ? 1 : 97) {
        void *exact = malloc(n); /* ASan sees a byte read too far */
        memcpy(exact, &good, n);
        CHECK(elf_check(exact, n, n, &im) != NULL || n >= 0x2400);
        if (n < sizeof good.h + sizeof good.p)
            CHECK(elf_check(exact, n, FILE_SIZE, &im) != NULL);
        else
            CHECK(elf_check(exact, n, FILE_SIZE, &im) == NULL);
        free(exact);
    }
}

static void every_byte(void)
{
    struct elf_image im;
    struct file f = good;
    long accepted = 0;

    for (size_t i = 0; i < sizeof f.h + sizeof f.p; i++) {
        unsigned char *byte = (unsigned char *)&f + i, old = *byte;
        for (int value = 0; value < 256; value++) {
            *byte = (unsigned char)value;
            if (check(&f, &im) == NULL) {
                const char *bad = broken_promise(&im, (unsigned char *)&f, FILE_SIZE);
                CHECK(bad == NULL, "byte %zu = %d: %s", i, value, bad);
                accepted++;
            }
        }
        *byte = old;
    }
    CHECK(accepted > 0);
}

int main(void)
{
    make_good();
    accepts();
    headers();
    segments();
    thread_storage();
    absolute();
    shortened();
    every_byte();
    return check_done("elf");
}
