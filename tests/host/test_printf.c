/*
 * lib's printf against the host's, on fixed and on random directives: text, length, truncation;
 * floats to the last digit.
 *
 * SOURCES: lib/format.c lib/format_float.c lib/snprintf.c lib/mem.c lib/string.c lib/ctype.c FLAGS: -include tests/host/rugo_names.h -Wno-format -Wno-format-truncation
 */
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>

#include "check.h"

#undef vsnprintf
#undef strcmp
#undef snprintf
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int snprintf(char *buf, size_t size, const char *fmt, ...);
int strcmp(const char *a, const char *b);

enum { SIZE = 4000 };

static void __attribute__((format(printf, 2, 0))) both(size_t size, const char *fmt, ...)
{
    static char ours[SIZE], theirs[SIZE];
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    ours[0] = theirs[0] = 0;
    int a = rugo_vsnprintf(ours, size, fmt, ap);
    int b = vsnprintf(theirs, size, fmt, again);
    CHECK(a == b, "\"%s\": %d, not %d", fmt, a, b);
    CHECK(strcmp(ours, theirs) == 0, "\"%s\": \"%.300s\", not \"%.300s\"", fmt, ours, theirs);
    va_end(ap);
    va_end(again);
}

static void fixed(void)
{
    both(SIZE, "plain");
    both(SIZE, "");
    both(SIZE, "100%%");
    both(SIZE, "%d %i %u %x %X %o %c %s %p", -1, 42, 7u, 0xabcu, 0xABCu, 8u, 'c', "text",
         (void *)0x1234);
    both(SIZE, "%hhd %hd %ld %lld %zu %jd %td", 300, 70000, LONG_MIN, LLONG_MAX, SIZE_MAX,
         INTMAX_MIN, PTRDIFF_MIN);
    both(SIZE, "%.0d|%.0x|%#.0o|%5.0d|", 0, 0, 0, 0);
    both(SIZE, "%*d|%-*d|%.*d|%.*s|", 6, 1, 6, 2, 4, 3, 2, "abc");
    both(SIZE, "%*d|", -6, 1);
    both(SIZE, "%.*d|", -6, 1);
    both(SIZE, "%.3s|%10.3s|%-10.3s|", "abcdef", "abcdef", "abcdef");
    both(SIZE, "%s|%.2s", NULL, "ab");
    both(SIZE, "%5%|");
    both(SIZE, "%Lf", 1.5L);
    both(0, "nothing is stored");
    both(1, "nothing but the end");
    both(5, "truncated %d", 12345);
    both(SIZE, "%1000d|%-1000s|", 5, "x");
}

/* Random flags, width and precision before a given conversion. */
static void make_spec(char *spec, const char *conversion, int floating)
{
    static const char flags[] = "-+ #0";
    int n = 0;

    spec[n++] = '%';
    for (int i = 0; i < 5; i++)
        if (check_random() % 3 == 0 && !(flags[i] == '#' && (conversion[0] | 32) == 'g'))
            spec[n++] = flags[i];
    if (check_random() % 2)
        n += snprintf(spec + n, 8, "%d", (int)(check_random() % 30) + 1);
    if (check_random() % 2)
        n += snprintf(spec + n, 8, ".%d", (int)(check_random() % (floating ? 60 : 30)));
    snprintf(spec + n, 8, "%s", conversion);
}

static uint64_t interesting_word(void)
{
    static const uint64_t edge[] = { 0,          1,          9,         10,        0x7fffffff,
                                     0x80000000, UINT64_MAX, INT64_MAX, 1ull << 63 };
    uint64_t r = check_random();

    return r % 4 == 0 ? edge[check_random() % 9] : r >> check_random() % 64;
}

static void integers(void)
{
    static const char *const conversion[] = { "d",   "u",  "x",  "X",   "o",  "hd",
                                              "hhu", "ld", "lx", "llo", "zu", "c" };
    char spec[64];

    for (int i = 0; i < 60000; i++) {
        make_spec(spec, conversion[check_random() % 12], 0);
        both(SIZE, spec, interesting_word());
        both(check_random() % 20, spec, interesting_word());
    }
}

static double interesting_double(void)
{
    static const double edge[] = { 0.0,
                                   -0.0,
                                   1.0,
                                   0.5,
                                   1.5,
                                   2.5,
                                   9.5,
                                   99.5,
                                   0.1,
                                   0.05,
                                   0.95,
                                   9.995,
                                   1e15,
                                   1e22,
                                   1e23,
                                   5e-324,
                                   1.7976931348623157e308,
                                   2.2250738585072014e-308,
                                   123456789.0,
                                   999999.5,
                                   0.00001,
                                   0.0001 };
    union {
        uint64_t bits;
        double value;
    } u;

    switch (check_random() % 4) {
    case 0: return edge[check_random() % 22];
    case 1: return (double)(int64_t)check_random() / (double)(1ull << check_random() % 63);
    case 2: return (double)(check_random() % 100000) / 1000.0;
    }
    u.bits = check_random(); /* any, infinities and NaNs among them */
    return u.value;
}

static void floats(void)
{
    static const char *const conversion[] = { "f", "e", "g", "F", "E", "G" };
    char spec[64];

    for (int i = 0; i < 60000; i++) {
        make_spec(spec, conversion[check_random() % 6], 1);
        both(SIZE, spec, interesting_double());
    }
}

/* Where the host drops digits that ISO C keeps ("%#g" of 999999.5), or does not refuse. */
static void by_the_book(void)
{
    char buf[16];

    rugo_snprintf(buf, sizeof buf, "%#g", 999999.5);
    CHECK(strcmp(buf, "1.00000e+06") == 0, "%s", buf);
    rugo_snprintf(buf, sizeof buf, "%#.3g", 1.0);
    CHECK(strcmp(buf, "1.00") == 0, "%s", buf);
    rugo_snprintf(buf, sizeof buf, "%#g", 0.0);
    CHECK(strcmp(buf, "0.00000") == 0, "%s", buf);
    CHECK(rugo_snprintf(buf, sizeof buf, "%y", 1) == -1);
    CHECK(rugo_snprintf(buf, sizeof buf, "%") == -1);
}

int main(void)
{
    fixed();
    integers();
    floats();
    by_the_book();
    return check_done("printf");
}
