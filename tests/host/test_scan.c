/*
 * lib's strtod and scanf against the host's: halfway cases, the ends of the range, long texts, random directives.
 *
 * SOURCES: lib/strtod.c lib/scan.c lib/strto.c lib/mem.c lib/string.c lib/ctype.c FLAGS: -include tests/host/rugo_names.h -Wno-format -Wno-format-truncation
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "lib/scan.h"

#undef strtod
#undef snprintf
#undef memcmp
#undef memset
#undef strlen
#undef strcmp
double strtod(const char *s, char **end);
int snprintf(char *buf, size_t size, const char *fmt, ...);
int memcmp(const void *a, const void *b, size_t n);
void *memset(void *p, int c, size_t n);
size_t strlen(const char *s);

static void number(const char *text)
{
    char *end, *want_end;
    double want = strtod(text, &want_end), value;

    errno = 0;
    value = rugo_strtod(text, &end);
    CHECK(memcmp(&value, &want, sizeof value) == 0 && end == want_end, "%s: %.17g, not %.17g", text,
          value, want);
}

static void fixed(void)
{
    static const char *const text[] = {
        "0",
        "-0",
        "1",
        ".5",
        "5.",
        ".",
        "",
        "-",
        "+.e1",
        "1e",
        "1e+",
        "1e5",
        "1E-5x",
        " \t-12.5e+2,",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e309",
        "-1e400",
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.47e-324",
        "1e-400",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "9007199254740993",
        "9007199254740992.99999999999999999999",
        "9007199254740993.00000000000000000001",
        "0.1",
        "1e23",
        "8.5e22",
        "inf",
        "-Infinity",
        "infinit",
        "1e99999999999999999999",
        "0e99999999999",
        "0.000000000000000000000000000001e30",
        "100000000000000000000000000000000000000000000000000000000000000000000000e-50",
        "1e22",
        "123456789012345678901234567890"
    };

    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        number(text[i]);
    errno = 0;
    CHECK(rugo_strtod("1e999", NULL) > 1e308 && errno == ERANGE);
    errno = 0;
    CHECK(rugo_strtod("1e-999", NULL) == 0 && errno == ERANGE);
    CHECK(rugo_strtod("nan", NULL) != rugo_strtod("nan", NULL));
}

/* Random bits as text with few and with all digits, and the exact middle between two doubles. */
static void doubles(void)
{
    static char text[1500];
    union {
        uint64_t bits;
        double value;
    } a, b;

    for (int i = 0; i < 20000; i++) {
        a.bits = check_random() & ~(1ull << 63);
        if (check_random() % 2)
            a.bits = (a.bits & ((1ull << 52) - 1)) | (1023 + check_random() % 120 - 60) << 52;
        if ((a.bits >> 52) >= 0x7fe)
            continue;
        snprintf(text, sizeof text, "%.*e", (int)(check_random() % 20), a.value);
        number(text);
        snprintf(text, sizeof text, "%.17g", a.value);
        number(text);
        b.bits = a.bits + 1;
        if (i % 20 == 0) { /* as long double the middle of two normal doubles is exact */
            snprintf(text, sizeof text, "%.1100Lg",
                     ((long double)a.value + (long double)b.value) / 2);
            number(text);
            strcat(text, strchr(text, 'e') != NULL   ? ""
                         : strchr(text, '.') != NULL ? "00001"
                                                     : ".00001");
            number(text);
        }
    }
}

static int get(void *where)
{
    const char **at = where;

    return **at != '\0' ? (unsigned char)*(*at)++ : -1;
}

static void back(void *where, int c)
{
    const char **at = where;

    CHECK((unsigned char)*--*at == c);
}

static int ours(const char *text, const char *fmt, ...)
{
    struct scan_source source = { get, back, &text };
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = scan_text(&source, fmt, ap);
    va_end(ap);
    return n;
}

/* Four arguments of 64 bytes: room for whatever the directives of these tests store. */
static void both(const char *text, const char *fmt)
{
    static char a[4][64], b[4][64];

    memset(a, 0x55, sizeof a);
    memset(b, 0x55, sizeof b);
    int got = ours(text, fmt, a[0], a[1], a[2], a[3]);
    int want = sscanf(text, fmt, b[0], b[1], b[2], b[3]);
    CHECK(got == want, "\"%s\" by \"%s\": %d, not %d", text, fmt, got, want);
    CHECK(memcmp(a, b, sizeof a) == 0, "\"%s\" by \"%s\"", text, fmt);
}

static void directives(void)
{
    both("12 -34 0x1f 077", "%d %i %i %i");
    both("12abc", "%d%s");
    both("  hello world", "%s%c%s%n");
    both("abc", "%2c%c");
    both("key=value;", "%[^=]=%[a-z]%n");
    both("a]b", "%[]a]%c");
    both("x-y", "%[a-]%[xy-]");
    both("", "%d");
    both("   ", "%d");
    both("x", "%d");
    both("1,", "%d,%d");
    both("1,2", "%d,%d");
    both("50%", "%d%%%n");
    both("300 -1", "%hhd %hu");
    both("18446744073709551615 -9223372036854775808", "%lu %lld");
    both("1.5 2.5e3 -.5", "%f %lf %f");
    both("3.25", "%Lf");
    both("12345", "%3d%d");
    both("12345 67", "%*d %d");
    both("deadBEEF 0xff", "%x %X");
    both("0x1234", "%p");
    both("- 5", "%d");
    both("1 2 3", "%zu %jd %td");
    char c[8] = "";
    CHECK(ours("ab", "%5c", c) == 0); /* the host takes fewer than asked for */
    CHECK(ours("1e", "%f", c) == 0);  /* and half an exponent */
}

static void random_texts(void)
{
    static const char *const fmt[] = { "%d",    "%i",    "%u%c",     "%x",   "%o%s",  "%3d%d",
                                       "%f",    "%lf%s", "%s %s",    "%1c",  "%4s%n", "%[0-9a]%s",
                                       "%*d%d", "%d,%d", "%hd %hhu", "%ld%n" };
    char text[24];

    for (int i = 0; i < 200000; i++) {
        size_t n = check_random() % 20;
        for (size_t j = 0; j < n; j++)
            text[j] = "0123456789 -+.,xabcf"[check_random() % 20];
        text[n] = '\0';
        if (strpbrk(text, "xpin") ==
            NULL) /* the host keeps "0x" and hexadecimal floats in its own way */
            both(text, fmt[check_random() % 16]);
    }
}

int main(void)
{
    fixed();
    doubles();
    directives();
    random_texts();
    return check_done("scan");
}
