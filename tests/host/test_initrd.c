/*
 * svcman's view of the initrd: every cut and every changed byte of an archive is survived.
 */
#include <stdlib.h>

#include "check.h"
#include "services/initrd.h"

/* Append one newc entry; where the next one goes. */
static size_t entry(char *at, const char *name, const char *data, size_t size)
{
    size_t name_size = strlen(name) + 1, n;

    n = (size_t)sprintf(at, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1,
                        0100644, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0);
    memcpy(at + n, name, name_size);
    n = (n + name_size + 3) & ~(size_t)3;
    memcpy(at + n, data, size);
    return (n + size + 3) & ~(size_t)3;
}

static size_t make(char *archive)
{
    size_t n = 0;

    n += entry(archive + n, "bin", "", 0);
    n += entry(archive + n, "bin/one", "first", 5);
    n += entry(archive + n, "etc/two", "second file", 11);
    return n + entry(archive + n, "TRAILER!!!", "", 0);
}

/* Walk it all, touching every byte that is promised. */
static unsigned walk(const char *data, size_t size)
{
    struct initrd rd = { data, size };
    struct initrd_file file;
    volatile char sum = 0;
    unsigned n = 0;
    size_t at = 0;

    while (initrd_next(&rd, &at, &file)) {
        sum += (char)strlen(file.name);
        for (size_t i = 0; i < file.size; i++)
            sum += file.data[i];
        n++;
    }
    return n;
}

/* The same in a block of exactly its size, so that the sanitizer sees one byte too many. */
static unsigned walk_exactly(const char *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    unsigned n;

    memcpy(copy, data, size);
    n = walk(copy, size);
    free(copy);
    return n;
}

int main(void)
{
    static char archive[4096];
    size_t size = make(archive);
    struct initrd rd = { archive, size };
    struct initrd_file file;

    CHECK(walk_exactly(archive, size) == 3, "three entries");
    CHECK(initrd_find(&rd, "etc/two", &file) && file.size == 11, "found");
    CHECK(memcmp(file.data, "second file", 11) == 0, "content");
    CHECK(!initrd_find(&rd, "etc/three", &file), "found what is not there");
    for (size_t cut = 0; cut < size; cut++)
        CHECK(walk_exactly(archive, cut) <= 3, "cut at %zu", cut);
    for (size_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            archive[at] ^= (char)(1 << bit);
            CHECK(walk_exactly(archive, size) < 100, "byte %zu", at);
            archive[at] ^= (char)(1 << bit);
        }
    }
    return check_done("initrd");
}
