/*
 * The heap: random calls with known contents, alignment, and what happens to a wrong free.
 *
 * SOURCES: lib/malloc.c lib/mem.c lib/string.c lib/ctype.c FLAGS: -include tests/host/rugo_names.h -idirafter lib -Wno-alloc-size-larger-than -Wno-use-after-free -Wno-mismatched-dealloc -Wno-free-nonheap-object -fno-builtin
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "lib/heap_pages.h"

#undef memset
#undef memcmp
void *memset(void *p, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

static jmp_buf broken;
/* volatile: the host's headers say that malloc never comes back into this file */
static const char *volatile complaint;
static volatile size_t mapped, peak; /* bytes the heap has and had */
static volatile int refuse;          /* no memory from now on */

void *heap_pages_map(size_t size, size_t align)
{
    char *p, *at;

    if (refuse || size > 1ull << 40)
        return NULL;
    p = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    at = (char *)(((uintptr_t)p + align - 1) & ~(align - 1));
    if (at > p)
        munmap(p, (size_t)(at - p));
    munmap(at + size, (size_t)(p + align - at));
    mapped += size;
    peak = mapped > peak ? mapped : peak;
    return at;
}

void heap_pages_unmap(void *p, size_t size)
{
    munmap(p, size);
    mapped -= size;
}

static volatile int locked;

void heap_lock(void)
{
    CHECK(locked++ == 0);
}

void heap_unlock(void)
{
    CHECK(--locked == 0);
}

void heap_broken(const char *what)
{
    complaint = what;
    locked = 0;
    longjmp(broken, 1);
}

/* free(p) must be refused with a text that contains word. */
static void wrong_free(void *p, const char *word)
{
    complaint = NULL;
    if (setjmp(broken) == 0)
        free(p);
    CHECK(complaint != NULL && strstr(complaint, word) != NULL, "%s",
          complaint == NULL ? "accepted" : complaint);
}

enum { SLOTS = 500 };

static struct {
    unsigned char *p;
    size_t size;
    unsigned char fill;
} slot[SLOTS];

static size_t random_size(void)
{
    switch (check_random() % 8) {
    case 0: return check_random() % 32;
    case 1: return check_random() % 5000;
    case 2: return check_random() % 100000;
    case 3: return check_random() % 100 == 0 ? check_random() % 3000000 : 100;
    }
    return check_random() % 600;
}

static int intact(const unsigned char *p, size_t n, unsigned char fill)
{
    return n == 0 || (p[0] == fill && memcmp(p, p + 1, n - 1) == 0);
}

static void step(void)
{
    size_t i = check_random() % SLOTS, size = random_size();
    unsigned char *p = slot[i].p;

    CHECK(intact(p, p != NULL ? slot[i].size : 0, slot[i].fill));
    if (p != NULL && check_random() % 3 == 0) {
        size_t keep = size < slot[i].size ? size : slot[i].size;
        p = realloc(p, size);
        CHECK(p != NULL && intact(p, keep, slot[i].fill));
    } else if (p != NULL) {
        free(p);
        p = NULL;
    } else if (check_random() % 4 == 0) {
        p = calloc(1, size);
        CHECK(p != NULL && intact(p, size, 0));
    } else {
        p = malloc(size);
    }
    CHECK((uintptr_t)p % 16 == 0);
    slot[i].p = p;
    slot[i].size = size;
    slot[i].fill = (unsigned char)check_random();
    if (p != NULL)
        memset(p, slot[i].fill, size);
}

static void alignments(void)
{
    for (size_t align = 8; align <= 512 * 1024; align *= 2) {
        for (size_t size = 1; size <= 4 * align; size = size * 3 + 1) {
            void *p = aligned_alloc(align, size), *q = NULL;
            CHECK(p != NULL && (uintptr_t)p % align == 0, "%zu at %zu", size, align);
            memset(p, 1, size);
            CHECK(posix_memalign(&q, align, size) == 0 && (uintptr_t)q % align == 0);
            memset(q, 2, size);
            free(p);
            free(q);
        }
    }
    CHECK(aligned_alloc(24, 10) == NULL);
}

static void wrong_frees(void)
{
    char *small = malloc(40), *other = malloc(40), *pages = malloc(20000), *large = malloc(3000000);

    wrong_free(small + 16, "middle");
    wrong_free(pages + 16, "middle");
    wrong_free(pages + 4096, "middle");
    wrong_free(large + 4096, "middle");
    free(small);
    wrong_free(small, "already");
    free(pages);
    wrong_free(pages, "already");
    free(other);
    free(large);
    free(NULL);
}

static void limits(void)
{
    CHECK(malloc(SIZE_MAX) == NULL && malloc(SIZE_MAX - 5000) == NULL);
    CHECK(calloc(SIZE_MAX / 2, 3) == NULL && reallocarray(NULL, SIZE_MAX / 2, 3) == NULL);
    CHECK(malloc(0) != NULL);
    char *p = malloc(100), *q;
    memset(p, 7, 100);
    refuse = 1;
    q = realloc(p, 5000000);
    refuse = 0;
    CHECK(q == NULL && intact((unsigned char *)p, 100, 7)); /* the old one stays */
    free(p);
}

int main(void)
{
    for (int i = 0; i < 300000; i++)
        step();
    for (int i = 0; i < SLOTS; i++)
        free(slot[i].p);
    CHECK(mapped <= peak / 2, "%zu of %zu bytes kept", mapped, peak);
    alignments();
    wrong_frees();
    limits();
    return check_done("malloc");
}
