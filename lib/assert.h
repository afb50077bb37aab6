/* assert(): a broken invariant ends the program with a line saying which. */
#include <rugo/cdefs.h>

#ifndef LIB_ASSERT_H
#define LIB_ASSERT_H

_Noreturn void __assert_fail(const char *expr, const char *file, int line, const char *func);
#define static_assert _Static_assert

#endif

#undef assert
#ifdef NDEBUG
#define assert(e) ((void)0)
#else
#define assert(e) ((e) ? (void)0 : __assert_fail(#e, __FILE__, __LINE__, __func__))
#endif
