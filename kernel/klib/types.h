/*
 * The kernel's basic types.
 *
 * status_t is 0 or a negative errno of abi/error.def. Physical addresses have their own name; user addresses
 * have their own structures (mm/usercopy.h).
 */
#ifndef KLIB_TYPES_H
#define KLIB_TYPES_H

#include <rugo/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int status_t;
enum { OK = 0 };

typedef uint64_t paddr_t; /* physical address in bytes */

#define MUST_CHECK   __attribute__((warn_unused_result))
#define NORETURN     __attribute__((noreturn))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define PACKED       __attribute__((packed))
#define ALIGNED(n)   __attribute__((aligned(n)))
#define UNUSED       __attribute__((unused))
/* Counted by the instruction, and without an array to run over: without the stack protector. */
#define HOT __attribute__((no_stack_protector))

#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define CONTAINER(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))
#define LIKELY(x)          __builtin_expect(!!(x), 1)
#define UNLIKELY(x)        __builtin_expect(!!(x), 0)

#define PAGE_SHIFT 12
#define PAGE_MASK  ((uint64_t)PAGE_SIZE - 1)

static inline uint64_t align_up(uint64_t v, uint64_t to)
{
    return (v + to - 1) & ~(to - 1);
}
static inline uint64_t align_down(uint64_t v, uint64_t to)
{
    return v & ~(to - 1);
}
static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
