/* FPU state of a thread: XSAVE area with x87, SSE and AVX, or FXSAVE area on CPUs without XSAVE (SDM vol. 1, chapter 13). */
#ifndef X86_FPU_H
#define X86_FPU_H

#include "x86/cpu.h"

#define FPU_ALIGN 64
/* Bytes of a save area. */
static inline size_t fpu_size(void)
{
    return cpu_features.xsave_size;
}
/* The state a thread starts with: x87 defaults, MXCSR 0x1f80, all registers 0. */
void fpu_reset(void *area);
/* Give the registers that state. */
void fpu_clear(void);
/* Whether fpu_restore takes an area that a program wrote; if not it would fault. */
bool fpu_area_ok(const void *area);

static inline void fpu_save(void *area)
{
    if (cpu_features.xsave)
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)cpu_features.xcr0), "d"(0)
                         : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}
static inline void fpu_restore(const void *area)
{
    if (cpu_features.xsave)
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)cpu_features.xcr0), "d"(0)
                         : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

/* Save one area and restore the other. */
static inline void fpu_swap(void *save, const void *restore)
{
    if (UNLIKELY(!cpu_features.xsave)) {
        fpu_save(save);
        fpu_restore(restore);
        return;
    }
    __asm__ volatile("xsave64 (%0)\n\t"
                     "xrstor64 (%1)"
                     :
                     : "r"(save), "r"(restore), "a"((uint32_t)cpu_features.xcr0), "d"(0)
                     : "memory");
}

#endif
