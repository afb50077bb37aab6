/*
 * Decimal digits of a double, exactly. A double is m * 2^e: its integer part is a number of at
 * most 309 digits, its fraction ends after at most 1074. Both are written out in full and rounded
 * in decimal, where ties are visible.
 */
#include "format.h"

#include <stdint.h>
#include <string.h>

enum {
    WORDS = 36,        /* 32-bit words: 1152 bits hold 2^1023 as well as 2^-1074 */
    INT_DIGITS = 320,
    ALL_DIGITS = INT_DIGITS + 1100,
};

struct decimal {
    char digit[ALL_DIGITS]; /* as characters; [0] is a spare 0 that rounding may carry into */
    int point;              /* digits before the decimal point */
    int count;
};

/* The integer n (little-endian words), destroyed, as digits at the end of text; how many. */
static int integer_digits(uint32_t *n, char *text)
{
    int at = INT_DIGITS, top = WORDS;

    for (;;) {
        while (top > 0 && n[top - 1] == 0)
            top--;
        if (top == 0)
            return INT_DIGITS - at;
        uint64_t rest = 0;
        for (int i = top; i-- > 0;) {
            rest = rest << 32 | n[i];
            n[i] = (uint32_t)(rest / 1000000000);
            rest %= 1000000000;
        }
        for (int i = 0; i < 9 && at > 0; i++, rest /= 10)
            text[--at] = (char)('0' + rest % 10);
    }
}

/* The fraction f / 2^(32 * WORDS), destroyed, as digits, nine at a time until nothing is left. */
static int fraction_digits(uint32_t *f, char *text)
{
    int n = 0, low = 0;

    for (;;) {
        while (low < WORDS && f[low] == 0)
            low++;
        if (low == WORDS)
            return n;
        uint64_t carry = 0;
        for (int i = low; i < WORDS; i++) {
            carry += (uint64_t)f[i] * 1000000000;
            f[i] = (uint32_t)carry;
            carry >>= 32;
        }
        for (uint64_t unit = 100000000; unit > 0; unit /= 10)
            text[n++] = (char)('0' + carry / unit % 10);
    }
}

/* Stores m << shift. */
static void store_shifted(uint32_t *words, uint64_t m, int shift)
{
    unsigned __int128 v = (unsigned __int128)m << shift % 32;

    memset(words, 0, WORDS * sizeof *words);
    for (int i = shift / 32; v != 0; v >>= 32)
        words[i++] = (uint32_t)v;
}

static void expand(struct decimal *d, double value)
{
    uint64_t bits, m, whole, rest;
    uint32_t words[WORDS];
    char text[INT_DIGITS];
    int e;

    memcpy(&bits, &value, sizeof bits);
    e = (int)(bits >> 52 & 0x7ff);
    m = bits & 0xfffffffffffffull;
    if (e > 0)
        m |= 1ull << 52;
    e = (e > 0 ? e : 1) - 1075; /* value = m * 2^e */

    whole = e >= 0 || e <= -64 ? 0 : m >> -e;
    rest = e >= 0 ? 0 : e <= -64 ? m : m & ((1ull << -e) - 1);
    store_shifted(words, e >= 0 ? m : whole, e >= 0 ? e : 0);
    d->point = integer_digits(words, text);
    d->digit[0] = '0';
    memcpy(d->digit + 1, text + INT_DIGITS - d->point, (size_t)d->point);
    d->point++;
    d->count = d->point;
    if (rest != 0) {
        store_shifted(words, rest, 32 * WORDS + e);
        d->count += fraction_digits(words, d->digit + d->point);
    }
}

static int digit_at(const struct decimal *d, int i)
{
    return i < d->count ? d->digit[i] : '0';
}

/* Keeps the first n digits, rounding to nearest, ties to even. */
static void round_at(struct decimal *d, int n)
{
    int up;

    if (n >= d->count)
        return;
    if (n < 0) {
        d->count = 0;
        return;
    }
    up = d->digit[n] > '5';
    if (d->digit[n] == '5') {
        for (int i = n + 1; i < d->count; i++)
            up |= d->digit[i] != '0';
        up |= n > 0 && (d->digit[n - 1] - '0') % 2 == 1;
    }
    d->count = n;
    for (int i = n; up && i-- > 0;) {
        up = d->digit[i] == '9';
        d->digit[i] = (char)(up ? '0' : d->digit[i] + 1);
    }
}

static int first_nonzero(const struct decimal *d)
{
    for (int i = 0; i < d->count; i++)
        if (d->digit[i] != '0')
            return i;
    return d->point; /* zero; the caller sets its exponent apart */
}

static char *put_digits(char *p, const struct decimal *d, int from, int n)
{
    for (int i = 0; i < n; i++)
        *p++ = (char)digit_at(d, from + i);
    return p;
}

static char *put_exponent(char *p, int e)
{
    *p++ = 'e';
    *p++ = e < 0 ? '-' : '+';
    if (e < 0)
        e = -e;
    if (e >= 100)
        *p++ = (char)('0' + e / 100);
    *p++ = (char)('0' + e / 10 % 10);
    *p++ = (char)('0' + e % 10);
    return p;
}

static char *strip_zeros(char *start, char *p)
{
    if (memchr(start, '.', (size_t)(p - start)) == NULL)
        return p;
    while (p[-1] == '0')
        p--;
    return p[-1] == '.' ? p - 1 : p;
}

/* d.ddd of `precision` fraction digits from digit `first` on. */
static char *put_scientific(char *p, const struct decimal *d, int first, int precision, int alt)
{
    p = put_digits(p, d, first, 1);
    if (precision > 0 || alt)
        *p++ = '.';
    return put_digits(p, d, first + 1, precision);
}

static char *put_fixed(char *p, const struct decimal *d, int precision, int alt)
{
    int start = 0;

    while (start < d->point - 1 && digit_at(d, start) == '0')
        start++;
    p = put_digits(p, d, start, d->point - start);
    if (precision > 0 || alt)
        *p++ = '.';
    return put_digits(p, d, d->point, precision);
}

size_t format_float(char *out, double value, char conversion, int precision, int alt)
{
    struct decimal d;
    int zero = value == 0;
    int first, exponent;
    char *p;

    expand(&d, value < 0 ? -value : value);
    if (conversion == 'f') {
        round_at(&d, d.point + precision);
        return (size_t)(put_fixed(out, &d, precision, alt) - out);
    }
    if (conversion == 'g')
        precision = precision == 0 ? 0 : precision - 1;
    first = first_nonzero(&d);
    round_at(&d, first + 1 + precision);
    if (first > 0 && d.digit[first - 1] != '0') /* 9.99 became 10.0 */
        first--;
    exponent = zero ? 0 : d.point - 1 - first;
    if (conversion == 'g' && exponent >= -4 && exponent <= precision) {
        p = put_fixed(out, &d, precision - exponent, alt);
        return (size_t)((alt ? p : strip_zeros(out, p)) - out);
    }
    p = put_scientific(out, &d, first, precision, alt);
    if (conversion == 'g' && !alt)
        p = strip_zeros(out, p);
    return (size_t)(put_exponent(p, exponent) - out);
}
