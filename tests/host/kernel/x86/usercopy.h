/* Stands for kernel/x86/usercopy.h: memory of programs is that of this one. */
#ifndef X86_USERCOPY_H
#define X86_USERCOPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int usercopy_raw(void *dst, const void *src, size_t n);

static inline bool usercopy_peek32(uint32_t *dst, const void *src)
{
    *dst = __atomic_load_n((const uint32_t *)src, __ATOMIC_SEQ_CST);
    return false;
}

#endif
