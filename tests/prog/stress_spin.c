/*
 * `stress_spin N`, from the shell: leaves a process behind whose N threads do nothing but run, one on each CPU.
 */
#include <rugo/thread.h>

#include "tests/prog/stress.h"

enum { THREADS_MAX = 64 };

static _Noreturn int spin(void *unused)
{
    (void)unused;
    for (;;)
        __asm__ volatile("");
}

static _Noreturn void spinner(int n)
{
    static struct thread threads[THREADS_MAX];

    for (int i = 1; i < n; i++)
        EXPECT(0, thread_start(&threads[i], spin, NULL, 0));
    spin(NULL);
}

int main(int argc, char **argv)
{
    char *args[] = { "stress_spin", argc > 1 ? argv[1] : "1", "here", NULL };
    struct spawn_args spawn = { .job = start_handle(START_JOB), .argv = args };
    handle_t proc;
    int n = atoi(args[1]);

    EXPECT_TRUE(n > 0 && n <= THREADS_MAX);
    if (argc > 2)
        spinner(n);
    for (int i = 0; i < 3; i++)
        spawn.fds[i] = HANDLE_NONE;
    EXPECT(0, spawn_path(&spawn, "/boot/test/stress_spin", &proc));
    return 0;
}
