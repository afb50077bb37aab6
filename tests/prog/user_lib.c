/*
 * `test=user.lib`: the user runtime on the real kernel. Threads with their own errno, message buffer
 * and thread-local storage; heap; memory objects; clocks; children with arguments, environment and
 * handles, and how they end; programs that are refused; and that none of it leaves anything behind.
 */
#include <rugo/elf.h>
#include <rugo/random.h>
#include <rugo/thread.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tests/prog/test.h"

enum { THREADS = 4, ROUNDS = 2000 };

/* ---- threads ---- */

static struct mutex lock = MUTEX_INIT;
static long counter;
static __thread int tls_word = 41;
static __thread char tls_bytes[300];
static struct ipc_msg *buffer_of[THREADS];

static int work(void *arg)
{
    int me = (int)(intptr_t)arg;

    EXPECT(41, tls_word);
    EXPECT(0, tls_bytes[299]);
    tls_word = me;
    tls_bytes[299] = 1;
    errno = 100 + me;
    buffer_of[me] = ipc_buffer();
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&lock);
        counter++;
        mutex_unlock(&lock);
        free(malloc((size_t)(i % 3000)));
    }
    EXPECT(me, tls_word);
    EXPECT(100 + me, errno);
    return me * 10;
}

static void threads(void)
{
    struct thread t[THREADS];
    const void *own =
        ipc_buffer(); /* before the others': an address is used again once its thread has ended */
    int result;

    errno = 5;
    for (int i = 0; i < THREADS; i++)
        EXPECT(0, thread_start(&t[i], work, (void *)(intptr_t)i, i == 0 ? 300000 : 0));
    for (int i = 0; i < THREADS; i++) {
        EXPECT(0, thread_join(&t[i], &result));
        EXPECT(i * 10, result);
    }
    EXPECT(THREADS * ROUNDS, counter);
    EXPECT(5, errno);
    EXPECT(41, tls_word);
    for (int i = 0; i < THREADS; i++) {
        EXPECT_TRUE(buffer_of[i] != own);
        for (int j = 0; j < i; j++)
            EXPECT_TRUE(buffer_of[i] != buffer_of[j] || buffer_of[i] != NULL);
    }
}

/* ---- memory ---- */

static void memory(void)
{
    char *small = malloc(100), *large = calloc(3, 1000000);
    handle_t shm;
    void *one, *two;
    size_t size;

    EXPECT(0, large[2999999]);
    memset(large, 1, 3000000);
    memset(small, 2, 100);
    small = realloc(small, 100000);
    EXPECT_TRUE(small != NULL && small[0] == 2 && small[99] == 2);
    free(small);
    free(large);
    EXPECT_TRUE(malloc((size_t)1 << 60) == NULL && errno == ENOMEM);
    EXPECT(0, shm_new(10000, &shm, &one));
    EXPECT(0, shm_attach(shm, VM_READ, &two, &size));
    EXPECT_TRUE(one != two && size >= 10000);
    memset(one, 7, 10000);
    EXPECT(7, ((char *)two)[9999]);
    shm_detach(one, size);
    shm_detach(two, size);
    EXPECT(0, sys_handle_close(shm));
}

static jmp_buf back;

static void jump(int depth)
{
    char room[100];

    memset(room, depth, sizeof(room));
    if (depth > 0)
        jump(depth - 1);
    else if (room[99] == 0)
        longjmp(back, 0);
    EXPECT(depth, room[99]);
}

static void jumps(void)
{
    volatile int jumped = 0;

    if (setjmp(back) == 0) {
        jump(20);
    } else {
        jumped++;
        if (jumped < 3)
            longjmp(back, 5);
    }
    EXPECT(3, jumped);
}

static void clocks(void)
{
    struct timespec nap = { 0, 30000000 }, a, b;
    uint64_t x, y;

    EXPECT(0, clock_gettime(CLOCK_MONOTONIC, &a));
    EXPECT(0, nanosleep(&nap, NULL));
    EXPECT(0, clock_gettime(CLOCK_MONOTONIC, &b));
    EXPECT_TRUE((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= nap.tv_nsec);
    EXPECT_TRUE(time(NULL) > 1700000000); /* the machine's clock is set */
    EXPECT(-1, clock_gettime(99, &a));
    random_bytes(&x, sizeof(x));
    random_bytes(&y, sizeof(y));
    EXPECT_TRUE(x != y && x != 0);
}

/* ---- children ---- */

static char zeros[100000];

/* What the child sees; argv[2] says how it ends. */
static int child(int argc, char **argv)
{
    size_t n;

    EXPECT(4, argc);
    EXPECT(0, strcmp(argv[3], "two words"));
    EXPECT_TRUE(argv[4] == NULL);
    EXPECT(0, strcmp(getenv("KEY"), "value=1"));
    EXPECT(0, strcmp(program_name, "user_lib"));
    EXPECT_TRUE(start_handle(START_LOG) != HANDLE_NONE);
    EXPECT(HANDLE_NONE, start_handle(START_MACHINE));
    (void)start_table(&n);
    EXPECT(1, n);
    for (size_t i = 0; i < sizeof(zeros); i++)
        EXPECT(0, zeros[i]);
    EXPECT(0, (uintptr_t)__builtin_frame_address(0) % 16);
    EXPECT(1, write(2, "", 0) <= 0); /* no descriptor: the log, and nothing to say */
    switch (argv[2][0]) {
    case 'a': abort();
    case 'f': *(volatile char *)(uintptr_t)atoi("8") = 1; break;
    case 'd': {
        char *volatile p = malloc(30);
        free(p);
        free(p);
        break;
    }
    }
    return 7;
}

static struct initrd archive;

static void child_ends(const char *mode, int want)
{
    char *argv[] = { "/somewhere/user_lib", "child", (char *)mode, "two words", NULL };
    char *envp[] = { "KEY=value=1", NULL };
    struct spawn_handle log = { START_LOG, start_handle(START_LOG), RIGHT_WRITE };
    struct spawn_args args = { .job = start_handle(START_JOB),
                               .argv = argv,
                               .envp = envp,
                               .handles = &log,
                               .nhandles = 1,
                               .fds = { HANDLE_NONE, HANDLE_NONE, HANDLE_NONE } };
    struct initrd_file image;
    handle_t proc;

    EXPECT_TRUE(initrd_find(&archive, "test/user_lib", &image));
    NEED(spawn_image(&args, image.data, image.size, &proc));
    EXPECT(want, test_wait(proc));
}

/* ---- programs that are refused ---- */

static struct spawn_args refused_args = { .argv = (char *[]){ "refused", NULL },
                                          .fds = { HANDLE_NONE, HANDLE_NONE, HANDLE_NONE } };

static void refused(const void *image, size_t size, const char *reason)
{
    handle_t proc;

    refused_args.job = start_handle(START_JOB);
    EXPECT(-ENOEXEC, spawn_image(&refused_args, image, size, &proc));
    if (strstr(refused_args.reason, reason) == NULL) {
        printf("refused because \"%s\", not \"%s\"\n", refused_args.reason, reason);
        exit(1);
    }
}

static void bad_programs(void)
{
    struct initrd_file file;
    struct elf_header *h;
    struct elf_phdr *p;
    char *copy;

    EXPECT_TRUE(initrd_find(&archive, "test/user_lib", &file));
    copy = malloc(file.size);
    memcpy(copy, file.data, file.size);
    h = (struct elf_header *)copy;
    p = (struct elf_phdr *)(copy + h->phoff);
    refused("#!/bin/sh", 9, "too short");
    refused(copy, 1000, "outside the file");
    p[1].flags = ELF_PF_R | ELF_PF_W | ELF_PF_X;
    refused(copy, file.size, "writable and executable");
    p[1].flags = ELF_PF_R | ELF_PF_X;
    p[1].vaddr += UINT64_C(0xffff800000000000);
    refused(copy, file.size, "outside the user's");
    p[1].vaddr -= UINT64_C(0xffff800000000000);
    p[2].memsz = UINT64_C(1) << 46;
    refused(copy, file.size, "too large");
    free(copy);
    refused_args.fds[0] =
        0x7fffffff; /* no such handle: found out when the process exists already */
    handle_t proc;
    EXPECT(-EBADF, spawn_image(&refused_args, file.data, file.size, &proc));
    refused_args.fds[0] = HANDLE_NONE;
}

static void children(void)
{
    child_ends("return", 7 << 8);
    child_ends("abort", SIGABRT);
    child_ends("fault", SIGSEGV);
    child_ends("double free", SIGABRT);
    bad_programs();
}

/* ---- all, twice, with nothing left over by the second time ---- */

static void everything(struct machine_info *after)
{
    counter = 0;
    threads();
    memory();
    jumps();
    clocks();
    children();
    EXPECT(0, sys_thread_sleep(50 * MS)); /* the last child's remains go */
    EXPECT(0, sys_machine_info(start_handle(START_MACHINE), after));
}

int main(int argc, char **argv)
{
    struct machine_info before, after;

    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return child(argc, argv);
    NEED(shm_attach(start_handle(START_INITRD), VM_READ, (void **)&archive.data, &archive.size));
    everything(&before);
    everything(&after);
    EXPECT(before.processes, after.processes);
    EXPECT(before.threads, after.threads);
    EXPECT(before.handles, after.handles);
    EXPECT(before.shms, after.shms);
    EXPECT(before.ports, after.ports);
    EXPECT_TRUE(after.free_pages + 8 >= before.free_pages);
    test_mark("LIB: ok");
    return 0;
}
