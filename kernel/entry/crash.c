/*
 * What is told of a program that a fault ends: on the log the registers and who called whom, in the process the same as
 * a structure (process_crash), so that who looks after it can put names to the addresses.
 *
 * Nothing in the program's memory is trusted: each word is copied like an argument of a system call, frame pointers
 * must rise, and addresses of the kernel's half are not passed on.
 */
#include "entry/crash.h"
#include "klib/printf.h"
#include "klib/string.h"
#include "mm/heap.h"
#include "proc/process.h"
#include "x86/clock.h"

#define REPORTS_PER_SECOND 10u /* in full; more only get their line, the console is slow */
#define IMAGE_REACH        (1ull << 30) /* an address further above the image is not of it */
#define FRAME_REACH        (1ull << 16) /* larger frames are not recognised as the stack's */

_Static_assert(CRASH_FRAMES == ARRAY_SIZE(((struct crash_info *)0)->frames), "one number");

static bool report_in_full(void)
{
    static uint64_t second; /* [a] */
    static uint32_t used; /* [a] in that second */
    uint64_t now = clock_ns() / 1000000000;
    if (__atomic_exchange_n(&second, now, __ATOMIC_RELAXED) != now)
        __atomic_store_n(&used, 0, __ATOMIC_RELAXED);
    return __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED) < REPORTS_PER_SECOND;
}

static bool read_word(uintptr_t at, uint64_t *word)
{
    return at % 8 == 0 && copy_from_user(word, (struct user_in){ at }, sizeof *word) == OK;
}

static void add_frame(struct crash_info *c, uint64_t rip)
{
    if (c->nframes < CRASH_FRAMES)
        c->frames[c->nframes++] = rip;
}

/* Return addresses along the chain of frame pointers; the caller of a wild jump is on top of the stack. */
static void walk(struct crash_info *c, bool wild_jump)
{
    uint64_t rbp = c->rbp, next, ret;
    add_frame(c, c->rip);
    if (wild_jump && read_word(c->rsp, &ret) && user_range_ok(ret, 1))
        add_frame(c, ret);
    while (c->nframes < CRASH_FRAMES && read_word(rbp, &next) && read_word(rbp + 8, &ret) &&
           user_range_ok(ret, 1)) {
        add_frame(c, ret);
        if (next <= rbp)
            break;
        rbp = next;
    }
}

static void copy_registers(struct crash_info *c, const struct trap_frame *f)
{
    c->rax = f->rax;
    c->rbx = f->rbx;
    c->rcx = f->rcx;
    c->rdx = f->rdx;
    c->rsi = f->rsi;
    c->rdi = f->rdi;
    c->rbp = f->rbp;
    c->rsp = f->rsp;
    c->r8 = f->r8;
    c->r9 = f->r9;
    c->r10 = f->r10;
    c->r11 = f->r11;
    c->r12 = f->r12;
    c->r13 = f->r13;
    c->r14 = f->r14;
    c->r15 = f->r15;
    c->rip = f->rip;
    c->rflags = f->rflags;
}

static void print_frames(const struct crash_info *c, const char *name)
{
    for (uint32_t i = 0; i < c->nframes; i++)
        if (c->image && c->frames[i] - c->image < IMAGE_REACH)
            kprintf_at(LOG_ERR, "  #%u 0x%lx [%s+0x%lx]\n", i, c->frames[i], name,
                       c->frames[i] - c->image);
        else
            kprintf_at(LOG_ERR, "  #%u 0x%lx\n", i, c->frames[i]);
}

static void print(const struct crash_info *c, const char *name)
{
    kprintf_at(LOG_ERR, "  rax=%016lx rbx=%016lx rcx=%016lx rdx=%016lx\n", c->rax, c->rbx, c->rcx,
               c->rdx);
    kprintf_at(LOG_ERR, "  rsi=%016lx rdi=%016lx rbp=%016lx rsp=%016lx\n", c->rsi, c->rdi, c->rbp,
               c->rsp);
    kprintf_at(LOG_ERR, "   r8=%016lx  r9=%016lx r10=%016lx r11=%016lx\n", c->r8, c->r9, c->r10,
               c->r11);
    kprintf_at(LOG_ERR, "  r12=%016lx r13=%016lx r14=%016lx r15=%016lx\n", c->r12, c->r13, c->r14,
               c->r15);
    print_frames(c, name);
}

/*
 * Whether it was the stack that ran over its end: what was touched lies where a function's frame begins, and either
 * below the stack pointer (a push, a call) or in a frame that is not there at all.
 */
static bool stack_overflow(const struct trap_frame *f, uintptr_t address)
{
    uint64_t word;
    if (f->vector != VEC_PF || address + PAGE_SIZE < f->rsp || address >= f->rsp + FRAME_REACH)
        return false;
    return address < f->rsp || !read_word(align_down(f->rsp, 8), &word);
}

static void fill(struct crash_info *c, const struct trap_frame *f, uintptr_t address,
                 const char *cause)
{
    c->vector = (uint32_t)f->vector;
    c->address = address;
    c->error = f->error;
    c->thread = current_thread()->id;
    c->time_ns = clock_ns();
    c->image = __atomic_load_n(&process_current()->image, __ATOMIC_RELAXED);
    str_copy((char *)c->cause, cause, sizeof c->cause);
    copy_registers(c, f);
    walk(c, f->vector == VEC_PF && address == f->rip);
}

void crash_report(const struct trap_frame *f, uintptr_t address, const char *cause, uint32_t signal,
                  const char *note)
{
    struct process *p = process_current();
    irq_enable(); /* looking at the program's stack may bring in a page of it */
    bool overflow = stack_overflow(f, address);
    kprintf_at(LOG_ERR, "USER: killed pid=%lu name=%s cause=%s addr=0x%lx rip=0x%lx%s\n", p->pid,
               p->name, cause, address, f->rip, overflow && !*note ? " (stack overflow)" : note);
    struct crash_info *c = kzalloc(sizeof *c);
    if (c) {
        c->signal = signal;
        c->flags = overflow ? CRASH_STACK : 0;
        fill(c, f, address, cause);
        if (report_in_full())
            print(c, p->name);
        process_set_crash(p, c);
    }
    irq_disable();
}
