/*
 * What test programs share: checks that end the program with a line saying where and what, the marker
 * that proves who spoke, and children. A test program without descriptors prints to the system log.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <rugo/abi.h>
#include <rugo/ipc.h>
#include <rugo/shm.h>
#include <rugo/spawn.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "services/initrd.h"

#define MS INT64_C(1000000)

/* For functions that run in threads without a block of their own: FS is 0, the stack protector would look there. */
#define NO_BLOCK __attribute__((no_stack_protector))

/* Linked into each test program; the kernel cannot know it. */
extern const char test_secret[];

static inline const char *test_nonce(void)
{
    const char *nonce = getenv("NONCE");

    return nonce != NULL ? nonce : "none";
}

/* Print a marker with the nonce and the secret. */
static inline void test_mark(const char *marker)
{
    printf("%s nonce=%s secret=%s\n", marker, test_nonce(), test_secret);
    fflush(stdout);
}

static inline _Noreturn void test_fail(const char *file, int line, const char *what, int64_t got,
                                       int64_t want)
{
    printf("%s:%d: %s is %lld (0x%llx), not %lld\n", file, line, what, (long long)got,
           (unsigned long long)got, (long long)want);
    fflush(stdout);
    exit(1);
}

/* The expression must have this value. */
#define EXPECT(want, expr)                                       \
    do {                                                         \
        int64_t got_ = (int64_t)(expr), want_ = (int64_t)(want); \
        if (got_ != want_)                                       \
            test_fail(__FILE__, __LINE__, #expr, got_, want_);   \
    } while (0)

#define EXPECT_TRUE(expr) EXPECT(1, !!(expr))

/* The expression must not be an error; its value. */
#define NEED(expr)                                           \
    ({                                                       \
        int64_t value_ = (int64_t)(expr);                    \
        if (value_ < 0)                                      \
            test_fail(__FILE__, __LINE__, #expr, value_, 0); \
        value_;                                              \
    })

#define NEED_HANDLE(expr) ((handle_t)NEED(expr))

/*
 * Start a test program of the initrd ("test/NAME") in our job, with the log, the job, the initrd and
 * `more` handles.
 */
static inline handle_t test_spawn(const char *path, char *const argv[],
                                  const struct spawn_handle *more, size_t nmore)
{
    static struct initrd rd;
    struct spawn_handle handles[16];
    struct spawn_args args = { .job = start_handle(START_JOB), .argv = argv, .handles = handles };
    const uint32_t kinds[] = { START_LOG, START_JOB, START_INITRD };
    struct initrd_file image;
    handle_t proc = HANDLE_NONE;
    int st;

    if (rd.data == NULL)
        NEED(shm_attach(start_handle(START_INITRD), VM_READ, (void **)&rd.data, &rd.size));
    for (size_t i = 0; i < 3; i++)
        handles[args.nhandles++] =
            (struct spawn_handle){ kinds[i], start_handle(kinds[i]), RIGHT_SAME };
    for (size_t i = 0; i < nmore; i++)
        handles[args.nhandles++] = more[i];
    for (int i = 0; i < 3; i++)
        args.fds[i] = HANDLE_NONE;
    EXPECT_TRUE(initrd_find(&rd, path, &image));
    st = spawn_image(&args, image.data, image.size, &proc);
    if (st != 0)
        printf("%s: %s\n", path, args.reason != NULL ? args.reason : strerror(-st));
    NEED(st);
    return proc;
}

/* Wait for the end of a child; its status. */
static inline int test_wait(handle_t proc)
{
    int status = -1;

    NEED(process_wait(proc, &status, 30000 * MS));
    (void)sys_handle_close(proc);
    return status;
}

#endif
