/*
 * A service with a watchdog: `svc_hang loop` answers it a few times, then spins; `deadlock` waits for itself; `busy`
 * answers, but works a long time between two messages; `unready` never says that it is ready; `slow` takes long for that,
 * and says meanwhile that it lives.
 */
#include <rugo/heartbeat.h>
#include <rugo/proto_svcman.h>

#include "services/say.h"
#include "tests/prog/test.h"

enum { ANSWERS = 3 };

static void work(int64_t ns)
{
    int64_t until = sys_time_now(CLOCK_MONOTONIC) + ns;

    while (sys_time_now(CLOCK_MONOTONIC) < until)
        ;
}

/* Call a service that nobody serves: ourselves. */
static void wait_for_self(handle_t ep)
{
    uint64_t id;
    handle_t self = NEED_HANDLE(sys_session_create(ep, 7, 0, &id));

    memset(ipc_buffer(), 0, offsetof(struct ipc_msg, data));
    NEED(sys_ipc_call(self, TIMEOUT_NEVER));
}

int main(int argc, char **argv)
{
    handle_t ep = start_handle(START_ENDPOINT);
    const char *mode = argc > 1 ? argv[1] : "";
    struct ipc_msg *msg = ipc_buffer();

    say("HANG: %s begins", mode);
    if (strcmp(mode, "unready") == 0)
        NEED(sys_thread_sleep(INT64_MAX));
    for (int i = 0; i < 60 && strcmp(mode, "slow") == 0; i++) {
        heartbeat_tell();
        NEED(sys_thread_sleep(50 * MS));
    }
    if (strcmp(mode, "slow") == 0) {
        NEED(svcman_ready(start_handle(START_NAMES)));
        say("HANG: slow is ready");
    }
    for (int answered = 0; sys_ipc_recv(ep, 0, TIMEOUT_NEVER) == 0;) {
        if (strcmp(mode, "busy") == 0)
            work(600 * MS);
        answered += heartbeat_answer(msg);
        if (answered == 10)
            say("HANG: %s answered %d times", mode, answered);
        if (answered == ANSWERS && strcmp(mode, "loop") == 0)
            work(INT64_MAX / 2);
        if (answered == ANSWERS && strcmp(mode, "deadlock") == 0)
            wait_for_self(ep);
    }
    return 1;
}
