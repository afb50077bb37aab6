/* printf's directives. Nothing here calls the system. */
#include "format.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

struct spec {
    int left, plus, space, alt, zero;
    int width;
    int precision; /* -1: none given */
    int size;      /* bytes of an integer argument */
    int wide;      /* L */
};

struct out {
    format_sink put;
    void *where;
    uint64_t count;
};

static void emit(struct out *o, const char *text, size_t n)
{
    if (n > 0)
        o->put(o->where, text, n);
    o->count += n;
}

static void pad(struct out *o, char c, int64_t n)
{
    static const char zeros[] = "00000000000000000000000000000000";
    static const char blanks[] = "                                ";

    for (; n > 0; n -= 32)
        emit(o, c == '0' ? zeros : blanks, n > 32 ? 32 : (size_t)n);
}

/* prefix (sign, 0x), `zeros` zeros, body; blanks on one side to make up the width. */
static void field(struct out *o, const struct spec *s, const char *prefix, int64_t zeros,
                  const char *body, size_t n)
{
    size_t prefix_len = strlen(prefix);
    int64_t blanks = s->width - (int64_t)(prefix_len + n) - (zeros > 0 ? zeros : 0);

    if (!s->left)
        pad(o, ' ', blanks);
    emit(o, prefix, prefix_len);
    pad(o, '0', zeros);
    emit(o, body, n);
    if (s->left)
        pad(o, ' ', blanks);
}

static const char *sign_of(const struct spec *s, int negative)
{
    if (negative)
        return "-";
    return s->plus ? "+" : s->space ? " " : "";
}

static void put_integer(struct out *o, const struct spec *s, uint64_t value, unsigned base,
                        int upper, const char *prefix)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    size_t n = 0;
    int64_t zeros;

    for (uint64_t v = value; v > 0; v /= base)
        text[sizeof text - ++n] = digits[v % base];
    if (s->precision >= 0)
        zeros = s->precision - (int64_t)n;
    else if (s->zero && !s->left)
        zeros = s->width - (int64_t)(n + strlen(prefix));
    else
        zeros = 0;
    if (n == 0 && zeros <= 0 && s->precision != 0)
        zeros = 1;
    if (base == 8 && s->alt && zeros <= 0)
        zeros = 1;
    field(o, s, prefix, zeros, text + sizeof text - n, n);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
    if (text == NULL)
        text = "(null)";
    field(o, s, "", 0, text, strnlen(text, s->precision < 0 ? SIZE_MAX : (size_t)s->precision));
}

static void put_float(struct out *o, const struct spec *s, double value, char conversion)
{
    char text[FORMAT_FLOAT_MAX];
    int upper = conversion < 'a';
    int precision = s->precision < 0 ? 6 : s->precision > 500 ? 500 : s->precision;
    const char *sign = sign_of(s, __builtin_signbit(value) != 0);
    size_t n;
    int64_t zeros = 0;

    if (!__builtin_isfinite(value)) {
        memcpy(text, __builtin_isnan(value) ? "nan" : "inf", n = 3);
    } else {
        n = format_float(text, value, (char)(conversion | 32), precision, s->alt);
        if (s->zero && !s->left)
            zeros = s->width - (int64_t)(n + strlen(sign));
    }
    for (size_t i = 0; upper && i < n; i++)
        if (text[i] >= 'a')
            text[i] = (char)(text[i] - 32);
    field(o, s, sign, zeros, text, n);
}

static int64_t next_signed(const struct spec *s, va_list *ap)
{
    if (s->size == 8)
        return va_arg(*ap, int64_t);
    int value = va_arg(*ap, int);
    return s->size == 1 ? (signed char)value : s->size == 2 ? (short)value : value;
}

static uint64_t next_unsigned(const struct spec *s, va_list *ap)
{
    if (s->size == 8)
        return va_arg(*ap, uint64_t);
    unsigned value = va_arg(*ap, unsigned);
    return s->size == 1 ? (unsigned char)value : s->size == 2 ? (unsigned short)value : value;
}

/* A number or '*'. */
static const char *read_count(const char *p, va_list *ap, int *n)
{
    int value = 0;

    if (*p == '*') {
        *n = va_arg(*ap, int);
        return p + 1;
    }
    for (; *p >= '0' && *p <= '9'; p++)
        if (value < INT_MAX / 10 - 1)
            value = value * 10 + (*p - '0');
    *n = value;
    return p;
}

static const char *read_flags(const char *p, struct spec *s)
{
    for (;; p++) {
        switch (*p) {
        case '-': s->left = 1; break;
        case '+': s->plus = 1; break;
        case ' ': s->space = 1; break;
        case '#': s->alt = 1; break;
        case '0': s->zero = 1; break;
        default: return p;
        }
    }
}

static const char *read_size(const char *p, struct spec *s)
{
    s->size = 4;
    switch (*p) {
    case 'h': s->size = p[1] == 'h' ? 1 : 2; return p + (p[1] == 'h' ? 2 : 1);
    case 'l': s->size = 8; return p + (p[1] == 'l' ? 2 : 1);
    case 'z':
    case 'j':
    case 't': s->size = 8; return p + 1;
    case 'L': s->wide = 1; return p + 1;
    }
    return p;
}

/* Everything between '%' and the conversion letter. */
static const char *read_spec(const char *p, struct spec *s, va_list *ap)
{
    memset(s, 0, sizeof *s);
    s->precision = -1;
    p = read_flags(p, s);
    p = read_count(p, ap, &s->width);
    if (s->width < 0) {
        s->left = 1;
        s->width = s->width == INT_MIN ? INT_MAX : -s->width;
    }
    if (*p == '.') {
        p = read_count(p + 1, ap, &s->precision);
        if (s->precision < 0)
            s->precision = -1;
    }
    return read_size(p, s);
}

static int convert(struct out *o, const struct spec *s, char conversion, va_list *ap)
{
    int64_t value;
    uint64_t word;
    char c;

    switch (conversion) {
    case 'd':
    case 'i':
        value = next_signed(s, ap);
        put_integer(o, s, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, 0,
                    sign_of(s, value < 0));
        return 0;
    case 'u': put_integer(o, s, next_unsigned(s, ap), 10, 0, ""); return 0;
    case 'o': put_integer(o, s, next_unsigned(s, ap), 8, 0, ""); return 0;
    case 'x':
    case 'X':
        word = next_unsigned(s, ap);
        put_integer(o, s, word, 16, conversion == 'X',
                    !s->alt || word == 0 ? ""
                    : conversion == 'x'  ? "0x"
                                         : "0X");
        return 0;
    case 'p': put_integer(o, s, (uintptr_t)va_arg(*ap, void *), 16, 0, "0x"); return 0;
    case 'c':
        c = (char)va_arg(*ap, int);
        field(o, s, "", 0, &c, 1);
        return 0;
    case 's': put_string(o, s, va_arg(*ap, const char *)); return 0;
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        put_float(o, s, s->wide ? (double)va_arg(*ap, long double) : va_arg(*ap, double),
                  conversion);
        return 0;
    case '%': emit(o, "%", 1); return 0;
    }
    return -1;
}

int format_text(format_sink put, void *where, const char *fmt, va_list ap)
{
    struct out o = { put, where, 0 };
    struct spec s;
    va_list args;
    int bad = 0;

    va_copy(args, ap);
    while (!bad && *fmt != '\0') {
        const char *plain = fmt;
        while (*fmt != '\0' && *fmt != '%')
            fmt++;
        emit(&o, plain, (size_t)(fmt - plain));
        if (*fmt == '%') {
            fmt = read_spec(fmt + 1, &s, &args);
            bad = convert(&o, &s, *fmt, &args);
            fmt++;
        }
    }
    va_end(args);
    return bad || o.count > INT_MAX ? -1 : (int)o.count;
}
