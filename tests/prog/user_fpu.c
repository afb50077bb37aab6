/*
 * `test=user.fpu`: three threads keep different values in all vector registers, MXCSR and the x87 control word while
 * they are switched by the timer and by yields; each finds its own again. With AVX the upper halves too.
 */
#include "tests/prog/test.h"

#include <rugo/thread.h>

#define THREADS 3
#define ROUNDS  12
#define SPIN \
    4000000ul /* steps in one asm statement: longer than a slice, so that the timer comes in between */

struct state {
    uint8_t vectors[16][32];
    uint32_t mxcsr;
    uint16_t fcw;
};

static bool avx;

static bool has_avx(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((c & (1u << 27)) == 0 || (c & (1u << 28)) == 0)
        return false;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & 6) == 6;
}

#define EACH(op)                                                                                   \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) \
        op(15)
#define LOAD_SSE(i)  "movups " #i "*32(%0), %%xmm" #i "\n\t"
#define STORE_SSE(i) "movups %%xmm" #i ", " #i "*32(%1)\n\t"
#define LOAD_AVX(i)  "vmovups " #i "*32(%0), %%ymm" #i "\n\t"
#define STORE_AVX(i) "vmovups %%ymm" #i ", " #i "*32(%1)\n\t"
#define SPIN_LOOP    "1: dec %2\n\tjnz 1b\n\t"
#define SYSCALL_LOOP "1: mov %3, %%eax\n\tsyscall\n\tdec %2\n\tjnz 1b\n\t"

/* Load all registers, spin or yield, and store them again: no compiler's code in between. */
static void carry(const struct state *in, struct state *out, bool yield)
{
    uint64_t n = yield ? 2000 : SPIN;
    uint32_t number = SYS_yield;

    __asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(in->mxcsr), "m"(in->fcw));
    if (avx && yield)
        __asm__ volatile(EACH(LOAD_AVX) SYSCALL_LOOP EACH(STORE_AVX) "vzeroupper"
                         : "+r"(in), "+r"(out), "+r"(n)
                         : "r"(number)
                         : "rax", "rcx", "r11", "memory");
    else if (avx)
        __asm__ volatile(EACH(LOAD_AVX) SPIN_LOOP EACH(STORE_AVX) "vzeroupper"
                         : "+r"(in), "+r"(out), "+r"(n)
                         :
                         : "memory");
    else if (yield)
        __asm__ volatile(EACH(LOAD_SSE) SYSCALL_LOOP EACH(STORE_SSE)
                         : "+r"(in), "+r"(out), "+r"(n)
                         : "r"(number)
                         : "rax", "rcx", "r11", "memory");
    else
        __asm__ volatile(EACH(LOAD_SSE) SPIN_LOOP EACH(STORE_SSE)
                         : "+r"(in), "+r"(out), "+r"(n)
                         :
                         : "memory");
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(out->mxcsr), "=m"(out->fcw));
}

static int worker(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    struct state in = { .mxcsr = 0x1f80 | me << 13, .fcw = (uint16_t)(0x37f & ~(me << 10)) }, out;
    size_t width = avx ? 32 : 16;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 16; i++)
            memset(in.vectors[i], (int)(me * 64 + i + round), sizeof(in.vectors[i]));
        memset(&out, 0, sizeof(out));
        carry(&in, &out, round % 3 == 2);
        for (unsigned i = 0; i < 16; i++)
            EXPECT(0, memcmp(in.vectors[i], out.vectors[i], width));
        EXPECT(in.mxcsr, out.mxcsr);
        EXPECT(in.fcw, out.fcw);
    }
    return 7;
}

int main(void)
{
    struct thread threads[THREADS];
    int result;

    avx = has_avx();
    for (uintptr_t i = 0; i < THREADS; i++)
        EXPECT(0, thread_start(&threads[i], worker, (void *)i, 0));
    for (unsigned i = 0; i < THREADS; i++) {
        EXPECT(0, thread_join(&threads[i], &result));
        EXPECT(7, result);
    }
    printf("FPU: %s\n", avx ? "AVX" : "SSE");
    test_mark("FPU: ok");
    return 0;
}
