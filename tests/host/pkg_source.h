/* A package in memory, for tests and fuzzers of apps/pkg/package.c; each read is checked against what was promised. */
#ifndef PKG_SOURCE_H
#define PKG_SOURCE_H

#include <assert.h>
#include <string.h>

#include "apps/pkg/package.h"

struct memory {
    const uint8_t *data;
    size_t size;
};

static int read_memory(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct memory *m = ctx;

    assert(offset <= m->size && len <= m->size - offset);
    memcpy(buf, m->data + offset, len);
    return 0;
}

static struct package_source source_of(struct memory *m)
{
    return (struct package_source){ .read = read_memory, .ctx = m, .size = m->size };
}

#endif
