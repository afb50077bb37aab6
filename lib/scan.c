/* scanf's directives. */
#include "scan.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 400 }; /* longest number; the rest of a longer one is not read */

struct scan {
    const struct scan_source *from;
    long count; /* bytes read */
};

struct directive {
    int skip;   /* '*' */
    int width;  /* INT_MAX: none given */
    int size;   /* bytes of the integer; floats: 4, 8 or 16 */
    char kind;
    const char *set; /* of a '[': the set's first byte */
};

static int get(struct scan *s)
{
    int c = s->from->get(s->from->where);

    s->count += c >= 0;
    return c;
}

static void back(struct scan *s, int c)
{
    if (c < 0)
        return;
    s->from->back(s->from->where, c);
    s->count--;
}

static int skip_space(struct scan *s)
{
    int c;

    do
        c = get(s);
    while (isspace(c));
    back(s, c);
    return c;
}

static const char *read_size(const char *p, struct directive *d)
{
    d->size = 4;
    switch (*p) {
    case 'h': d->size = p[1] == 'h' ? 1 : 2; return p + (p[1] == 'h' ? 2 : 1);
    case 'l': d->size = 8; return p + (p[1] == 'l' ? 2 : 1);
    case 'L': d->size = 16; return p + 1;
    case 'j':
    case 'z':
    case 't': d->size = 8; return p + 1;
    }
    return p;
}

/* All behind '%', a set included. */
static const char *read_directive(const char *p, struct directive *d)
{
    *d = (struct directive){ .width = INT_MAX };
    if (*p == '*') {
        d->skip = 1;
        p++;
    }
    if (isdigit((unsigned char)*p)) {
        d->width = (int)strtol(p, (char **)&p, 10);
        if (d->width == 0)
            d->width = INT_MAX;
    }
    p = read_size(p, d);
    d->kind = *p;
    if (*p == '\0')
        return p;
    p++;
    if (d->kind == '[') {
        d->set = p;
        p += *p == '^';
        p += *p == ']'; /* first: a member */
        while (*p != '\0' && *p != ']')
            p++;
        p += *p == ']';
    }
    return p;
}

/* Whether c is in the set that begins behind '['. */
static int in_set(const char *set, int c)
{
    int inverted = *set == '^', found = 0;

    set += inverted;
    do {
        if (set[1] == '-' && set[2] != ']' && set[2] != '\0') {
            found |= c >= (unsigned char)set[0] && c <= (unsigned char)set[2];
            set += 3;
        } else {
            found |= c == (unsigned char)*set++;
        }
    } while (*set != ']' && *set != '\0');
    return found != inverted;
}

static int accepts(const struct directive *d, int c)
{
    if (c < 0)
        return 0;
    return d->kind == 'c' || (d->kind == '[' ? in_set(d->set, c) : !isspace(c));
}

/* %c, %s, %[: bytes into out. 1, or 0 if there are none. */
static int read_bytes(struct scan *s, const struct directive *d, char *out)
{
    int room = d->kind == 'c' && d->width == INT_MAX ? 1 : d->width, n = 0, c;

    while (n < room) {
        c = get(s);
        if (!accepts(d, c)) {
            back(s, c);
            break;
        }
        if (out != NULL)
            out[n] = (char)c;
        n++;
    }
    if (d->kind == 'c')
        return n == room;
    if (out != NULL && n > 0)
        out[n] = '\0';
    return n > 0;
}

/* The bytes that may belong to a number, as text; a prefix of it is the number. */
struct number {
    char text[NUMBER_MAX + 1];
    int n;
};

/* Takes the next byte if it is in the set and there is room. */
static int take(struct scan *s, struct number *t, int width, const char *set)
{
    int c = t->n < width ? get(s) : -1;

    if (c < 0)
        return 0;
    if (strchr(set, tolower(c)) == NULL || c == 0) {
        back(s, c);
        return 0;
    }
    t->text[t->n++] = (char)c;
    return 1;
}

static int room_of(const struct directive *d)
{
    return d->width < NUMBER_MAX ? d->width : NUMBER_MAX;
}

/* An integer's text; *base becomes what the prefix says. 0: there is none. */
static int read_integer(struct scan *s, const struct directive *d, int *base, struct number *t)
{
    const char *digits;
    int any = 0;

    (void)take(s, t, room_of(d), "+-");
    if ((*base == 0 || *base == 16) && take(s, t, room_of(d), "0")) {
        any = 1;
        if (take(s, t, room_of(d), "x")) {
            *base = 16;
            any = 0;
        } else if (*base == 0) {
            *base = 8;
        }
    }
    if (*base == 0)
        *base = 10;
    digits = *base == 16 ? "0123456789abcdef" : *base == 8 ? "01234567" : "0123456789";
    while (take(s, t, room_of(d), digits))
        any = 1;
    t->text[t->n] = '\0';
    return any;
}

static void store_integer(void *out, int size, uint64_t value)
{
    memcpy(out, &value, (size_t)size); /* little-endian: the low bytes come first */
}

static int scan_integer(struct scan *s, const struct directive *d, void *out)
{
    struct number t = { .n = 0 };
    int base = d->kind == 'i' ? 0 : d->kind == 'o' ? 8 : d->kind == 'd' || d->kind == 'u' ? 10 : 16;

    if (!read_integer(s, d, &base, &t))
        return 0;
    if (out != NULL && (d->kind == 'd' || d->kind == 'i'))
        store_integer(out, d->size, (uint64_t)strtoll(t.text, NULL, base));
    else if (out != NULL)
        store_integer(out, d->kind == 'p' ? 8 : d->size, strtoull(t.text, NULL, base));
    return 1;
}

static int scan_float(struct scan *s, const struct directive *d, void *out)
{
    struct number t = { .n = 0 };
    int any = 0;
    double value;

    (void)take(s, &t, room_of(d), "+-");
    while (take(s, &t, room_of(d), "0123456789"))
        any = 1;
    if (take(s, &t, room_of(d), "."))
        while (take(s, &t, room_of(d), "0123456789"))
            any = 1;
    if (any && take(s, &t, room_of(d), "e")) {
        (void)take(s, &t, room_of(d), "+-");
        for (any = 0; take(s, &t, room_of(d), "0123456789");)
            any = 1;
    }
    t.text[t.n] = '\0';
    if (!any)
        return 0;
    value = strtod(t.text, NULL);
    if (out != NULL && d->size == 4)
        *(float *)out = (float)value;
    else if (out != NULL && d->size == 8)
        *(double *)out = value;
    else if (out != NULL)
        *(long double *)out = value;
    return 1;
}

/* Whether a byte is left. */
static int has_more(struct scan *s)
{
    int c = get(s);

    back(s, c);
    return c >= 0;
}

enum { MATCHED = 1, NO_MATCH = 0, NO_INPUT = -1, NO_DIRECTIVE = -2 };

/* One directive; what came of it. */
static int scan_one(struct scan *s, const struct directive *d, void *out)
{
    if (d->kind != 'c' && d->kind != '[' && d->kind != 'n')
        skip_space(s);
    if (d->kind != 'n' && !has_more(s))
        return NO_INPUT;
    switch (d->kind) {
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
    case 'p': return scan_integer(s, d, out);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': return scan_float(s, d, out);
    case 'c':
    case 's':
    case '[': return read_bytes(s, d, out);
    case 'n':
        if (out != NULL)
            store_integer(out, d->size, (uint64_t)s->count);
        return MATCHED;
    }
    return NO_DIRECTIVE;
}

/* A byte of the format that is no directive. */
static int literal(struct scan *s, char want)
{
    int c = get(s);

    if (c == (unsigned char)want)
        return MATCHED;
    back(s, c);
    return c < 0 ? NO_INPUT : NO_MATCH;
}

int scan_text(const struct scan_source *source, const char *fmt, va_list ap)
{
    struct scan s = { source, 0 };
    struct directive d;
    va_list args;
    int stored = 0, matched = MATCHED;

    va_copy(args, ap);
    while (matched == MATCHED && *fmt != '\0') {
        if (isspace((unsigned char)*fmt)) {
            skip_space(&s);
            fmt++;
        } else if (*fmt != '%') {
            matched = literal(&s, *fmt++);
        } else if (fmt[1] == '%') {
            skip_space(&s);
            matched = literal(&s, '%');
            fmt += 2;
        } else {
            fmt = read_directive(fmt + 1, &d);
            matched = scan_one(&s, &d, d.skip ? NULL : va_arg(args, void *));
            stored += matched == MATCHED && !d.skip && d.kind != 'n';
        }
    }
    va_end(args);
    return stored == 0 && matched == NO_INPUT ? -1 : stored;
}
