/*
 * `bomb fork` for a shell: a program that starts itself twice, without end. The first one says when it was refused, and
 * how; none of them gives up by itself.
 */
#include <rugo/spawn.h>

#include "tests/prog/test.h"

static int start_another(void)
{
    char *argv[] = { "bomb", "again", NULL };
    struct spawn_handle handles[] = { { START_JOB, start_handle(START_JOB), RIGHT_SAME },
                                      { START_ROOT, start_handle(START_ROOT), RIGHT_SAME } };
    struct spawn_args args = { .job = start_handle(START_JOB),
                               .argv = argv,
                               .handles = handles,
                               .nhandles = 2,
                               .fds = { 0, 1, 2 } };
    handle_t proc;

    return spawn_path(&args, "/boot/test/bomb", &proc);
}

int main(int argc, char **argv)
{
    bool said = argc > 1 && strcmp(argv[1], "again") == 0;

    for (;;) {
        int st = start_another();

        if (st == 0)
            continue;
        if (!said)
            printf("BOMB: %s\n", strerror(-st));
        fflush(stdout);
        said = true;
        NEED(sys_thread_sleep(1 * MS));
    }
}
