/* ASSERT is for a broken invariant of ours, never for what a user did. It stays in all builds. */
#ifndef KLIB_ASSERT_H
#define KLIB_ASSERT_H

#include "klib/panic.h"

#define ASSERT(c)                                                     \
    do {                                                              \
        if (__builtin_expect(!(c), 0))                                \
            panic(PANIC_ASSERT, "%s:%d: %s", __FILE__, __LINE__, #c); \
    } while (0)

#endif
