/*
 * Sorting and searching arrays. qsort is heapsort: n log n whatever the input, no recursion, no
 * memory. Not stable, which ISO C does not ask for.
 */
#include <stdint.h>
#include <stdlib.h>

static void swap(unsigned char *a, unsigned char *b, size_t size)
{
    for (; size >= 8; size -= 8, a += 8, b += 8) {
        uint64_t x, y;
        __builtin_memcpy(&x, a, 8);
        __builtin_memcpy(&y, b, 8);
        __builtin_memcpy(a, &y, 8);
        __builtin_memcpy(b, &x, 8);
    }
    for (; size > 0; size--, a++, b++) {
        unsigned char x = *a;
        *a = *b;
        *b = x;
    }
}

/* Lets element i sink until neither of its children in [0, n) is greater. */
static void sink(unsigned char *base, size_t i, size_t n, size_t size,
                 int (*cmp)(const void *, const void *))
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && cmp(base + child * size, base + (child + 1) * size) < 0)
            child++;
        if (cmp(base + i * size, base + child * size) >= 0)
            return;
        swap(base + i * size, base + child * size, size);
        i = child;
    }
}

void qsort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
    if (n < 2)
        return;
    for (size_t i = n / 2; i-- > 0;)
        sink(base, i, n, size, cmp);
    for (size_t last = n - 1; last > 0; last--) {
        swap(base, (unsigned char *)base + last * size, size);
        sink(base, 0, last, size, cmp);
    }
}

void *bsearch(const void *key, const void *base, size_t n, size_t size,
              int (*cmp)(const void *, const void *))
{
    const unsigned char *low = base;

    while (n > 0) {
        const unsigned char *middle = low + n / 2 * size;
        int order = cmp(key, middle);
        if (order == 0)
            return (void *)middle;
        if (order > 0) {
            low = middle + size;
            n -= n / 2 + 1;
        } else {
            n /= 2;
        }
    }
    return NULL;
}
