/*
 * Doubles from decimal text, correctly rounded (ISO C 7.22.1.3, without hexadecimal floats). The text's digits are kept as a
 * decimal number that is halved or doubled, in decimal, until it lies in [1/2, 1): the count of those steps is the binary
 * exponent, and 53 more doublings leave the mantissa before the point. Exact, and short; not the fastest.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DIGITS = 800,    /* more cannot matter: no double or midpoint of two has more than 767 */
    STEP = 59,       /* most bits of one shift: 9 << STEP and a carry fit 64 bits */
    EXPONENT = 1074, /* of the smallest double, and the largest has 1023 */
};

/* 0.d[0]d[1]… * 10^point; d[0] is not 0 unless the value is. */
struct decimal {
    uint8_t d[DIGITS];
    int n;
    int point;
    int more; /* digits that are not 0 were dropped */
};

static void add_digit(struct decimal *v, unsigned digit)
{
    if (v->n == 0 && digit == 0)
        v->point--; /* a leading zero */
    else if (v->n < DIGITS)
        v->d[v->n++] = (uint8_t)digit;
    else
        v->more |= digit != 0;
}

/* v / 2^k, k <= STEP. */
static void halve(struct decimal *v, int k)
{
    struct decimal r = { .point = v->point, .more = v->more };
    uint64_t rest = 0;

    for (int i = 0; i < v->n || rest != 0; i++) {
        rest = rest * 10 + (i < v->n ? v->d[i] : 0);
        add_digit(&r, (unsigned)(rest >> k));
        rest &= (1ull << k) - 1;
        if (r.n == DIGITS && i >= v->n) {
            r.more |= rest != 0;
            break;
        }
    }
    *v = r;
}

/* v * 2^k, k <= STEP. */
static void double_(struct decimal *v, int k)
{
    uint8_t wide[DIGITS + 20];
    int at = (int)sizeof wide;
    uint64_t carry = 0;

    for (int i = v->n; i > 0 || carry > 0;) {
        carry += i > 0 ? (uint64_t)v->d[--i] << k : (v->point++, 0);
        wide[--at] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    struct decimal r = { .point = v->point, .more = v->more };
    for (; at < (int)sizeof wide; at++)
        add_digit(&r, wide[at]);
    *v = r;
}

/* The value as an integer, half to even; it is below 2^54. */
static uint64_t rounded(const struct decimal *v)
{
    uint64_t m = 0;
    int up, tie;

    for (int i = 0; i < v->point; i++)
        m = m * 10 + (i < v->n ? v->d[i] : 0);
    if (v->point < 0 || v->point >= v->n)
        return m;
    tie = v->d[v->point] == 5 && v->point + 1 == v->n && !v->more;
    up = v->d[v->point] >= 5;
    return m + (tie ? m & 1 : (uint64_t)up);
}

static void strip(struct decimal *v)
{
    while (v->n > 0 && v->d[v->n - 1] == 0)
        v->n--;
}

/* Brings v into [1/2, 1); what it was is v * 2^(the result). */
static int normalise(struct decimal *v)
{
    int exponent = 0, k;

    while (v->point > 0) {
        k = v->point >= 18 ? STEP : v->point * 3;
        halve(v, k);
        exponent += k;
    }
    while (v->point < 0 || v->d[0] < 5) {
        k = v->point <= -18 ? STEP : v->point < 0 ? -v->point * 3 : 1;
        double_(v, k);
        exponent -= k;
    }
    return exponent;
}

static double make_double(struct decimal *v)
{
    uint64_t m, bits;
    double result;
    int exponent;

    strip(v);
    if (v->n == 0 || v->point < -330)
        return v->n == 0 ? 0 : (errno = ERANGE, 0.0);
    if (v->point > 310)
        return errno = ERANGE, HUGE_VAL;
    exponent = normalise(v);
    for (int k; exponent < 1 - 1022; exponent += k) { /* below the normal range: fewer bits stay */
        k = 1 - 1022 - exponent < STEP ? 1 - 1022 - exponent : STEP;
        halve(v, k);
    }
    double_(v, 53);
    strip(v);
    m = rounded(v);
    if (m == 1ull << 53) {
        m >>= 1;
        exponent++;
    }
    if (exponent > 1024)
        return errno = ERANGE, HUGE_VAL;
    if (m < 1ull << 52)
        errno = ERANGE; /* it has lost bits */
    bits = m < 1ull << 52 ? m : (uint64_t)(exponent + 1022) << 52 | (m & ((1ull << 52) - 1));
    memcpy(&result, &bits, sizeof result);
    return result;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "e-12" at s, if it is one; its end. */
static const char *read_exponent(const char *s, int *point)
{
    const char *p = s + 1;
    int negative = 0, value = 0;

    if ((*s | 32) != 'e')
        return s;
    if (*p == '-' || *p == '+')
        negative = *p++ == '-';
    if (!is_digit(*p))
        return s;
    for (; is_digit(*p); p++)
        if (value < 100000)
            value = value * 10 + (*p - '0');
    *point += negative ? -value : value;
    return p;
}

/* Digits with at most one point among them; NULL if there is no digit. */
static const char *read_digits(const char *s, struct decimal *v)
{
    int seen_point = 0, any = 0;

    for (; is_digit(*s) || (*s == '.' && !seen_point); s++) {
        if (*s == '.') {
            seen_point = 1;
            continue;
        }
        any = 1;
        if (!seen_point && v->point < INT_MAX / 2)
            v->point++;
        add_digit(v, (unsigned)(*s - '0'));
    }
    return any ? s : NULL;
}

/* inf, infinity, nan; NULL if it is none of them. */
static const char *read_word(const char *s, double *value)
{
    if (strncasecmp(s, "inf", 3) == 0) {
        *value = HUGE_VAL;
        return s + (strncasecmp(s, "infinity", 8) == 0 ? 8 : 3);
    }
    if (strncasecmp(s, "nan", 3) == 0) {
        *value = __builtin_nan("");
        return s + 3;
    }
    return NULL;
}

double strtod(const char *restrict s, char **restrict end)
{
    struct decimal v = { .n = 0 };
    const char *start = s, *after;
    double value = 0;
    int negative = 0;

    while (*s == ' ' || (*s >= '\t' && *s <= '\r'))
        s++;
    if (*s == '-' || *s == '+')
        negative = *s++ == '-';
    after = read_word(s, &value);
    if (after == NULL) {
        after = read_digits(s, &v);
        if (after != NULL) {
            after = read_exponent(after, &v.point);
            value = make_double(&v);
        }
    }
    if (end != NULL)
        *end = (char *)(after != NULL ? after : start);
    return negative && after != NULL ? -value : value;
}

float strtof(const char *restrict s, char **restrict end)
{
    return (float)strtod(s, end); /* rounded twice: off by one unit in rare cases */
}

double atof(const char *s)
{
    return strtod(s, NULL);
}
