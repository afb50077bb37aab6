/*
 * For a kernel that counts its branches (make coverage-kernel): where the host finds the counters in the machine's memory
 * (tools/coverage.py). Nothing of it is in other kernels.
 */
#ifdef COVERAGE
#include "klib/types.h"

extern const char kernel_start[], gcov_info_start[], gcov_info_end[];

/* The host looks for the first 16 bytes; the image is contiguous in physical memory. */
extern const struct coverage_mark {
    char magic[16];
    const char *image, *info, *info_end;
} coverage_mark;

const struct coverage_mark coverage_mark
    __attribute__((used, aligned(16))) = { "rugo coverage 1", kernel_start, gcov_info_start,
                                           gcov_info_end };

/* What gcc's tables name, but nobody calls here. */
void __gcov_merge_add(void *counters, unsigned n);
void __gcov_merge_add(void *counters, unsigned n)
{
    (void)counters, (void)n;
}
#else
/* ISO C wants a declaration. */
extern int no_coverage;
#endif
