/* Numbers from text (ISO C 7.22.1). */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static int digit_value(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    if (isalpha((unsigned char)c))
        return tolower((unsigned char)c) - 'a' + 10;
    return INT_MAX;
}

/* "0x" counts as a prefix only if a digit follows it. */
static const char *skip_prefix(const char *s, int *base)
{
    if (s[0] == '0' && (s[1] | 32) == 'x' && (*base == 0 || *base == 16) &&
        digit_value(s[2]) < 16) {
        *base = 16;
        return s + 2;
    }
    if (*base == 0)
        *base = s[0] == '0' ? 8 : 10;
    return s;
}

/* Magnitude and sign of the number at the start of s; *over: it does not fit 64 bits. */
static unsigned long long magnitude(const char *s, char **end, int base, int *negative, int *over)
{
    const char *start = s;
    unsigned long long value = 0;

    *negative = *over = 0;
    if (base < 0 || base == 1 || base > 36) {
        errno = EINVAL;
        if (end != NULL)
            *end = (char *)start;
        return 0;
    }
    while (isspace((unsigned char)*s))
        s++;
    if (*s == '-' || *s == '+')
        *negative = *s++ == '-';
    s = skip_prefix(s, &base);

    const char *digits = s;
    for (int d; (d = digit_value(*s)) < base; s++)
        if (__builtin_mul_overflow(value, (unsigned long long)base, &value) ||
            __builtin_add_overflow(value, (unsigned long long)d, &value))
            *over = 1;
    if (end != NULL)
        *end = (char *)(s == digits ? start : s);
    return value;
}

unsigned long long strtoull(const char *restrict s, char **restrict end, int base)
{
    int negative, over;
    unsigned long long value = magnitude(s, end, base, &negative, &over);

    if (over) {
        errno = ERANGE;
        return ULLONG_MAX;
    }
    return negative ? 0 - value : value;
}

long long strtoll(const char *restrict s, char **restrict end, int base)
{
    int negative, over;
    unsigned long long value = magnitude(s, end, base, &negative, &over);
    unsigned long long limit = (unsigned long long)LLONG_MAX + (unsigned)negative;

    if (over || value > limit) {
        errno = ERANGE;
        return negative ? LLONG_MIN : LLONG_MAX;
    }
    return (long long)(negative ? 0 - value : value);
}

unsigned long strtoul(const char *restrict s, char **restrict end, int base)
{
    return strtoull(s, end, base);
}

long strtol(const char *restrict s, char **restrict end, int base)
{
    return strtoll(s, end, base);
}

int atoi(const char *s)
{
    return (int)strtoll(s, NULL, 10);
}

long atol(const char *s)
{
    return strtoll(s, NULL, 10);
}

long long atoll(const char *s)
{
    return strtoll(s, NULL, 10);
}
