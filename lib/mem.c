/*
 * Copying, filling and comparing bytes. By 16-byte vectors, never by `rep movsb`: the emulator
 * that most copies of this system run on executes that one byte at a step.
 */
#include <stdint.h>
#include <string.h>

typedef uint64_t vec __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t u64u __attribute__((aligned(1), may_alias));
typedef uint32_t u32u __attribute__((aligned(1), may_alias));
typedef uint16_t u16u __attribute__((aligned(1), may_alias));

/* Up to 16 bytes; all loads come before all stores, so that the two may overlap. */
static inline void copy_small(unsigned char *d, const unsigned char *s, size_t n)
{
    if (n >= 8) {
        uint64_t a = *(const u64u *)s, b = *(const u64u *)(s + n - 8);
        *(u64u *)d = a;
        *(u64u *)(d + n - 8) = b;
    } else if (n >= 4) {
        uint32_t a = *(const u32u *)s, b = *(const u32u *)(s + n - 4);
        *(u32u *)d = a;
        *(u32u *)(d + n - 4) = b;
    } else if (n >= 2) {
        uint16_t a = *(const u16u *)s, b = *(const u16u *)(s + n - 2);
        *(u16u *)d = a;
        *(u16u *)(d + n - 2) = b;
    } else if (n == 1) {
        *d = *s;
    }
}

/* Lowest byte first: right for d below s, and for ranges that do not overlap. */
static void copy_up(unsigned char *d, const unsigned char *s, size_t n)
{
    while (n >= 64) {
        vec a = *(const vec *)s, b = *(const vec *)(s + 16);
        vec e = *(const vec *)(s + 32), f = *(const vec *)(s + 48);
        *(vec *)d = a;
        *(vec *)(d + 16) = b;
        *(vec *)(d + 32) = e;
        *(vec *)(d + 48) = f;
        d += 64, s += 64, n -= 64;
    }
    while (n > 16) {
        *(vec *)d = *(const vec *)s;
        d += 16, s += 16, n -= 16;
    }
    copy_small(d, s, n);
}

static void copy_down(unsigned char *d, const unsigned char *s, size_t n)
{
    while (n > 16) {
        n -= 16;
        *(vec *)(d + n) = *(const vec *)(s + n);
    }
    copy_small(d, s, n);
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    copy_up(dst, src, n);
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    if ((uintptr_t)dst - (uintptr_t)src >= n)
        copy_up(dst, src, n);
    else
        copy_down(dst, src, n);
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    unsigned char *d = dst;
    uint64_t w = (unsigned char)c * 0x0101010101010101ull;
    vec v = { w, w };

    while (n >= 64) {
        *(vec *)d = v;
        *(vec *)(d + 16) = v;
        *(vec *)(d + 32) = v;
        *(vec *)(d + 48) = v;
        d += 64, n -= 64;
    }
    for (; n >= 8; d += 8, n -= 8)
        *(u64u *)d = w;
    for (; n > 0; n--)
        *d++ = (unsigned char)c;
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;

    for (; n >= 8 && *(const u64u *)p == *(const u64u *)q; n -= 8)
        p += 8, q += 8;
    for (; n > 0; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;

    for (; n > 0; n--, p++)
        if (*p == (unsigned char)c)
            return (void *)p;
    return NULL;
}

void *memrchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;

    while (n > 0)
        if (p[--n] == (unsigned char)c)
            return (void *)(p + n);
    return NULL;
}

void *memmem(const void *hay, size_t haylen, const void *needle, size_t len)
{
    const unsigned char *p = hay;

    for (; haylen >= len; p++, haylen--)
        if (memcmp(p, needle, len) == 0)
            return (void *)p;
    return NULL;
}
