/*
 * Column widths (width.h): combining characters take none, East Asian wide characters and emoji two
 * (the ranges of Unicode's EastAsianWidth W and F, and of general categories Mn and Cf, joined into
 * the large blocks that matter on a terminal).
 */
#include "apps/sh/width.h"

#include <stdint.h>

struct range {
    uint32_t first, last;
};

static const struct range none[] = {
    { 0x0300, 0x036f }, { 0x0483, 0x0489 },   { 0x0591, 0x05bd }, { 0x0610, 0x061a },
    { 0x064b, 0x065f }, { 0x1ab0, 0x1aff },   { 0x1dc0, 0x1dff }, { 0x200b, 0x200f },
    { 0x202a, 0x202e }, { 0x20d0, 0x20ff },   { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
    { 0xfeff, 0xfeff }, { 0xe0100, 0xe01ef },
};

static const struct range two[] = {
    { 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },   { 0xa960, 0xa97c },
    { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },
    { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
    { 0x20000, 0x3fffd },
};

static int is_in(const struct range *table, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++) {
        if (c >= table[i].first && c <= table[i].last)
            return 1;
    }
    return 0;
}

static size_t char_width(uint32_t c)
{
    if (c < 0x300)
        return 1;
    if (is_in(none, sizeof(none) / sizeof(none[0]), c))
        return 0;
    return is_in(two, sizeof(two) / sizeof(two[0]), c) ? 2 : 1;
}

/* The character at text, n > 0 bytes at most; the bytes it takes. */
static size_t decode(const unsigned char *text, size_t n, uint32_t *c)
{
    unsigned more = text[0] >= 0xf0 ? 3 : text[0] >= 0xe0 ? 2 : text[0] >= 0xc0 ? 1 : 0;

    *c = text[0];
    if (more == 0 || more >= n)
        return 1;
    *c = text[0] & (0x3fu >> more);
    for (unsigned i = 1; i <= more; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            *c = '?';
            return 1;
        }
        *c = *c << 6 | (text[i] & 0x3fu);
    }
    return 1 + more;
}

size_t text_width(const char *text, size_t n)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t width = 0;

    while (n > 0) {
        uint32_t c;
        size_t used = decode(at, n, &c);

        width += char_width(c);
        at += used;
        n -= used;
    }
    return width;
}
