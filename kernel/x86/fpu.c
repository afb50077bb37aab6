/* FPU state of a thread (fpu.h). */
#include "x86/fpu.h"
#include "klib/string.h"

/* Places in a save area (SDM vol. 1, 10.5.1 and 13.4). */
#define AT_FCW        0u
#define AT_MXCSR      24u
#define AT_MXCSR_MASK 28u
#define AT_HEADER     512u
#define HEADER_WORDS  8u /* XSTATE_BV, XCOMP_BV, six reserved */

/* No save area is larger: XCR0 has x87, SSE and AVX at most. */
#define FPU_SIZE_MAX 1024u

#define FCW_DEFAULT   0x37fu
#define MXCSR_DEFAULT 0x1f80u
/* What CPUs that store 0 as their MXCSR_MASK have (SDM vol. 1, 11.6.6). */
#define MXCSR_MASK_OLD 0xffbfu

static uint32_t read32(const void *area, unsigned at)
{
    uint32_t v;
    memcpy(&v, (const char *)area + at, sizeof v);
    return v;
}

/* XRSTOR takes MXCSR from the area and, with XSTATE_BV 0, gives all else its first state. */
static const uint8_t first[FPU_SIZE_MAX] ALIGNED(FPU_ALIGN) = {
    [AT_FCW] = FCW_DEFAULT & 0xff,
    [AT_FCW + 1] = FCW_DEFAULT >> 8,
    [AT_MXCSR] = MXCSR_DEFAULT & 0xff,
    [AT_MXCSR + 1] = MXCSR_DEFAULT >> 8,
};

/* All of it: XSAVE leaves holes, and programs are shown the area (proc/upcall.c). */
void fpu_reset(void *area)
{
    memcpy(area, first, fpu_size());
}

void fpu_clear(void)
{
    fpu_restore(first);
}

/* The bits of MXCSR that this CPU has. */
static uint32_t mxcsr_mask(void)
{
    static uint32_t mask; /* [a] 0: not asked yet; all CPUs find the same */
    uint32_t m = __atomic_load_n(&mask, __ATOMIC_RELAXED);
    if (m)
        return m;
    uint8_t area[512] ALIGNED(16) = { 0 };
    __asm__ volatile("fxsave64 %0" : "+m"(area));
    m = read32(area, AT_MXCSR_MASK);
    m = m ? m : MXCSR_MASK_OLD;
    __atomic_store_n(&mask, m, __ATOMIC_RELAXED);
    return m;
}

bool fpu_area_ok(const void *area)
{
    uint64_t header[HEADER_WORDS];
    if (read32(area, AT_MXCSR) & ~mxcsr_mask())
        return false;
    if (!cpu_features.xsave)
        return true;
    memcpy(header, (const char *)area + AT_HEADER, sizeof header);
    uint64_t rest = 0;
    for (unsigned i = 1; i < HEADER_WORDS; i++)
        rest |= header[i];
    return !(header[0] & ~cpu_features.xcr0) && !rest;
}
