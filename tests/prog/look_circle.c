/*
 * `test=look.circle`: two processes call each other, each with its only thread: neither can go on. The utility `ipc`
 * sees both calls and names the circle. With the argument "knot" it is one of the two: it calls on the session it was
 * given for START_NAMES, and is the one who receives on START_ENDPOINT.
 */
#include "tests/prog/test.h"

enum { STATUS_CIRCLE = 3 };

static int knot(void)
{
    ipc_buffer()->len = 0;
    ipc_buffer()->nhandles = 0;
    (void)sys_ipc_call(start_handle(START_NAMES), TIMEOUT_NEVER);
    return 1;
}

/* One of the two: it owns `own`, and calls on a session to `other`. */
static handle_t spawn_knot(handle_t own, handle_t other)
{
    char *argv[] = { (char *)"test/look_circle", (char *)"knot", NULL };
    handle_t session = NEED_HANDLE(sys_session_create(other, 1, 0, &(uint64_t){ 0 }));
    struct spawn_handle more[] = { { START_NAMES, session, RIGHT_SAME },
                                   { START_ENDPOINT, own, RIGHT_RECV } };
    handle_t proc = test_spawn("test/look_circle", argv, more, 2);

    EXPECT(0, sys_handle_close(session));
    return proc;
}

/* Run the utility until it says what is expected: the two may not have come to their calls yet. */
static void await_status(int want)
{
    char *argv[] = { (char *)"bin/ipc", NULL };
    struct spawn_handle more[] = { { START_ROOT_JOB, start_handle(START_JOB), RIGHT_SAME } };

    while (WEXITSTATUS(test_wait(test_spawn("bin/ipc", argv, more, 1))) != want)
        (void)sys_thread_sleep(MS);
}

int main(int argc, char **argv)
{
    handle_t a, b, first, second;

    if (argc > 1 && !strcmp(argv[1], "knot"))
        return knot();
    a = NEED_HANDLE(sys_endpoint_create(0));
    b = NEED_HANDLE(sys_endpoint_create(0));
    first = spawn_knot(a, b);
    second = spawn_knot(b, a);
    await_status(STATUS_CIRCLE);
    EXPECT(0, sys_process_kill(first, 9));
    EXPECT(9, test_wait(first));
    await_status(0);
    EXPECT(0, sys_process_kill(second, 9));
    EXPECT(9, test_wait(second));
    test_mark("CIRCLE: ok");
    return 0;
}
