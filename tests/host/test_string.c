/*
 * lib's memory and string functions against the host's, at all alignments and lengths around the
 * steps they work in, and against guard bytes. The host's are reached through the names without
 * prefix.
 *
 * SOURCES: lib/mem.c lib/string.c lib/ctype.c FLAGS: -include tests/host/rugo_names.h -Wno-stringop-overread -fno-builtin
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "check.h"

#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strcmp
#undef strstr
#undef strspn
#undef strcspn
#undef isspace
void *memcpy(void *restrict d, const void *restrict s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
int strcmp(const char *a, const char *b);
char *strstr(const char *a, const char *b);
size_t strspn(const char *a, const char *b);
size_t strcspn(const char *a, const char *b);
size_t rugo_strlcpy(char *d, const char *s, size_t size);
size_t rugo_strlcat(char *d, const char *s, size_t size);

enum { N = 700 };

static void fill(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)check_random();
}

static void copies(void)
{
    static unsigned char a[N], b[N], want[N];

    for (size_t n = 0; n < 200; n++) {
        for (int tries = 0; tries < 30; tries++) {
            size_t from = check_random() % 200, to = check_random() % 200;
            fill(a, N);
            fill(b, N);
            memcpy(want, b, N);
            memcpy(want + to, a + from, n);
            CHECK(rugo_memcpy(b + to, a + from, n) == b + to);
            CHECK(memcmp(b, want, N) == 0, "memcpy of %zu", n);
            memcpy(want, a, N);
            memmove(want + to, want + from, n);
            CHECK(rugo_memmove(a + to, a + from, n) == a + to);
            CHECK(memcmp(a, want, N) == 0, "memmove of %zu from %zu to %zu", n, from, to);
            memcpy(want, b, N);
            memset(want + to, (int)n, n);
            CHECK(rugo_memset(b + to, (int)n, n) == b + to);
            CHECK(memcmp(b, want, N) == 0, "memset of %zu", n);
        }
    }
}

static int sign(int n)
{
    return n > 0 ? 1 : n < 0 ? -1 : 0;
}

static void compares(void)
{
    static unsigned char a[N], b[N];

    for (int tries = 0; tries < 20000; tries++) {
        size_t n = check_random() % 100, at = check_random() % 20;
        fill(a, n + at);
        memcpy(b, a, n + at);
        if (n > 0 && check_random() % 2)
            b[at + check_random() % n] ^= (unsigned char)check_random();
        CHECK(sign(rugo_memcmp(a + at, b + at, n)) == sign(memcmp(a + at, b + at, n)));
        unsigned char c = (unsigned char)check_random();
        unsigned char *first = NULL, *last = NULL;
        for (size_t i = 0; i < n; i++)
            if (a[at + i] == c)
                last = a + at + i, first = first == NULL ? last : first;
        CHECK(rugo_memchr(a + at, c, n) == first);
        CHECK(rugo_memrchr(a + at, c, n) == last);
    }
}

/* Short words over few letters, so that they meet often. */
static void word(char *s, size_t max)
{
    size_t n = check_random() % max;

    for (size_t i = 0; i < n; i++)
        s[i] = "abAB/\xc3"[check_random() % 6];
    s[n] = '\0';
}

static void searches(void)
{
    char a[24], b[8], c[24];

    for (int tries = 0; tries < 100000; tries++) {
        word(a, sizeof a);
        word(b, sizeof b);
        word(c, sizeof c);
        CHECK(rugo_strstr(a, b) == strstr(a, b), "\"%s\" \"%s\"", a, b);
        CHECK(rugo_strspn(a, b) == strspn(a, b));
        CHECK(rugo_strcspn(a, b) == strcspn(a, b));
        CHECK(sign(rugo_strcmp(a, c)) == sign(strcmp(a, c)));
        CHECK(rugo_strlen(a) == strcspn(a, ""));
        CHECK((rugo_strcasecmp(a, c) == 0) ==
              (rugo_strlen(a) == rugo_strlen(c) && rugo_strncasecmp(a, c, 30) == 0));
    }
    CHECK(rugo_strcasecmp("Rugo", "rUGO") == 0);
    CHECK(rugo_strncmp("abc", "abd", 2) == 0 && rugo_strncmp("abc", "abd", 3) < 0);
    CHECK(strcmp(rugo_strrchr("/a/b", '/'), "/b") == 0 && rugo_strrchr("ab", 'c') == NULL);
    CHECK(*rugo_strchr("ab", 0) == 0 && rugo_strchr("ab", 'c') == NULL);
    CHECK(rugo_strpbrk("abc", "xc")[0] == 'c' && rugo_strpbrk("abc", "xy") == NULL);
}

static void builds(void)
{
    char buf[8] = "abc", list[] = ",a,,b,", *rest = list, *save;

    CHECK(rugo_strlcpy(buf, "123456789", sizeof buf) == 9 && strcmp(buf, "1234567") == 0);
    CHECK(rugo_strlcpy(buf, "12", sizeof buf) == 2 && strcmp(buf, "12") == 0);
    CHECK(rugo_strlcat(buf, "34567890", sizeof buf) == 10 && strcmp(buf, "1234567") == 0);
    CHECK(rugo_strncpy(buf, "x", 4) == buf && memcmp(buf,
                                                     "x\0\0\0"
                                                     "567",
                                                     8) == 0);
    CHECK(strcmp(rugo_strncat(buf, "yz!", 2), "xyz") == 0 &&
          strcmp(rugo_strcat(buf, "!"), "xyz!") == 0);
    CHECK(strcmp(rugo_strsep(&rest, ","), "") == 0 && strcmp(rugo_strsep(&rest, ","), "a") == 0);
    char other[] = ",a,,b,";
    CHECK(strcmp(rugo_strtok_r(other, ",", &save), "a") == 0 &&
          strcmp(rugo_strtok_r(NULL, ",", &save), "b") == 0);
    CHECK(rugo_strtok_r(NULL, ",", &save) == NULL);
}

static void classes(void)
{
    for (int c = 0; c < 128; c++) {
        int space = c == ' ' || (c >= 9 && c <= 13), letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        CHECK(!!rugo_isspace(c) == space);
        CHECK(!!rugo_isalpha(c) == letter);
        CHECK(!!rugo_isalnum(c) == (letter || (c >= '0' && c <= '9')));
        CHECK(!!rugo_isprint(c) == (c >= 32 && c < 127));
        CHECK(!!rugo_ispunct(c) == (c > 32 && c < 127 && !rugo_isalnum(c)));
        CHECK(rugo_tolower(c) == (letter ? (c | 32) : c));
        CHECK(rugo_toupper(c) == (letter ? (c & ~32) : c));
    }
    CHECK(!rugo_isalpha(0xe4) && !rugo_isprint(0x80) && !rugo_isspace(-1));
}

int main(void)
{
    copies();
    compares();
    searches();
    builds();
    classes();
    return check_done("string");
}
