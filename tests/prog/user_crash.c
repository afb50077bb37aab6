/*
 * A program that crashes on purpose, in the way its argument says. `test=user.crash` runs it without one: children
 * crash, and what is told of them is looked at.
 */
#include <rugo/crash.h>
#include <rugo/thread.h>

#include "tests/prog/test.h"

#define NOINLINE __attribute__((noinline, noclone))

static volatile int zero;

/* ---- ways to crash ----
 * What each function adds after its call keeps the call from becoming a jump; what the innermost one stores first lies
 * in its frame, which therefore is there when it crashes.
 */

NOINLINE static int crash_inner(volatile int *where)
{
    volatile int frame[8];

    frame[zero] = 1;
    *where = 1;
    return frame[1];
}

NOINLINE static int crash_middle(volatile int *where)
{
    return crash_inner(where) + zero;
}

NOINLINE static int crash_outer(volatile int *where)
{
    return crash_middle(where) + zero;
}

NOINLINE static int call_through(int (*fn)(void))
{
    return fn() + zero;
}

NOINLINE static int sink(int depth)
{
    volatile char room[512];

    room[0] = (char)depth;
    return depth == zero - 1 ? 0 : sink(depth + 1) + room[0]; /* (never: it begins at 0) */
}

static int in_thread(void *arg)
{
    return crash_outer(arg) + zero;
}

NOINLINE static void bad_frames(uintptr_t rbp)
{
    __asm__ volatile("mov %0, %%rbp; ud2" ::"r"(rbp));
}

/* A chain of frames that leads back to itself. */
NOINLINE static void frame_circle(void)
{
    static uintptr_t chain[2];

    chain[0] = (uintptr_t)chain;
    chain[1] = (uintptr_t)frame_circle;
    bad_frames((uintptr_t)chain);
}

static int sink_in_thread(void *arg)
{
    (void)arg;
    return sink(0) + zero;
}

NOINLINE static int crash(const char *how)
{
    struct thread t;

    if (!strcmp(how, "null"))
        return crash_outer(NULL) + zero;
    if (!strcmp(how, "jump"))
        return call_through((int (*)(void))(uintptr_t)zero) + zero;
    if (!strcmp(how, "deep"))
        return sink(0) + zero;
    if (!strcmp(how, "circle"))
        frame_circle();
    if (!strcmp(how, "kernel-frames"))
        bad_frames(0xffffffff80000000u);
    if (!strcmp(how, "odd-frames"))
        bad_frames((uintptr_t)__builtin_frame_address(0) + 3);
    if (!strcmp(how, "unmapped-frames"))
        bad_frames(0x12345678);
    if (!strcmp(how, "thread") && thread_start(&t, in_thread, NULL, 0) == 0)
        return thread_join(&t, NULL);
    if (!strcmp(how, "deep-thread") && thread_start(&t, sink_in_thread, NULL, 0) == 0)
        return thread_join(&t, NULL);
    return 2;
}

/* ---- what is told of it ---- */

static handle_t child(const char *how, int status)
{
    char *argv[] = { (char *)"test/user_crash", (char *)how, NULL };
    handle_t proc = test_spawn("test/user_crash", argv, NULL, 0);
    int got = -1;

    EXPECT(0, process_wait(proc, &got, TIMEOUT_NEVER));
    EXPECT(status, got);
    return proc;
}

static struct symbols names;

/* The function of a frame, as the table of the image has it. */
static const char *name_of(const struct crash_info *c, uint32_t frame)
{
    static char name[64];
    uint64_t offset;

    NEED(symbols_find(&names, "user_crash", c->frames[frame] - c->image - (frame > 0), name,
                      sizeof name, &offset));
    return name;
}

static void expect_frames(const char *how, int status, uint32_t first, const char *const *wanted)
{
    handle_t proc = child(how, status);
    struct crash_info c;

    EXPECT(0, sys_process_crash(proc, &c));
    EXPECT(status, c.signal);
    EXPECT_TRUE(c.image != 0 && c.nframes <= CRASH_FRAMES);
    EXPECT(c.rip, c.frames[0]);
    for (uint32_t i = 0; i < c.nframes; i++)
        EXPECT_TRUE(c.frames[i] < USER_MAX);
    for (uint32_t i = 0; wanted[i] != NULL; i++) {
        EXPECT_TRUE(first + i < c.nframes);
        if (strcmp(wanted[i], name_of(&c, first + i)) != 0)
            printf("frame %u is in %s, not in %s\n", first + i, name_of(&c, first + i), wanted[i]);
        EXPECT_TRUE(!strcmp(wanted[i], name_of(&c, first + i)));
    }
    EXPECT(0, sys_handle_close(proc));
}

static void test_frames(void)
{
    const char *const chain[] = { "crash_inner", "crash_middle", "crash_outer", "crash",
                                  "main",        "__start",      NULL };
    const char *const thread[] = { "crash_inner", "crash_middle",  "crash_outer",
                                   "in_thread",   "__thread_main", NULL };
    const char *const jump[] = { "call_through", "crash", "main", NULL };
    const char *const deep[] = { "sink", "sink", "sink", "sink", NULL };
    const char *const bad[] = { "bad_frames", NULL };

    expect_frames("null", SIGSEGV, 0, chain);
    expect_frames("thread", SIGSEGV, 0, thread);
    expect_frames("jump", SIGSEGV, 1, jump); /* frame 0 is nowhere */
    expect_frames("deep", SIGSEGV, 0, deep);
    expect_frames("circle", SIGILL, 0, bad);
    expect_frames("kernel-frames", SIGILL, 0, bad);
    expect_frames("odd-frames", SIGILL, 0, bad);
    expect_frames("unmapped-frames", SIGILL, 0, bad);
}

/* The guard page below a stack is met, and that is told: of the first thread's stack and of another's. */
static void test_overflow(void)
{
    const char *const ways[] = { "null", "jump", "deep", "deep-thread" };

    for (int i = 0; i < 4; i++) {
        handle_t proc = child(ways[i], SIGSEGV);
        struct crash_info c;

        EXPECT(0, sys_process_crash(proc, &c));
        EXPECT(i < 2 ? 0 : CRASH_STACK, c.flags);
        EXPECT(0, sys_handle_close(proc));
    }
}

static void test_refused(void)
{
    handle_t well = child("", 2 << 8), crashed = child("null", SIGSEGV), blind;
    struct process_info info;
    struct crash_info c;

    EXPECT(-ENOENT, sys_process_crash(well, &c));
    EXPECT(-ENOENT, sys_process_crash(HANDLE_SELF, &c));
    EXPECT(-EBADF, sys_process_crash(HANDLE_NONE, &c));
    EXPECT(-ENODEV, sys_process_crash(start_handle(START_JOB), &c));
    EXPECT(-EFAULT, sys_process_crash(crashed, NULL));
    EXPECT(0, sys_process_info(HANDLE_SELF, &info));
    blind = NEED_HANDLE(sys_process_open(start_handle(START_JOB), info.pid, RIGHT_MANAGE));
    EXPECT(-EACCES, sys_process_crash(blind, &c));
    EXPECT(0, sys_handle_close(blind));
    EXPECT(0, sys_handle_close(well));
    EXPECT(0, sys_handle_close(crashed));
}

/* Tables that are cut short or are none. */
static void test_tables(const void *data, size_t size)
{
    struct symbols s;
    char name[64];
    uint64_t offset;

    EXPECT(-ENOENT, symbols_find(&names, "no-such-program", 0x2000, name, sizeof name, &offset));
    EXPECT(-ENOENT, symbols_find(&names, "user_crash", 0, name, sizeof name, &offset));
    symbols_in_memory(&s, "RSYM\x01", 4);
    EXPECT(-EIO, symbols_find(&s, "user_crash", 0x2000, name, sizeof name, &offset));
    symbols_in_memory(&s, "not a table", 11);
    EXPECT(-EINVAL, symbols_find(&s, "user_crash", 0x2000, name, sizeof name, &offset));
    for (size_t cut = 0; cut < 4096 && cut < size; cut += 7) {
        symbols_in_memory(&s, data, cut);
        EXPECT_TRUE(symbols_find(&s, "user_crash", 0x2000, name, sizeof name, &offset) < 0);
    }
}

int main(int argc, char **argv)
{
    struct initrd rd;
    struct initrd_file table;

    if (argc > 1)
        return crash(argv[1]) + zero;
    NEED(shm_attach(start_handle(START_INITRD), VM_READ, (void **)&rd.data, &rd.size));
    EXPECT_TRUE(initrd_find(&rd, "etc/symbols", &table));
    symbols_in_memory(&names, table.data, table.size);
    test_frames();
    test_overflow();
    test_refused();
    test_tables(table.data, table.size);
    test_mark("CRASH: ok");
    return 0;
}
