/*
 * `many N` for a shell: N children sleep and end with a status of their own when the interrupt key reaches them. `many
 * list N`: so many are listed, a few of them at a time in the end.
 */
#include <rugo/processes.h>
#include <rugo/spawn.h>
#include <signal.h>
#include <unistd.h>

#include "tests/prog/test.h"

enum { MOST = 1200, HEARD = 7 };

static handle_t children[MOST];

static void on_interrupt(int number)
{
    (void)number;
    _exit(HEARD);
}

static void ignore(int number)
{
    (void)number;
}

static handle_t start_child(void)
{
    char *argv[] = { "many", "child", NULL };
    struct spawn_args args = { .job = start_handle(START_JOB),
                               .argv = argv,
                               .fds = { HANDLE_NONE, HANDLE_NONE, HANDLE_NONE } };
    struct spawn_handle root = { START_ROOT, start_handle(START_ROOT), RIGHT_SAME };
    handle_t proc;

    args.handles = &root;
    args.nhandles = 1;
    NEED(spawn_path(&args, "/boot/test/many", &proc));
    return proc;
}

/* It sleeps, and so has its handler. */
static void await_sleep(handle_t proc)
{
    struct thread_info t = { 0 };

    while (t.state != RUN_BLOCKED || t.call != SYS_thread_sleep) {
        EXPECT(1, sys_process_threads(proc, 0, &t, 1));
        NEED(sys_yield());
    }
}

static int interrupted(int n)
{
    int heard = 0;

    (void)signal(SIGINT, ignore);
    for (int i = 0; i < n; i++)
        children[i] = start_child();
    for (int i = 0; i < n; i++)
        await_sleep(children[i]);
    printf("MANY: %d wait\n", n);
    fflush(stdout);
    for (int i = 0; i < n; i++) {
        int status = -1, st;

        while ((st = process_wait(children[i], &status, TIMEOUT_NEVER)) == -EINTR)
            ;
        EXPECT(0, st);
        heard += status == HEARD << 8;
    }
    printf("MANY: %d heard\n", heard);
    return 0;
}

/* More than the kernel copies at once, all of them, in order; and what does not fit is counted. */
static int listed(int n)
{
    handle_t job = NEED_HANDLE(sys_job_create(start_handle(START_JOB)));
    static uint64_t few[MOST];
    uint64_t *pids;

    for (int i = 0; i < n; i++)
        children[i] = NEED_HANDLE(sys_process_create(job, "p", 1));
    EXPECT(n, job_pids(job, &pids));
    for (int i = 0; i < n; i++) {
        struct process_info info;
        NEED(sys_process_info(children[i], &info));
        EXPECT(info.pid, pids[i]);
    }
    for (int room = 0; room < n; room += 100) {
        memset(few, 0xff, sizeof few);
        EXPECT(n, sys_job_list(job, few, (size_t)room));
        EXPECT(0, memcmp(few, pids, (size_t)room * sizeof *few));
        EXPECT_TRUE(few[room] == UINT64_MAX);
    }
    EXPECT(n, sys_job_list(job, few, MOST));
    free(pids);
    printf("MANY: %d listed\n", n);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "child") == 0) {
        (void)signal(SIGINT, on_interrupt);
        return sys_thread_sleep(INT64_MAX);
    }
    int n = atoi(argv[argc - 1]);
    EXPECT_TRUE(argc > 1 && n > 0 && n <= MOST);
    return argc == 2 ? interrupted(n) : listed(n);
}
