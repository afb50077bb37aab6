/*
 * `test=user.threads cpus=N`: a thousand threads at once, the word that tells when a stack is free, what a thread
 * starts with, and what a process starts with. With an argument it is a child that overflows its stack.
 */
#include "tests/prog/upcall.h"

#include "tests/prog/stress.h"

enum { MANY = 1000, STACK = 4096, REUSES = 300, FIRST_STACK = 1024 * 1024 };

void upcall_seen(uint32_t number, struct upcall_info *info, struct upcall_context *context,
                 uint64_t rsp, uint64_t rflags)
{
    (void)number, (void)info, (void)context, (void)rsp, (void)rflags;
    exit(4);
}

/* ---- a thousand ---- */

struct worker {
    uint64_t tid;       /* as it knows it itself */
    uint64_t made;      /* as its maker was told */
    uint32_t alive;     /* made 0 by the kernel */
};

static struct worker workers[MANY];
static uint32_t started, go;

/* RSP is 8 off a multiple of 16 at the start of a function. */
static uintptr_t stack_top(uintptr_t base, size_t size)
{
    return base + size - 8;
}

NO_BLOCK static void work(struct worker *w)
{
    w->tid = (uint64_t)sys_thread_self();
    __atomic_fetch_add(&started, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) == 0)
        (void)sys_futex_wait((uintptr_t)&go, 0, TIMEOUT_NEVER, 0);
    sys_thread_exit((uintptr_t)&w->alive);
}

static void wait_cleared(uint32_t *alive)
{
    while (__atomic_load_n(alive, __ATOMIC_ACQUIRE) != 0)
        (void)sys_futex_wait((uintptr_t)alive, 1, TIMEOUT_NEVER, 0);
}

static uint32_t threads_now(void)
{
    struct process_info info;

    EXPECT(0, sys_process_info(HANDLE_SELF, &info));
    return info.threads;
}

static void thousand(void)
{
    uintptr_t stacks =
        (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, (size_t)MANY * STACK, VM_READ | VM_WRITE, 0));

    started = go = 0;
    for (size_t i = 0; i < MANY; i++) {
        workers[i].alive = 1;
        workers[i].made =
            (uint64_t)NEED(sys_thread_create((uintptr_t)work, stack_top(stacks + i * STACK, STACK),
                                             (uintptr_t)&workers[i], 0, 0, 0));
    }
    while (__atomic_load_n(&started, __ATOMIC_ACQUIRE) < MANY)
        NEED(sys_yield());
    EXPECT(MANY + 1, threads_now());
    for (size_t i = 0; i < MANY; i++) {
        EXPECT(workers[i].made, workers[i].tid);
        EXPECT_TRUE(i == 0 || workers[i].made > workers[i - 1].made);
        EXPECT(0, sys_thread_upcall(workers[i].tid, 0));
    }
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    NEED(sys_futex_wake((uintptr_t)&go, UINT32_MAX, 0));
    for (size_t i = 0; i < MANY; i++)
        wait_cleared(&workers[i].alive);
    NEED(sys_vm_unmap(HANDLE_SELF, stacks, (size_t)MANY * STACK));
    while (threads_now() > 1)
        NEED(sys_thread_sleep(MS));
    EXPECT(-ESRCH, sys_thread_upcall(workers[0].tid, 0));
}

/* ---- the exit word ---- */

NO_BLOCK static void be_short(uint32_t *alive)
{
    volatile char use[256];

    for (size_t i = 0; i < sizeof(use); i++)
        use[i] = (char)i;
    sys_thread_exit((uintptr_t)alive);
}

/* The stack goes the moment the word is 0: by then nobody uses it. */
static void reuse(void)
{
    for (unsigned i = 0; i < REUSES; i++) {
        uintptr_t at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, STACK, VM_READ | VM_WRITE, 0));
        uint32_t alive = 1;

        NEED(sys_thread_create((uintptr_t)be_short, stack_top(at, STACK), (uintptr_t)&alive, 0, 0,
                               0));
        while (__atomic_load_n(&alive, __ATOMIC_ACQUIRE) != 0)
            NEED(sys_yield());
        NEED(sys_vm_unmap(HANDLE_SELF, at, STACK));
    }
}

/* A word that can't be written harms nobody, and neither does none. */
static void bad_words(void)
{
    static const uint64_t words[] = { 0, 8, 0x10000, UINT64_C(0xffffffff80000000), UINT64_MAX };
    static char stack[5][STACK] __attribute__((aligned(16)));

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        NEED(sys_thread_create((uintptr_t)be_short, stack_top((uintptr_t)stack[i], STACK), words[i],
                               0, 0, 0));
    while (threads_now() > 1)
        NEED(sys_thread_sleep(MS));
}

/* ---- how a thread starts ---- */

/* Store all registers in the page that RDI points to. */
void note_registers(void);
__asm__(
    ".text\n"
    "note_registers:\n"
    "    mov %rsp, 0(%rdi); mov %rax, 8(%rdi); mov %rbx, 16(%rdi); mov %rcx, 24(%rdi)\n"
    "    mov %rdx, 32(%rdi); mov %rsi, 40(%rdi); mov %rbp, 48(%rdi); mov %r8, 56(%rdi)\n"
    "    mov %r9, 64(%rdi); mov %r10, 72(%rdi); mov %r11, 80(%rdi); mov %r12, 88(%rdi)\n"
    "    mov %r13, 96(%rdi); mov %r14, 104(%rdi); mov %r15, 112(%rdi)\n"
    "    pushfq; pop %rax; mov %rax, 120(%rdi)\n"
    "    mov %fs:0, %rax; mov %rax, 128(%rdi)\n"
    "    stmxcsr 136(%rdi); fnstcw 140(%rdi); movups %xmm7, 144(%rdi)\n"
    "    mov %rdi, %rbx\n"
    "    mov $2, %edi; xor %esi, %esi; lea 160(%rbx), %rdx\n" /* SETMASK to nothing, old mask */
    "    mov $" STRINGIFY(SYS_upcall_mask) ", %eax\n"
                                           "    syscall\n"
                                           "    lea 168(%rbx), %rdi\n"
                                           "    mov $" STRINGIFY(SYS_thread_exit) ", %eax\n"
                                                                                  "    syscall\n");

static void start_state(void)
{
    static uint64_t note[64] __attribute__((aligned(64)));
    static char stack[STACK] __attribute__((aligned(16)));
    static uint64_t tls = 0x123456789;
    uint32_t *alive = (uint32_t *)&note[21];

    memset(note, 0xff, sizeof(note));
    NEED(sys_thread_create((uintptr_t)note_registers, (uintptr_t)stack + STACK, (uintptr_t)note,
                           (uintptr_t)&tls, ~UINT64_C(0), 0));
    while (__atomic_load_n(alive, __ATOMIC_ACQUIRE) != 0)
        NEED(sys_yield());
    EXPECT((uintptr_t)stack + STACK, note[0]);
    for (unsigned i = 1; i < 15; i++)
        EXPECT(0, note[i]);
    EXPECT(0x202, note[15]);
    EXPECT(tls, note[16]);
    EXPECT(0x1f80, (uint32_t)note[17]);
    EXPECT(0x37f, (uint16_t)(note[17] >> 32));
    EXPECT(0, note[18] | note[19]);
    EXPECT(UPCALL_ALL, note[20]);
}

/* ---- how a process starts ---- */

static void process_start(void)
{
    const uint8_t *random = (const uint8_t *)getauxval(25);
    const char *path = (const char *)getauxval(31);
    volatile char deep[FIRST_STACK - 64 * 1024];
    unsigned sum = 0;

    EXPECT(PAGE_SIZE, getauxval(6));
    for (unsigned i = 0; i < 16; i++)
        sum += random[i];
    EXPECT_TRUE(sum != 0);
    EXPECT_TRUE(strstr(path, "user_threads") != NULL);
    EXPECT(stress_option("cpus", 1), getauxval(AT_RUGO_CPUS));
    for (size_t i = 0; i < sizeof(deep); i += PAGE_SIZE)
        deep[i] = 1;
    EXPECT(1, deep[0]);
}

static int dive(volatile const char *above)
{
    volatile char here[4000];

    here[0] = above[0];
    return above[0] == 0 ? dive(here) + here[0] : 0;
}

int main(int argc, char **argv)
{
    char *child[] = { "user_threads", "dive", NULL };
    volatile char top[1] = { 0 };
    struct machine_info before;

    if (argc > 1)
        return dive(top);
    (void)argv;
    process_start();
    start_state();
    bad_words();
    reuse();
    thousand();
    stress_settled(&before);
    thousand();
    stress_same(&before);
    EXPECT(SIGSEGV, test_wait(test_spawn("test/user_threads", child, NULL, 0)));
    test_mark("THREADS: ok");
    return 0;
}
