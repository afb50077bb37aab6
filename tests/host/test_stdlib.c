/*
 * Numbers, sorting and the calendar against the host's.
 *
 * SOURCES: lib/strto.c lib/qsort.c lib/calendar.c lib/strftime.c lib/ctype.c lib/snprintf.c lib/format.c lib/format_float.c lib/mem.c lib/string.c FLAGS: -include tests/host/rugo_names.h -Wno-format-nonliteral
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

#undef strtoll
#undef strtoull
#undef timegm
#undef gmtime_r
#undef strftime
#undef memcmp
#undef memcpy
#undef strcmp
#undef strlen
long long strtoll(const char *s, char **end, int base);
unsigned long long strtoull(const char *s, char **end, int base);
time_t timegm(struct tm *tm);
struct tm *gmtime_r(const time_t *t, struct tm *tm);
size_t strftime(char *buf, size_t size, const char *fmt, const struct tm *tm);
int memcmp(const void *a, const void *b, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int strcmp(const char *a, const char *b);
size_t strlen(const char *s);

static void number(const char *text, int base)
{
    char *end, *want_end;

    errno = 0;
    long long want = strtoll(text, &want_end, base);
    int want_errno = errno;
    errno = 0;
    long long value = rugo_strtoll(text, &end, base);
    CHECK(value == want && end == want_end && errno == want_errno, "strtoll(\"%s\", %d)", text,
          base);
    errno = 0;
    unsigned long long uwant = strtoull(text, &want_end, base);
    want_errno = errno;
    errno = 0;
    unsigned long long uvalue = rugo_strtoull(text, &end, base);
    CHECK(uvalue == uwant && end == want_end && errno == want_errno, "strtoull(\"%s\", %d)", text,
          base);
}

static void numbers(void)
{
    static const char *const text[] = { "",
                                        " ",
                                        "-",
                                        "+",
                                        "0",
                                        "0x",
                                        "0xg",
                                        "0x1f",
                                        "-0x1F",
                                        "077",
                                        "089",
                                        "  42abc",
                                        "-42",
                                        "z",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "-18446744073709551615",
                                        "99999999999999999999999",
                                        "\t\n7",
                                        "1 2",
                                        "--1",
                                        "0X0x1" };
    static const int base[] = { 0, 2, 8, 10, 16, 36 };
    char buf[16];

    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        for (size_t b = 0; b < 6; b++)
            number(text[i], base[b]);
    for (int i = 0; i < 100000; i++) {
        size_t n = check_random() % 15;
        for (size_t j = 0; j < n; j++)
            buf[j] = "0123456789abfxXz -+"[check_random() % 19];
        buf[n] = '\0';
        number(buf, base[check_random() % 6]);
    }
    for (int bad = -1; bad <= 37;
         bad += bad < 1 ? 2 : 36) { /* -1, 1, 37: the host leaves the end alone there */
        errno = 0;
        CHECK(rugo_strtoll("10", NULL, bad) == 0 && errno == EINVAL, "base %d", bad);
    }
}

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

static void sorting(void)
{
    static int a[1000];
    struct {
        char c[13];
    } odd[50];

    for (int tries = 0; tries < 200; tries++) {
        size_t n = check_random() % 1000;
        long sum = 0, after = 0;
        for (size_t i = 0; i < n; i++)
            sum += a[i] = (int)(check_random() % (tries % 2 ? 10 : 100000));
        rugo_qsort(a, n, sizeof a[0], by_value);
        for (size_t i = 0; i < n; i++) {
            after += a[i];
            CHECK(i == 0 || a[i - 1] <= a[i]);
        }
        CHECK(sum == after);
        int key = (int)(check_random() % 100000),
            *found = rugo_bsearch(&key, a, n, sizeof a[0], by_value);
        int there = 0;
        for (size_t i = 0; i < n; i++)
            there |= a[i] == key;
        CHECK(there == (found != NULL) && (found == NULL || *found == key));
    }
    for (int i = 0; i < 50; i++)
        for (int j = 0; j < 13; j++)
            odd[i].c[j] = (char)(j < 12 ? check_random() % 26 + 'a' : 0);
    rugo_qsort(odd, 50, sizeof odd[0], (int (*)(const void *, const void *))strcmp);
    for (int i = 1; i < 50; i++)
        CHECK(strcmp(odd[i - 1].c, odd[i].c) <= 0 && strlen(odd[i].c) == 12);
}

static int same_day(const struct tm *a, const struct tm *b)
{
    return a->tm_sec == b->tm_sec && a->tm_min == b->tm_min && a->tm_hour == b->tm_hour &&
           a->tm_mday == b->tm_mday && a->tm_mon == b->tm_mon && a->tm_year == b->tm_year &&
           a->tm_wday == b->tm_wday && a->tm_yday == b->tm_yday;
}

static void calendar(void)
{
    static const char fmt[] = "%a %A %b %B %c %C %d %D %e %F %g %G %H %I %j %m %M %n %p %r "
                              "%R %s %S %t %T %u %U %V %w %W %x %X %y %Y %%";
    char ours[400], theirs[400];
    struct tm a, b, c;

    for (int i = 0; i < 100000; i++) {
        time_t t = (time_t)(int64_t)check_random() >>
                   (24 + check_random() % 30); /* the host's %s and ours agree on all of these */
        rugo_gmtime_r(&t, &a);
        gmtime_r(&t, &b);
        CHECK(same_day(&a, &b), "%lld", (long long)t);
        c = a;
        CHECK(rugo_timegm(&c) == t);
        if (b.tm_year < 0 || b.tm_year > 7000)
            continue;
        CHECK(rugo_strftime(ours, sizeof ours, fmt, &a) ==
              strftime(theirs, sizeof theirs, fmt, &b));
        CHECK(strcmp(ours, theirs) == 0, "%lld:\n%s\n%s", (long long)t, ours, theirs);
    }
    for (int i = 0; i < 50000; i++) { /* fields out of range are normalised */
        struct tm odd = { .tm_sec = (int)(check_random() % 1000) - 500,
                          .tm_min = (int)(check_random() % 1000) - 500,
                          .tm_hour = (int)(check_random() % 1000) - 500,
                          .tm_mday = (int)(check_random() % 1000) - 500,
                          .tm_mon = (int)(check_random() % 1000) - 500,
                          .tm_year = (int)(check_random() % 1000) };
        b = odd;
        CHECK(rugo_timegm(&odd) == timegm(&b) && same_day(&odd, &b));
    }
    CHECK(rugo_strftime(ours, 4, "%Y", &a) == 0);
    time_t far = LLONG_MAX;
    CHECK(rugo_gmtime_r(&far, &a) == NULL);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    numbers();
    sorting();
    calendar();
    return check_done("stdlib");
}
