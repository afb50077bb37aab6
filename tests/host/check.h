/* The one assertion of the host tests: says where and what, and goes on; check_done is the exit
 * status. */
#ifndef TESTS_HOST_CHECK_H
#define TESTS_HOST_CHECK_H

#include <stdint.h>
#include <stdio.h>

static int check_failures;
static long check_count;

#define CHECK(cond, ...)                                                  \
    do {                                                                  \
        check_count++;                                                    \
        if (!(cond)) {                                                    \
            if (check_failures++ < 20) {                                  \
                fprintf(stderr, "%s:%d: %s:", __FILE__, __LINE__, #cond); \
                fprintf(stderr, " " __VA_ARGS__);                         \
                fputc('\n', stderr);                                      \
            }                                                             \
        }                                                                 \
    } while (0)

static inline int check_done(const char *name)
{
    printf("%s: %ld checks, %d failed\n", name, check_count, check_failures);
    return check_failures != 0 || check_count == 0;
}

static uint64_t check_seed = 88172645463325252ull;

/* xorshift64: the same numbers in every run. */
static inline uint64_t check_random(void)
{
    check_seed ^= check_seed << 13;
    check_seed ^= check_seed >> 7;
    check_seed ^= check_seed << 17;
    return check_seed;
}

#endif
