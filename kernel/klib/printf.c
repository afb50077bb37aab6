/* Formatted text (printf.h). */
#include "klib/printf.h"
#include "klib/klog.h"
#include "klib/string.h"

struct out {
    char *buf;
    size_t size, len;
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

struct spec {
    bool left, zero;
    int width, precision;
    int longs;
};

static void put_padded(struct out *o, const struct spec *s, const char *text, size_t n, char pad)
{
    size_t fill = s->width > 0 && (size_t)s->width > n ? (size_t)s->width - n : 0;
    if (!s->left)
        while (fill)
            put(o, pad), fill--;
    while (n--)
        put(o, *text++);
    while (fill--)
        put(o, ' ');
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, unsigned base,
                       bool negative)
{
    char text[24];
    size_t i = sizeof text;
    do
        text[--i] = "0123456789abcdef"[v % base];
    while (v /= base);
    if (negative)
        text[--i] = '-';
    put_padded(o, s, text + i, sizeof text - i, s->zero ? '0' : ' ');
}

static const char *parse_spec(const char *f, struct spec *s)
{
    *s = (struct spec){ .precision = -1 };
    for (; *f == '-' || *f == '0'; f++)
        *(*f == '-' ? &s->left : &s->zero) = true;
    for (; *f >= '0' && *f <= '9'; f++)
        s->width = s->width * 10 + (*f - '0');
    if (*f == '.') {
        s->precision = 0;
        for (f++; *f >= '0' && *f <= '9'; f++)
            s->precision = s->precision * 10 + (*f - '0');
    }
    for (; *f == 'l' || *f == 'z'; f++)
        s->longs++;
    return f;
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
    if (!text)
        text = "(null)";
    put_padded(o, s, text, s->precision >= 0 ? strnlen(text, (size_t)s->precision) : strlen(text),
               ' ');
}

int kvsnprintf(char *buf, size_t size, const char *f, va_list ap)
{
    struct out o = { buf, size, 0 };
    struct spec s;
    for (; *f; f++) {
        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        f = parse_spec(f + 1, &s);
        if (!*f)
            break;
        if (*f == 'd') {
            int64_t v = s.longs ? va_arg(ap, int64_t) : va_arg(ap, int);
            put_number(&o, &s, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
        } else if (*f == 'u' || *f == 'x') {
            uint64_t v = s.longs ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
            put_number(&o, &s, v, *f == 'u' ? 10 : 16, false);
        } else if (*f == 'p') {
            put(&o, '0');
            put(&o, 'x');
            put_number(&o, &s, (uintptr_t)va_arg(ap, void *), 16, false);
        } else if (*f == 's') {
            put_string(&o, &s, va_arg(ap, const char *));
        } else if (*f == 'c') {
            char c = (char)va_arg(ap, int);
            put_padded(&o, &s, &c, 1, ' ');
        } else {
            put(&o, *f);
        }
    }
    if (size)
        buf[o.len < size ? o.len : size - 1] = 0;
    return (int)o.len;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = kvsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

static void vprint_at(uint32_t level, const char *fmt, va_list ap)
{
    char text[512];
    int n = kvsnprintf(text, sizeof text, fmt, ap);
    klog_write(level, 0, text, min_u64((uint64_t)n, sizeof text - 1));
}

void kprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprint_at(LOG_INFO, fmt, ap);
    va_end(ap);
}

void kprintf_at(uint32_t level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprint_at(level, fmt, ap);
    va_end(ap);
}
