/* `test=pkg`: installs /hello.rpk with pkg and runs the program it brings, which prints APP: hello world. */
#include "tests/prog/test.h"

/* Run a program with what we have; its exit status must be 0. */
static void run(char *const argv[])
{
    const uint32_t kinds[] = { START_JOB, START_LOG, START_ROOT, START_NAMES, START_MACHINE };
    struct spawn_handle handles[5];
    struct spawn_args args = { .job = start_handle(START_JOB), .argv = argv, .handles = handles };
    handle_t proc;
    int st;

    for (size_t i = 0; i < 5; i++) {
        handle_t h = start_handle(kinds[i]);

        if (h != HANDLE_NONE)
            handles[args.nhandles++] = (struct spawn_handle){ kinds[i], h, RIGHT_SAME };
    }
    args.fds[0] = args.fds[1] = args.fds[2] = HANDLE_NONE;
    st = spawn_path(&args, argv[0], &proc);
    if (st != 0) {
        printf("pkg_smoke: %s: %s\n", argv[0], args.reason != NULL ? args.reason : strerror(-st));
        exit(1);
    }
    EXPECT(0, test_wait(proc));
}

int main(void)
{
    run((char *const[]){ "pkg", "install", "/hello.rpk", NULL });
    run((char *const[]){ "pkg", "list", NULL });
    run((char *const[]){ "hello", NULL });
    return 0;
}
