/* Raw copy that survives page faults, by quadwords: 0, or nonzero when an access failed. */
#ifndef X86_USERCOPY_H
#define X86_USERCOPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int usercopy_raw(void *dst, const void *src, size_t n);

/* One aligned word, in one access; true: it failed. */
static inline bool usercopy_peek32(uint32_t *dst, const void *src)
{
    uint32_t word, failed = 0;
    __asm__ volatile("1:\tmov (%2), %0\n"
                     "2:\n\t"
                     ".pushsection __ex_table, \"a\"\n\t"
                     ".long 1b - .\n\t"
                     ".long 3f - .\n\t"
                     ".popsection\n\t"
                     ".pushsection .text.unlikely, \"ax\", @progbits\n"
                     "3:\tmov $1, %1\n\t"
                     "xor %0, %0\n\t"
                     "jmp 2b\n\t"
                     ".popsection"
                     : "=&r"(word), "+r"(failed)
                     : "r"(src)
                     : "memory", "cc");
    *dst = word;
    return failed;
}

#endif
