/* FPU state of a thread (fpu.h). */
#include "x86/fpu.h"
#include "klib/string.h"

void fpu_reset(void *area)
{
    memset(area, 0, fpu_size());
    *(uint16_t *)area = 0x37f;                    /* FCW */
    *(uint32_t *)((char *)area + 24) =
        0x1f80;    /* MXCSR; with XSTATE_BV 0 XRSTOR takes it from here all the same */
}
