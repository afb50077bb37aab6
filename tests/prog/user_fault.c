/*
 * `test=user.fault`: children that each do one forbidden thing are killed, each with the right signal;
 * the parent goes on. With an argument it is such a child.
 */
#include "tests/prog/test.h"

#define KERNEL_ADDR  0xffffffff80000000u
#define NONCANONICAL 0x8000000000000000u

static void do_null(void)
{
    volatile int *volatile nowhere = (volatile int *)NULL + 2;

    (void)*nowhere;
}

static void do_kread(void)
{
    (void)*(volatile int *)KERNEL_ADDR;
}

static void do_kwrite(void)
{
    *(volatile int *)KERNEL_ADDR = 1;
}

static void do_kjump(void)
{
    __asm__ volatile("jmp *%0" ::"r"(KERNEL_ADDR));
}

/* Run a return instruction that lies on the stack. */
static void do_nx(void)
{
    volatile unsigned char code[16] = { 0xc3 };

    __asm__ volatile("call *%0" ::"r"(code) : "memory");
}

static void do_text(void)
{
    *(volatile char *)(uintptr_t)do_null = 0;
}

static void do_div0(void)
{
    __asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; divl %%ecx" ::
                         : "eax", "ecx", "edx");
}

static void do_ud2(void)
{
    __asm__ volatile("ud2");
}

static void do_int3(void)
{
    __asm__ volatile("int3");
}

static void do_int80(void)
{
    __asm__ volatile("int $0x80");
}

static void do_int32(void)
{
    __asm__ volatile("int $0x20");
}

static void do_cli(void)
{
    __asm__ volatile("cli");
}

static void do_sti(void)
{
    __asm__ volatile("sti");
}

static void do_hlt(void)
{
    __asm__ volatile("hlt");
}

static void do_in(void)
{
    __asm__ volatile("inb $0x60, %%al" ::: "eax");
}

static void do_out(void)
{
    __asm__ volatile("outb %%al, $0xf4" ::: "eax");
}

static void do_cr3(void)
{
    __asm__ volatile("mov %%cr3, %%rax" ::: "rax");
}

static void do_wrmsr(void)
{
    __asm__ volatile("wrmsr" ::"c"(0xc0000080), "a"(0), "d"(0));
}

static void do_lidt(void)
{
    static const char table[10];

    __asm__ volatile("lidt %0" ::"m"(table));
}

static void do_segment(void)
{
    __asm__ volatile("mov %0, %%fs" ::"r"(0x1234));
}

static void do_noncanon(void)
{
    (void)*(volatile int *)NONCANONICAL;
}

static void do_noncanon_jump(void)
{
    __asm__ volatile("jmp *%0" ::"r"(NONCANONICAL));
}

static void do_noncanon_stack(void)
{
    __asm__ volatile("mov %0, %%rsp; push %%rax" ::"r"(NONCANONICAL));
}

/* A call with a stack pointer that is no address: the call itself must do no harm. */
static void do_noncanon_syscall(void)
{
    __asm__ volatile("mov %0, %%rsp\n\t"
                     "mov %1, %%eax\n\t"
                     "syscall\n\t"
                     "push %%rax" ::"r"(NONCANONICAL),
                     "i"(SYS_yield)
                     : "rax", "rcx", "r11");
}

/* The same with a stack in the kernel. */
static void do_kernel_stack(void)
{
    __asm__ volatile("mov %0, %%rsp\n\t"
                     "mov %1, %%eax\n\t"
                     "syscall\n\t"
                     "push %%rax" ::"r"(KERNEL_ADDR),
                     "i"(SYS_yield)
                     : "rax", "rcx", "r11");
}

/* A call in the last bytes that a program can map: it returns to an address just behind them. */
static void do_edge(void)
{
    const unsigned char code[] = { 0xb8, SYS_yield & 0xff, SYS_yield >> 8, 0, 0, 0x0f, 0x05 };
    uintptr_t page = USER_MAX - PAGE_SIZE;

    NEED(sys_vm_map(HANDLE_SELF, page, PAGE_SIZE, VM_READ | VM_WRITE, VM_FIXED));
    memcpy((void *)(USER_MAX - sizeof(code)), code, sizeof(code));
    NEED(sys_vm_protect(HANDLE_SELF, page, PAGE_SIZE, VM_READ | VM_EXEC));
    __asm__ volatile("jmp *%0" ::"r"(USER_MAX - sizeof(code)));
}

/* Single step into a system call. */
static void do_step(void)
{
    __asm__ volatile("pushfq\n\t"
                     "orl $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "mov %0, %%eax\n\t"
                     "syscall" ::"i"(SYS_yield)
                     : "rax", "rcx", "r11", "memory");
}

static void do_x87(void)
{
    uint16_t control = 0x037b;          /* division by zero unmasked */

    __asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait" ::"m"(control));
}

/* Deeper than any stack. */
static int deeper(volatile int *outer)
{
    volatile int here[256];

    here[0] = *outer + 1;
    return here[0] > 1 << 30 ? 0 : deeper(here) + here[0];
}

static void do_stack(void)
{
    volatile int top = 0;

    exit(deeper(&top) & 1);
}

static const struct {
    const char *name;
    void (*fn)(void);
    int signal;
} kinds[] = {
    { "null", do_null, SIGSEGV },
    { "kread", do_kread, SIGSEGV },
    { "kwrite", do_kwrite, SIGSEGV },
    { "kjump", do_kjump, SIGSEGV },
    { "nx", do_nx, SIGSEGV },
    { "text", do_text, SIGSEGV },
    { "div0", do_div0, SIGFPE },
    { "ud2", do_ud2, SIGILL },
    { "int3", do_int3, SIGTRAP },
    { "int80", do_int80, SIGSEGV },
    { "int32", do_int32, SIGSEGV },
    { "cli", do_cli, SIGSEGV },
    { "sti", do_sti, SIGSEGV },
    { "hlt", do_hlt, SIGSEGV },
    { "in", do_in, SIGSEGV },
    { "out", do_out, SIGSEGV },
    { "cr3", do_cr3, SIGSEGV },
    { "wrmsr", do_wrmsr, SIGSEGV },
    { "lidt", do_lidt, SIGSEGV },
    { "segment", do_segment, SIGSEGV },
    { "noncanon", do_noncanon, SIGSEGV },
    { "noncanon-jump", do_noncanon_jump, SIGSEGV },
    { "noncanon-stack", do_noncanon_stack, 0 },
    { "noncanon-syscall", do_noncanon_syscall, 0 },
    { "kernel-stack", do_kernel_stack, SIGSEGV },
    { "edge", do_edge, SIGSEGV },
    { "step", do_step, SIGTRAP },
    { "x87", do_x87, SIGFPE },
    { "stack", do_stack, SIGSEGV },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* As a child: do it. Coming back is a failure that the parent sees. */
static int be_bad(const char *name)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            kinds[i].fn();
            return 3;
        }
    }
    return 4;
}

/* The child must die by the signal; 0: by any (SIGSEGV or SIGBUS, as the kernel sees a bad stack). */
static void try(size_t i)
{
    char *argv[] = { "user_fault", (char *)kinds[i].name, NULL };
    int status = test_wait(test_spawn("test/user_fault", argv, NULL, 0));

    if (!WIFSIGNALED(status) || (kinds[i].signal != 0 && WTERMSIG(status) != kinds[i].signal)) {
        printf("user_fault: kind %s ended with status 0x%x\n", kinds[i].name, status);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *only = getenv("kind");

    if (argc > 1)
        return be_bad(argv[1]);
    for (size_t i = 0; i < KINDS; i++) {
        if (only == NULL || strcmp(only, kinds[i].name) == 0)
            try(i);
    }
    test_mark("USER: alive");
    return 0;
}
