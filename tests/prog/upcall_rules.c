/*
 * `test=upcall.rules`: faults and upcalls as docs/upcalls.md has them, one rule after the other. With an argument it
 * is a child that ends as that rule says.
 */
#include "tests/prog/upcall.h"

#include <rugo/thread.h>

#include "tests/prog/stress.h"

/* ---- what the handler saw, and what it shall do ---- */

static struct {
    unsigned count;
    struct upcall_info info;
    struct upcall_context context;
    uint64_t rsp, rflags, mask;
    uintptr_t stack;            /* where its own variables are */
} seen;

uintptr_t go_on_at;                     /* not 0: RIP to go on at */
static void (*inside)(struct upcall_context *context);

void upcall_seen(uint32_t number, struct upcall_info *info, struct upcall_context *context,
                 uint64_t rsp, uint64_t rflags)
{
    EXPECT(number, info->number);
    seen.count++;
    seen.info = *info;
    seen.context = *context;
    seen.rsp = rsp;
    seen.rflags = rflags;
    seen.mask = upcall_mask_now();
    seen.stack = (uintptr_t)&number;
    if (go_on_at != 0)
        context->rip = go_on_at;
    go_on_at = 0;
    if (inside != NULL)
        inside(context);
}

static void expect_seen(unsigned count, uint32_t number, int32_t code, uint64_t addr)
{
    EXPECT(count, seen.count);
    EXPECT(number, seen.info.number);
    EXPECT(code, seen.info.code);
    EXPECT(addr, seen.info.addr);
    EXPECT(0, seen.info.error);
    seen.count = 0;
}

/* ---- faults ---- */

/* Run an instruction that faults; the handler goes on behind it. */
#define FAULT(insn, ...)                                                         \
    do {                                                                         \
        __asm__ volatile("lea 1f(%%rip), %%rax\n\tmov %%rax, %0\n\t" insn "\n1:" \
                         : "=m"(go_on_at)                                        \
                         : __VA_ARGS__                                           \
                         : "rax", "rcx", "rdx", "memory", "cc");                 \
    } while (0)

static void faults(void)
{
    static const char constant[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))) = { 1 };
    uintptr_t lazy = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, PAGE_SIZE, VM_READ, 0));
    uintptr_t here;
    uint16_t fcw = 0x37f & ~4, plain = 0x37f; /* division by zero unmasked */

    FAULT("mov 8, %%rcx");
    expect_seen(1, SIGSEGV, UPCALL_MAPERR, 8);
    EXPECT(14, seen.context.trap);
    EXPECT(4, seen.context.error);
    EXPECT(8, seen.context.cr2);
    FAULT("movb $1, (%1)", "r"(constant));
    expect_seen(1, SIGSEGV, UPCALL_ACCERR, (uintptr_t)constant);
    FAULT("movb $1, (%1)", "r"(lazy));
    expect_seen(1, SIGSEGV, UPCALL_ACCERR, lazy);
    FAULT("mov (%1), %%rcx", "r"(UINT64_C(0xffffffff80000000)));
    expect_seen(1, SIGSEGV, UPCALL_MAPERR, UINT64_C(0xffffffff80000000));
    FAULT("mov (%1), %%rcx", "r"(UINT64_C(0x8000000000000000)));
    expect_seen(1, SIGSEGV, UPCALL_BY_KERNEL, 0);
    FAULT("hlt");
    expect_seen(1, SIGSEGV, UPCALL_BY_KERNEL, 0);
    FAULT("xor %%eax, %%eax\n\txor %%edx, %%edx\n\txor %%ecx, %%ecx\n\t2: div %%ecx");
    here = seen.context.rip;
    expect_seen(1, SIGFPE, UPCALL_INTDIV, here);
    FAULT("ud2");
    here = seen.context.rip;
    expect_seen(1, SIGILL, 2, here);
    FAULT("int3");
    expect_seen(1, SIGTRAP, UPCALL_BY_KERNEL, 0);
    FAULT("fldcw %1\n\tfldz\n\tfld1\n\tfdivp\n\tfwait", "m"(fcw));
    here = seen.context.rip;
    expect_seen(1, SIGFPE, 3, here);
    __asm__ volatile("fninit; fldcw %0" ::"m"(plain));
    FAULT("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop");
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
    EXPECT_TRUE(seen.count >= 3);
    EXPECT(SIGTRAP, seen.info.number);
    EXPECT(2, seen.info.code);
    seen.count = 0;
    /* A jump to where nothing can be executed. */
    FAULT("jmp *%1", "r"(lazy));
    expect_seen(1, SIGSEGV, UPCALL_ACCERR, lazy);
    EXPECT(lazy, seen.context.rip);
    NEED(sys_vm_unmap(HANDLE_SELF, lazy, PAGE_SIZE));
}

/* All registers a program has, but RSP. */
struct registers {
    uint64_t r[15], rflags;
};

struct registers before, after;

/* Load all registers, fault on ud2 with the direction flag set, and store them again. */
void run_registers(void);
__asm__(".text\n"
        "run_registers:\n"
        "    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "    lea 1f(%rip), %rax; mov %rax, go_on_at(%rip)\n"
        "    pushq 120+before(%rip); popfq\n"
        "    mov before(%rip), %rax; mov 8+before(%rip), %rbx; mov 16+before(%rip), %rcx\n"
        "    mov 24+before(%rip), %rdx; mov 32+before(%rip), %rsi; mov 40+before(%rip), %rdi\n"
        "    mov 48+before(%rip), %rbp; mov 56+before(%rip), %r8; mov 64+before(%rip), %r9\n"
        "    mov 72+before(%rip), %r10; mov 80+before(%rip), %r11; mov 88+before(%rip), %r12\n"
        "    mov 96+before(%rip), %r13; mov 104+before(%rip), %r14; mov 112+before(%rip), %r15\n"
        "    ud2\n"
        "1:  mov %rax, after(%rip); mov %rbx, 8+after(%rip); mov %rcx, 16+after(%rip)\n"
        "    mov %rdx, 24+after(%rip); mov %rsi, 32+after(%rip); mov %rdi, 40+after(%rip)\n"
        "    mov %rbp, 48+after(%rip); mov %r8, 56+after(%rip); mov %r9, 64+after(%rip)\n"
        "    mov %r10, 72+after(%rip); mov %r11, 80+after(%rip); mov %r12, 88+after(%rip)\n"
        "    mov %r13, 96+after(%rip); mov %r14, 104+after(%rip); mov %r15, 112+after(%rip)\n"
        "    pushfq; popq 120+after(%rip); cld\n"
        "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "    ret\n");

static void registers_and_stack(uintptr_t base)
{
    for (unsigned i = 0; i < 15; i++)
        before.r[i] = UINT64_C(0x0123456789abcdef) * (i + 3);
    before.rflags = 0x202 | 0x400 | 0x8d5; /* DF and all flags of arithmetic */
    run_registers();
    EXPECT(1, seen.count);
    seen.count = 0;
    EXPECT(0, memcmp(before.r, after.r, sizeof(before.r)));
    EXPECT(before.rflags, after.rflags);
    EXPECT(before.rflags, seen.context.rflags);
    EXPECT(before.r[0], seen.context.rax);
    EXPECT(before.r[14], seen.context.r15);
    EXPECT(before.r[7], seen.context.r8);
    /* How a handler is entered. */
    EXPECT(8, seen.rsp % 16);
    EXPECT(0x202, seen.rflags & ~UINT64_C(0x8d5));
    EXPECT_TRUE(seen.rsp > base && seen.rsp < base + UPCALL_STACK);
    EXPECT(UPCALL_ALL, seen.mask);
    EXPECT(0, seen.context.mask);
    EXPECT(base, seen.context.stack);
    EXPECT(UPCALL_STACK, seen.context.stack_size);
    EXPECT(0, seen.context.fpu % 64);
    EXPECT(0x23, seen.context.cs);
    EXPECT(0x1b, seen.context.ss);
    EXPECT(0, upcall_mask_now());
    EXPECT_TRUE(getauxval(AT_MINSIGSTKSZ) >= 440 + 512 && getauxval(AT_MINSIGSTKSZ) < 4096);
    EXPECT_TRUE(base + UPCALL_STACK - seen.rsp <= getauxval(AT_MINSIGSTKSZ));
}

/* ---- masks, actions, numbers ---- */

static void arguments(void)
{
    uint64_t old;

    EXPECT(-EINVAL, sys_upcall_set(0xffff800000000000));
    EXPECT(-EINVAL, sys_upcall_action(0, UPCALL_HANDLE));
    EXPECT(-EINVAL, sys_upcall_action(65, UPCALL_HANDLE));
    EXPECT(-EINVAL, sys_upcall_action(SIGKILL, UPCALL_IGNORE));
    EXPECT(-EINVAL, sys_upcall_action(SIGSTOP, UPCALL_HANDLE));
    EXPECT(-EINVAL, sys_upcall_action(SIGTERM, 4));
    EXPECT(UPCALL_DEFAULT, sys_upcall_action(64, UPCALL_IGNORE));
    EXPECT(UPCALL_IGNORE, sys_upcall_action(64, UPCALL_HANDLE));
    EXPECT(UPCALL_HANDLE, sys_upcall_action(64, UPCALL_QUERY));
    EXPECT(UPCALL_HANDLE, sys_upcall_action(64, UPCALL_DEFAULT));
    EXPECT(UPCALL_DEFAULT, sys_upcall_action(64, UPCALL_QUERY));
    EXPECT(-EINVAL, sys_upcall_stack(PAGE_SIZE, UPCALL_STACK_MIN - 1));
    EXPECT(-EINVAL, sys_upcall_stack(0, UPCALL_STACK_MIN));
    EXPECT(-EINVAL, sys_upcall_stack(USER_MAX - PAGE_SIZE, 2 * PAGE_SIZE));
    EXPECT(-EINVAL, sys_upcall_stack(PAGE_SIZE, SIZE_MAX));
    EXPECT(-EINVAL, sys_upcall_mask(3, 0, &old));
    EXPECT(-EFAULT, sys_upcall_mask(UPCALL_SETMASK, 1, (uint64_t *)8));
    EXPECT(0, upcall_mask_now());
    EXPECT(0, sys_upcall_mask(UPCALL_SETMASK, ~UINT64_C(0), NULL));
    EXPECT(UPCALL_ALL, upcall_mask_now());
    EXPECT(0, sys_upcall_mask(UPCALL_UNBLOCK, 0xff, &old));
    EXPECT(UPCALL_ALL, old);
    EXPECT(UPCALL_ALL & ~UINT64_C(0xff), upcall_mask_now());
    EXPECT(0, sys_upcall_mask(UPCALL_SETMASK, 0, NULL));
    EXPECT(-EINVAL, sys_thread_upcall((uint64_t)sys_thread_self(), 65));
    EXPECT(-EINVAL, sys_thread_upcall((uint64_t)sys_thread_self(), SIGSTOP));
    EXPECT(-ESRCH, sys_thread_upcall(0, SIGURG));
    EXPECT(-ESRCH, sys_thread_upcall(UINT64_MAX, 0));
    EXPECT(0, sys_thread_upcall((uint64_t)sys_thread_self(), 0));
    EXPECT(-EINVAL, sys_process_upcall(HANDLE_SELF, 65));
    EXPECT(0, sys_process_upcall(HANDLE_SELF, 0));
    EXPECT(-EBADF, sys_process_upcall(HANDLE_NONE, SIGURG));
    EXPECT(-ENODEV, sys_process_upcall(start_handle(START_JOB), SIGURG));
    EXPECT(-EINVAL, sys_thread_create(0, 0, 0, 0, 0, 0));
    EXPECT(-EINVAL, sys_thread_create((uintptr_t)upcall_entry, 0, 0, 0, 0, 2));
    EXPECT(-EINVAL, sys_thread_create((uintptr_t)upcall_entry, USER_MAX + 1, 0, 0, 0, 0));
    EXPECT(-EINVAL, sys_thread_create((uintptr_t)upcall_entry, 0, 0, USER_MAX, 0, 0));
    EXPECT(-EFAULT, sys_upcall_return(0));
    EXPECT(-EFAULT, sys_upcall_return(0xffff800000000000));
    EXPECT(-EFAULT, sys_upcall_return(USER_MAX - 8));
}

static void self(void)
{
    uint64_t me = (uint64_t)sys_thread_self();

    EXPECT(0, sys_thread_upcall(me, SIGUSR1));
    expect_seen(1, SIGUSR1, UPCALL_BY_THREAD, 0);
    EXPECT(0, sys_process_upcall(HANDLE_SELF, SIGUSR2));
    expect_seen(1, SIGUSR2, UPCALL_BY_PROCESS, 0);
    EXPECT(0, sys_thread_upcall(me, SIGCHLD)); /* nothing, by default */
    EXPECT(0, seen.count);
    /* Masked, they wait, each number once. */
    EXPECT(0, sys_upcall_mask(UPCALL_BLOCK, UPCALL_BIT(SIGUSR1) | UPCALL_BIT(SIGUSR2), NULL));
    for (int i = 0; i < 3; i++) {
        EXPECT(0, sys_thread_upcall(me, SIGUSR1));
        EXPECT(0, sys_process_upcall(HANDLE_SELF, SIGUSR2));
    }
    EXPECT(0, sys_thread_sleep(MS));
    EXPECT(0, seen.count);
    EXPECT(0, sys_upcall_mask(UPCALL_UNBLOCK, UPCALL_BIT(SIGUSR2), NULL));
    expect_seen(1, SIGUSR2, UPCALL_BY_PROCESS, 0);
    EXPECT(0, sys_upcall_mask(UPCALL_SETMASK, 0, NULL));
    expect_seen(1, SIGUSR1, UPCALL_BY_THREAD, 0);
    /* Ignored ones are dropped. */
    EXPECT(UPCALL_HANDLE, sys_upcall_action(SIGUSR1, UPCALL_IGNORE));
    EXPECT(0, sys_thread_upcall(me, SIGUSR1));
    EXPECT(UPCALL_IGNORE, sys_upcall_action(SIGUSR1, UPCALL_HANDLE));
    EXPECT(0, seen.count);
    /* Without a stack what is sent to the process waits for a thread that has one. */
    EXPECT(0, sys_upcall_stack(0, 0));
    EXPECT(0, sys_process_upcall(HANDLE_SELF, SIGUSR1));
    EXPECT(0, seen.count);
    EXPECT(0, sys_upcall_stack(seen.context.stack, UPCALL_STACK));
    expect_seen(1, SIGUSR1, UPCALL_BY_PROCESS, 0);
}

/* ---- nesting ---- */

static uintptr_t outer_stack;

static void nest_deeper(struct upcall_context *context)
{
    struct upcall_context mine = *context;

    inside = NULL;
    outer_stack = seen.rsp;
    EXPECT(0, sys_thread_upcall((uint64_t)sys_thread_self(), SIGUSR2));
    EXPECT(1, seen.count);
    EXPECT(0, sys_upcall_mask(UPCALL_UNBLOCK, UPCALL_BIT(SIGUSR2), NULL));
    EXPECT(2, seen.count);
    EXPECT(SIGUSR2, seen.info.number);
    EXPECT_TRUE(seen.rsp < (uintptr_t)&mine && (uintptr_t)&mine < outer_stack);
    EXPECT(UPCALL_ALL & ~UPCALL_BIT(SIGUSR2), seen.context.mask);
    EXPECT(0, memcmp(&mine, context, sizeof(mine)));
}

static void send_one_more(struct upcall_context *context)
{
    (void)context;
    inside = NULL;
    EXPECT(0, sys_thread_upcall((uint64_t)sys_thread_self(), SIGUSR2));
    EXPECT(0, sys_process_upcall(HANDLE_SELF, SIGURG));
}

static void nesting(void)
{
    uintptr_t first;

    inside = nest_deeper;
    EXPECT(0, sys_thread_upcall((uint64_t)sys_thread_self(), SIGUSR1));
    EXPECT(2, seen.count);
    EXPECT(0, upcall_mask_now());
    seen.count = 0;
    /* What came meanwhile is delivered on the way back, at the same place of the stack. */
    NEED(sys_upcall_action(SIGURG, UPCALL_HANDLE));
    inside = send_one_more;
    EXPECT(0, sys_thread_upcall((uint64_t)sys_thread_self(), SIGUSR1));
    first = outer_stack;
    EXPECT(3, seen.count);
    EXPECT(SIGURG, seen.info.number);
    EXPECT(first, seen.rsp);
    seen.count = 0;
}

/* ---- upcall_return checks ---- */

static struct upcall_context good;
static uint8_t good_fpu[1024] __attribute__((aligned(64)));

static void keep(struct upcall_context *context)
{
    inside = NULL;
    good = *context;
    memcpy(good_fpu, (void *)(uintptr_t)context->fpu, getauxval(AT_MINSIGSTKSZ) - 440 - 160 - 64);
}

static void expect_refused(int error, struct upcall_context *bad)
{
    EXPECT(error, sys_upcall_return((uintptr_t)bad));
}

static void bad_frames(void)
{
    static uint8_t fpu[1024] __attribute__((aligned(64)));
    struct upcall_context c;
    uintptr_t at;
    static const struct {
        unsigned offset;
        uint64_t change;
    } cases[] = {
#define REGISTER(field, bits) { offsetof(struct upcall_context, field), bits }
        REGISTER(rflags, 0x200),   REGISTER(rflags, 2),          REGISTER(rflags, 0x3000),
        REGISTER(rflags, 0x20000), REGISTER(rflags, 0x80000),    REGISTER(rflags, 0x100000),
        REGISTER(rflags, 8),       REGISTER(rflags, 1ull << 40), REGISTER(cs, 0x2b),
        REGISTER(cs, 1ull << 16),  REGISTER(cs, 1ull << 32),     REGISTER(cs, 3ull << 48),
        REGISTER(rip, 1ull << 47), REGISTER(rip, 1ull << 63),    REGISTER(rsp, 1ull << 47),
        REGISTER(rsp, 1ull << 63),
    };

    inside = keep;
    EXPECT(0, sys_thread_upcall((uint64_t)sys_thread_self(), SIGUSR1));
    seen.count = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c = good;
        *(uint64_t *)((char *)&c + cases[i].offset) ^= cases[i].change;
        expect_refused(-EINVAL, &c);
    }
    c = good;
    c.fpu = 0;
    expect_refused(-EFAULT, &c);
    c.fpu = UINT64_C(0xffff800000000000);
    expect_refused(-EFAULT, &c);
    c.fpu = USER_MAX - 64;
    expect_refused(-EFAULT, &c);
    at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, 2 * PAGE_SIZE, VM_READ | VM_WRITE, 0));
    NEED(sys_vm_unmap(HANDLE_SELF, at + PAGE_SIZE, PAGE_SIZE));
    c.fpu = at + PAGE_SIZE - 256; /* the end is missing */
    expect_refused(-EFAULT, &c);
    NEED(sys_vm_unmap(HANDLE_SELF, at, PAGE_SIZE));
    expect_refused(-EFAULT, &c);
    /* MXCSR, and with XSAVE each byte of its header. */
    c.fpu = (uintptr_t)fpu;
    memcpy(fpu, good_fpu, sizeof(fpu));
    fpu[26] |= 1; /* bit 16 of MXCSR */
    expect_refused(-EINVAL, &c);
    for (unsigned i = 512; i < 576 && good_fpu[512] != 0; i++) {
        memcpy(fpu, good_fpu, sizeof(fpu));
        fpu[i] |= 0x80;
        expect_refused(-EINVAL, &c);
    }
    EXPECT(0, upcall_mask_now());
}

/* ---- sleepers ---- */

static handle_t endpoint, session;
static volatile uint64_t sleeper;
static volatile int sleep_result;

static int sleep_long(void *arg)
{
    (void)arg;
    upcall_prepare();
    sleeper = (uint64_t)sys_thread_self();
    sleep_result = sys_thread_sleep(60000 * MS);
    return 0;
}

static int wait_long(void *arg)
{
    struct port_event event;
    handle_t port = NEED_HANDLE(sys_port_create());

    (void)arg;
    upcall_prepare();
    sleeper = (uint64_t)sys_thread_self();
    sleep_result = (int)sys_port_wait(port, &event, 1, TIMEOUT_NEVER);
    NEED(sys_handle_close(port));
    return 0;
}

static int receive_long(void *arg)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));

    (void)arg;
    upcall_prepare();
    (void)ipc_buffer();
    sleeper = (uint64_t)sys_thread_self();
    sleep_result = sys_ipc_recv(ep, 0, TIMEOUT_NEVER);
    NEED(sys_handle_close(ep));
    return 0;
}

/* *arg: the time-out. */
static int call_long(void *arg)
{
    struct ipc_msg *msg = ipc_buffer();

    upcall_prepare();
    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->len = 3;
    memcpy(msg->data, "hey", 3);
    sleeper = (uint64_t)sys_thread_self();
    sleep_result = sys_ipc_call(session, *(int64_t *)arg);
    return sleep_result == 0 ? msg->data[0] : -1;
}

/* One message more than may wait. */
static int send_long(void *arg)
{
    struct ipc_msg *msg = ipc_buffer();

    (void)arg;
    upcall_prepare();
    memset(msg, 0, offsetof(struct ipc_msg, data));
    sleeper = (uint64_t)sys_thread_self();
    sleep_result = sys_ipc_send(session, 0);
    return 0;
}

static void start_sleeper(struct thread *t, int (*fn)(void *), void *arg)
{
    sleeper = 0;
    seen.count = 0;
    sleep_result = 1;
    EXPECT(0, thread_start(t, fn, arg, 0));
    while (sleeper == 0)
        NEED(sys_yield());
    NEED(sys_thread_sleep(2 * MS));
}

static void wait_seen(unsigned count)
{
    while (__atomic_load_n(&seen.count, __ATOMIC_ACQUIRE) < count)
        NEED(sys_thread_sleep(MS));
    NEED(sys_thread_sleep(2 * MS));
    EXPECT(count, seen.count);
}

static void interrupted(int (*fn)(void *), void *arg, int result)
{
    struct thread t;

    start_sleeper(&t, fn, arg);
    EXPECT(0, sys_thread_upcall(sleeper, SIGUSR1));
    EXPECT(0, thread_join(&t, NULL));
    EXPECT(result, sleep_result);
    expect_seen(1, SIGUSR1, UPCALL_BY_THREAD, 0);
    while (sys_thread_upcall(sleeper, SIGUSR1) ==
           0) /* it has left its stack, and is still on its way out */
        NEED(sys_yield());
    EXPECT(-ESRCH, sys_thread_upcall(sleeper, SIGUSR1));
    EXPECT(0, seen.count);
}

static void sleepers(void)
{
    struct thread t;
    struct ipc_msg *msg = ipc_buffer();
    int64_t never = TIMEOUT_NEVER, long_time = 60000 * MS;
    int result;
    uint64_t id, token;

    endpoint = NEED_HANDLE(sys_endpoint_create(0));
    session = NEED_HANDLE(sys_session_create(endpoint, 1, 0, &id));
    interrupted(sleep_long, NULL, -EINTR);
    interrupted(wait_long, NULL, -EINTR);
    interrupted(receive_long, NULL, -EINTR);
    interrupted(call_long, &long_time, -EINTR);
    /* A call not yet received that may wait for ever is made again. */
    start_sleeper(&t, call_long, &never);
    for (unsigned i = 1; i <= 5; i++) {
        EXPECT(0, sys_thread_upcall(sleeper, SIGUSR1));
        wait_seen(i);
    }
    EXPECT(0, sys_ipc_recv(endpoint, 0, 1000 * MS));
    EXPECT(IPC_CALL, msg->type);
    EXPECT(0, memcmp(msg->data, "hey", 3));
    msg->len = 1;
    msg->data[0] = 'a';
    EXPECT(0, sys_ipc_reply(endpoint, msg->token));
    EXPECT(0, thread_join(&t, &result));
    EXPECT('a', result);
    EXPECT(0, sleep_result);
    /* Received, it is the server's to end: it hears of it once, and the upcall waits for the answer. */
    start_sleeper(&t, call_long, &never);
    EXPECT(0, sys_ipc_recv(endpoint, 0, 1000 * MS));
    token = msg->token;
    EXPECT(0, sys_thread_upcall(sleeper, SIGUSR1));
    EXPECT(0, sys_ipc_recv(endpoint, 0, 1000 * MS));
    EXPECT(IPC_CANCEL, msg->type);
    EXPECT(token, msg->token);
    EXPECT(0, sys_thread_upcall(sleeper, SIGUSR2));
    EXPECT(-ETIMEDOUT, sys_ipc_recv(endpoint, 0, 5 * MS));
    EXPECT(0, seen.count);
    msg->len = 1;
    msg->data[0] = 'b';
    EXPECT(0, sys_ipc_reply(endpoint, token));
    EXPECT(0, thread_join(&t, &result));
    EXPECT('b', result);
    EXPECT(0, sleep_result);
    EXPECT(2, seen.count);
    seen.count = 0;
    /* A message that waits for credit goes on waiting, and is sent once. */
    memset(msg, 0, offsetof(struct ipc_msg, data));
    while ((result = sys_ipc_send(session, IPC_NONBLOCK)) == 0)
        memset(msg, 0, offsetof(struct ipc_msg, data));
    EXPECT(-EAGAIN, result);
    start_sleeper(&t, send_long, NULL);
    for (unsigned i = 1; i <= 3; i++) {
        EXPECT(0, sys_thread_upcall(sleeper, SIGUSR1));
        wait_seen(i);
        EXPECT(1, sleep_result);
    }
    EXPECT(0, sys_ipc_recv(endpoint, 0, 1000 * MS));
    EXPECT(0, thread_join(&t, NULL));
    EXPECT(0, sleep_result);
    for (unsigned i = 0; i < IPC_SEND_CREDIT; i++)
        EXPECT(0, sys_ipc_recv(endpoint, 0, 1000 * MS));
    EXPECT(-ETIMEDOUT, sys_ipc_recv(endpoint, 0, 0));
    seen.count = 0;
    NEED(sys_handle_close(session));
    NEED(sys_handle_close(endpoint));
}

/* Masks are inherited; thread_create sets its own. */
static volatile uint64_t child_mask;

static int tell_mask(void *arg)
{
    (void)arg;
    child_mask = upcall_mask_now();
    return 0;
}

static void inheritance(void)
{
    struct thread t;

    EXPECT(0, sys_upcall_mask(UPCALL_SETMASK, 0x5500, NULL));
    EXPECT(0, thread_start(&t, tell_mask, NULL, 0));
    EXPECT(0, thread_join(&t, NULL));
    EXPECT(0x5500 & UPCALL_ALL, child_mask);
    EXPECT(0, sys_upcall_mask(UPCALL_SETMASK, 0, NULL));
}

/* ---- children ---- */

static void do_ud2(void)
{
    __asm__ volatile("ud2");
}

static void child_pause(void)
{
    for (;;)
        (void)sys_thread_sleep(60000 * MS);
}

static void child_masked(void)
{
    upcall_prepare();
    upcall_handle(SIGILL);
    NEED(sys_upcall_mask(UPCALL_SETMASK, ~UINT64_C(0), NULL));
    do_ud2();
}

static void child_nostack(void)
{
    upcall_handle(SIGILL);
    do_ud2();
}

static void child_nostack_sent(void)
{
    upcall_handle(SIGUSR1);
    (void)sys_thread_upcall((uint64_t)sys_thread_self(), SIGUSR1);
}

static void child_badstack(void)
{
    upcall_handle(SIGILL);
    NEED(sys_upcall_stack(0x10000, UPCALL_STACK));
    do_ud2();
}

static void child_readonly(void)
{
    uintptr_t at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, UPCALL_STACK, VM_READ, 0));

    upcall_handle(SIGSEGV);
    NEED(sys_upcall_stack(at, UPCALL_STACK));
    __asm__ volatile("mov 16, %%eax" ::: "eax");
}

static void child_badentry(void)
{
    upcall_prepare();
    NEED(sys_upcall_set(0x20000));
    NEED(sys_upcall_action(SIGILL, UPCALL_HANDLE));
    do_ud2();
}

static void overflow(struct upcall_context *context)
{
    (void)context;
    EXPECT(0, sys_upcall_mask(UPCALL_SETMASK, 0, NULL));
    do_ud2();
}

/* Each frame makes the next one, until the stack is full. */
static void child_overflow(void)
{
    upcall_prepare();
    upcall_handle(SIGILL);
    inside = overflow;
    do_ud2();
}

static void child_noentry(void)
{
    NEED(sys_upcall_action(SIGUSR1, UPCALL_HANDLE));
    (void)sys_process_upcall(HANDLE_SELF, SIGUSR1);
    do_ud2();
}

/* An entry is taken back: what would go there ends the process, as before there was one. */
static void child_unset(void)
{
    upcall_prepare();
    upcall_handle(SIGUSR1);
    EXPECT(0, sys_upcall_set(0));
    (void)sys_process_upcall(HANDLE_SELF, SIGUSR1);
    do_ud2();
}

static void child_ignore_fault(void)
{
    NEED(sys_upcall_action(SIGILL, UPCALL_IGNORE));
    do_ud2();
}

static void child_unmask(void)
{
    NEED(sys_upcall_mask(UPCALL_BLOCK, UPCALL_BIT(SIGTERM), NULL));
    (void)sys_process_upcall(HANDLE_SELF, SIGTERM);
    NEED(sys_upcall_mask(UPCALL_UNBLOCK, UPCALL_BIT(SIGTERM), NULL));
}

static void child_kill_thread(void)
{
    (void)sys_upcall_mask(UPCALL_SETMASK, ~UINT64_C(0), NULL);
    (void)sys_thread_upcall((uint64_t)sys_thread_self(), SIGKILL);
}

/* A page that its job may not have: the thread hears of it, and can do without. */
static void child_limited(void)
{
    const size_t size = 64 * PAGE_SIZE;
    handle_t job = start_handle(START_JOB);
    uintptr_t at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, size, VM_READ | VM_WRITE, 0));
    struct job_info info;
    unsigned told = 0;

    upcall_prepare();
    upcall_handle(SIGUSR1);
    upcall_handle(SIGBUS);
    EXPECT(0, sys_thread_upcall((uint64_t)sys_thread_self(), SIGUSR1)); /* its stack is there now */
    EXPECT(0, sys_job_info(job, &info));
    EXPECT(0, sys_job_limit(job, JOB_MEMORY, info.used[JOB_MEMORY] + 8 * PAGE_SIZE));
    seen.count = 0;
    for (uintptr_t page = at; page < at + size; page += PAGE_SIZE) {
        FAULT("movb $1, (%1)", "r"(page));
        go_on_at = 0;
        if (seen.count == 0)
            continue;
        expect_seen(1, SIGBUS, 2, page);
        told++;
    }
    exit(told > 10 && told < 64 ? 0 : 2);
}

static const struct {
    const char *name;
    void (*fn)(void);
    int status;
} children[] = {
    { "masked", child_masked, SIGILL },
    { "nostack", child_nostack, SIGILL },
    { "nostack_sent", child_nostack_sent, SIGUSR1 },
    { "badstack", child_badstack, SIGILL },
    { "readonly", child_readonly, SIGSEGV },
    { "badentry", child_badentry, SIGSEGV },
    { "overflow", child_overflow, SIGILL },
    { "noentry", child_noentry, SIGUSR1 },
    { "unset", child_unset, SIGUSR1 },
    { "ignored", child_ignore_fault, SIGILL },
    { "unmask", child_unmask, SIGTERM },
    { "kill", child_kill_thread, SIGKILL },
};

static int child(const char *name)
{
    if (strcmp(name, "pause") == 0)
        child_pause();
    if (strcmp(name, "limited") == 0)
        child_limited();
    for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
        if (strcmp(name, children[i].name) == 0)
            children[i].fn();
    }
    return 99;
}

static handle_t start_child(const char *name)
{
    char *argv[] = { "upcall_rules", (char *)name, NULL };

    return test_spawn("test/upcall_rules", argv, NULL, 0);
}

static void limited(void)
{
    char *argv[] = { "upcall_rules", "limited", NULL };
    handle_t job = NEED_HANDLE(sys_job_create(start_handle(START_JOB)));

    EXPECT(0, test_wait(stress_spawn("test/upcall_rules", argv, job, NULL, 0)));
    NEED(sys_handle_close(job));
}

static void sent_to_child(uint32_t number, bool dies)
{
    handle_t proc = start_child("pause");

    EXPECT(0, sys_process_upcall(proc, number));
    if (!dies) {
        NEED(sys_thread_sleep(2 * MS));
        EXPECT(-EAGAIN, sys_process_status(proc));
        EXPECT(0, sys_process_upcall(proc, SIGKILL));
    }
    EXPECT(dies ? number : SIGKILL, test_wait(proc));
}

static void ends_of_children(void)
{
    static const uint32_t harmless[] = { SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN,
                                         SIGTTOU, SIGURG,  SIGWINCH };
    static const uint32_t deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, 16, 34, 64 };
    handle_t proc, weak;
    int status;

    for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
        status = test_wait(start_child(children[i].name));
        if (status != children[i].status)
            printf("child %s\n", children[i].name);
        EXPECT(children[i].status, status);
    }
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        sent_to_child(harmless[i], false);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
        sent_to_child(deadly[i], true);
    proc = start_child("pause");
    weak = NEED_HANDLE(sys_handle_dup(proc, RIGHT_INSPECT | RIGHT_WAIT, 0, 0));
    EXPECT(-EACCES, sys_process_upcall(weak, SIGTERM));
    EXPECT(0, sys_process_upcall(proc, SIGTERM));
    EXPECT(0, process_wait(proc, &status, 30000 * MS));
    EXPECT(SIGTERM, status);
    EXPECT(-ESRCH, sys_process_upcall(proc, SIGTERM));
    EXPECT(-ESRCH, sys_process_upcall(proc, 0));
    NEED(sys_handle_close(weak));
    NEED(sys_handle_close(proc));
    /* One without threads keeps it. */
    proc = NEED_HANDLE(sys_process_create(start_handle(START_JOB), "unborn", 6));
    EXPECT(0, sys_process_upcall(proc, SIGTERM));
    EXPECT(0, sys_process_upcall(proc, SIGKILL));
    EXPECT(SIGKILL, test_wait(proc));
}

int main(int argc, char **argv)
{
    static const uint32_t handled[] = {
        SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS, SIGUSR1, SIGUSR2
    };

    if (argc > 1)
        return child(argv[1]);
    upcall_prepare();
    for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
        upcall_handle(handled[i]);
    faults();
    registers_and_stack(seen.context.stack);
    arguments();
    self();
    nesting();
    bad_frames();
    sleepers();
    inheritance();
    ends_of_children();
    limited();
    test_mark("UPCALL: rules ok");
    return 0;
}
