/*
 * `test=upcall.spin rounds=N`: threads spin in user mode with values of their own in all registers, x87 and vector
 * state included, while others send them upcalls as fast as they can. The handler spoils all registers; each thread
 * finds its own again. Half of the upcalls make the thread call a function at the place it was interrupted, as Go's
 * preemption does.
 */
#include "tests/prog/upcall.h"

#include <rugo/thread.h>

#define THREADS 4
#define SPINS   40000ul

struct state {
    uint8_t vectors[16][32];
    uint64_t general[14];       /* 13 of them: all but RAX, RDI and RSP */
    uint32_t mxcsr;
    uint16_t fcw;
};

static bool avx;
uint64_t injected;              /* calls of injected_call */
static uint64_t handled;        /* upcalls */
static uint64_t tids[THREADS];
static uint32_t running;

static bool has_avx(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((c & (1u << 27)) == 0 || (c & (1u << 28)) == 0)
        return false;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & 6) == 6;
}

/* What the interrupted thread is made to call: it keeps everything, flags included. */
void injected_call(void);
__asm__(".text\n"
        "injected_call:\n"
        "    pushfq\n"
        "    lock incq injected(%rip)\n"
        "    popfq\n"
        "    ret\n");

#define EACH(op)                                                                                   \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) \
        op(15)
#define LOAD_SSE(i)  "movups " #i "*32(%rdi), %xmm" #i "\n"
#define STORE_SSE(i) "movups %xmm" #i ", " #i "*32(%rdi)\n"
#define LOAD_AVX(i)  "vmovups " #i "*32(%rdi), %ymm" #i "\n"
#define STORE_AVX(i) "vmovups %ymm" #i ", " #i "*32(%rdi)\n"

/* Load everything from in, count RAX down to 0 from n, store everything to out. No stack is used while it counts. */
void spin_sse(const struct state *in, struct state *out, uint64_t n);
void spin_avx(const struct state *in, struct state *out, uint64_t n);

#define SPIN(name, load, store)                                                                                     \
    __asm__(                                                                                                        \
        ".text\n" #name ":\n"                                                                                       \
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"                             \
        "mov %rdx, %rax\n"                                                                                          \
        "ldmxcsr 624(%rdi); fldcw 628(%rdi)\n" EACH(                                                                \
            load) "mov 512(%rdi), %rbx; mov 520(%rdi), %rcx; mov 528(%rdi), %rdx; mov 536(%rdi), %rsi\n"            \
                  "mov 544(%rdi), %rbp; mov 552(%rdi), %r8; mov 560(%rdi), %r9; mov 568(%rdi), %r10\n"              \
                  "mov 576(%rdi), %r11; mov 584(%rdi), %r12; mov 592(%rdi), %r13; mov 600(%rdi), %r14\n"            \
                  "mov 608(%rdi), %r15\n"                                                                           \
                  "1: dec %rax; jnz 1b\n"                                                                           \
                  "pop %rdi\n" EACH(                                                                                \
                      store) "mov %rbx, 512(%rdi); mov %rcx, 520(%rdi); mov %rdx, 528(%rdi); mov %rsi, 536(%rdi)\n" \
                             "mov %rbp, 544(%rdi); mov %r8, 552(%rdi); mov %r9, 560(%rdi); mov %r10, 568(%rdi)\n"   \
                             "mov %r11, 576(%rdi); mov %r12, 584(%rdi); mov %r13, 592(%rdi); mov %r14, 600(%rdi)\n" \
                             "mov %r15, 608(%rdi)\n"                                                                \
                             "stmxcsr 624(%rdi); fnstcw 628(%rdi)\n"                                                \
                             "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"                         \
                             "ret\n")
SPIN(spin_sse, LOAD_SSE, STORE_SSE);
SPIN(spin_avx, LOAD_AVX, STORE_AVX);
__asm__("spin_end:\n");
extern const char spin_end[];
_Static_assert(offsetof(struct state, general) == 512 && offsetof(struct state, mxcsr) == 624 &&
                   offsetof(struct state, fcw) == 628,
               "SPIN");

static bool in_spin(uint64_t rip)
{
    return rip >= (uintptr_t)spin_sse && rip < (uintptr_t)spin_end;
}

#define SPOIL_SSE(i) "pcmpeqb %%xmm" #i ", %%xmm" #i "\n\t"
#define SPOIL_AVX(i) "vcmpps $15, %%ymm" #i ", %%ymm" #i ", %%ymm" #i "\n\t"

void upcall_seen(uint32_t number, struct upcall_info *info, struct upcall_context *context,
                 uint64_t rsp, uint64_t rflags)
{
    uint32_t mxcsr, mode = 0x7f80;
    uint16_t fcw;

    (void)info, (void)rsp, (void)rflags;
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(fcw));
    EXPECT(0x1f80, mxcsr);
    EXPECT(0x37f, fcw);
    __asm__ volatile("ldmxcsr %0; fninit; fldpi" ::"m"(mode));
    if (avx)
        __asm__ volatile(EACH(SPOIL_AVX)::: "memory");
    else
        __asm__ volatile(EACH(SPOIL_SSE)::: "memory");
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
    if (number == SIGUSR2 && in_spin(context->rip)) { /* no red zone there */
        uint64_t *stack = (uint64_t *)(uintptr_t)context->rsp - 1;

        *stack = context->rip;
        context->rip = (uintptr_t)injected_call;
        context->rsp = (uintptr_t)stack;
    }
}

static int worker(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    struct state in = { .mxcsr = 0x1f80 | me << 13, .fcw = (uint16_t)(0x37f & ~(me << 10)) }, out;
    size_t width = avx ? 32 : 16;

    upcall_prepare();
    __atomic_store_n(&tids[me], (uint64_t)sys_thread_self(), __ATOMIC_RELEASE);
    for (uint64_t round = 0; __atomic_load_n(&running, __ATOMIC_RELAXED) != 0; round++) {
        for (unsigned i = 0; i < 16; i++)
            memset(in.vectors[i], (int)(me * 64 + i + round), sizeof(in.vectors[i]));
        for (unsigned i = 0; i < 13; i++)
            in.general[i] = (round + i) * UINT64_C(0x9e3779b97f4a7c15) + me;
        memset(&out, 0, sizeof(out));
        if (avx)
            spin_avx(&in, &out, SPINS);
        else
            spin_sse(&in, &out, SPINS);
        for (unsigned i = 0; i < 16; i++)
            EXPECT(0, memcmp(in.vectors[i], out.vectors[i], width));
        for (unsigned i = 0; i < 13; i++)
            EXPECT(in.general[i], out.general[i]);
        EXPECT(in.mxcsr, out.mxcsr & ~0x3fu);
        EXPECT(in.fcw, out.fcw);
    }
    EXPECT(0, sys_upcall_mask(UPCALL_SETMASK, ~UINT64_C(0), NULL));
    return 7;
}

int main(void)
{
    const char *text = getenv("rounds");
    uint64_t rounds = text != NULL ? strtoull(text, NULL, 10) : 40, sent = 0;
    struct thread threads[THREADS];
    int result;

    avx = has_avx();
    upcall_handle(SIGUSR1);
    upcall_handle(SIGUSR2);
    running = 1;
    for (uintptr_t i = 0; i < THREADS; i++)
        EXPECT(0, thread_start(&threads[i], worker, (void *)i, 0));
    for (unsigned i = 0; i < THREADS; i++) {
        while (__atomic_load_n(&tids[i], __ATOMIC_ACQUIRE) == 0)
            NEED(sys_thread_sleep(MS));
    }
    for (uint64_t n = 0; n < rounds; n++) {
        for (unsigned i = 0; i < THREADS; i++)
            EXPECT(0, sys_thread_upcall(tids[i], (n + i) % 2 ? SIGUSR1 : SIGUSR2));
        EXPECT(0, sys_process_upcall(HANDLE_SELF, SIGUSR1));
        sent += THREADS + 1;
        /* Each comes, once, however hard the threads spin. */
        while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < sent)
            NEED(sys_yield());
    }
    running = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        EXPECT(0, thread_join(&threads[i], &result));
        EXPECT(7, result);
    }
    EXPECT(sent, handled);
    EXPECT_TRUE(injected > 0);
    printf("UPCALL: %s, %llu handled, %llu calls put in\n", avx ? "AVX" : "SSE",
           (unsigned long long)handled, (unsigned long long)injected);
    test_mark("UPCALL: spin ok");
    return 0;
}
