/*
 * The watchdog (service.h): a service that hangs does not end by itself, so it is asked now and then whether it lives.
 * One that is starting can't be asked; it has its time, which begins again whenever it says that it lives.
 *
 * Question and answer are one-way messages: svcman never waits for a service. Time is counted in looks, LOOKS to a
 * deadline, so that a machine that stood still as a whole does not count against a service: at each look it had a
 * quarter of the time to run since the one before.
 */
#include <errno.h>
#include <rugo/ipc.h>
#include <rugo/proto_service.h>
#include <rugo/syscall.h>
#include <string.h>

#include "services/say.h"
#include "services/svcman/service.h"

#define MS INT64_C(1000000)

enum { LOOKS = 4 };

/* How long it may be silent, in ns; 0: as long as it likes. */
static int64_t patience(const struct service *s)
{
    if (s->state != SVC_RUNNING || s->proc == HANDLE_NONE || service_is_stopping(s))
        return 0;
    if (!s->ready)
        return s->startup;
    return s->serves ? s->watchdog : 0;
}

void watchdog_reset(struct service *s)
{
    s->silent = 0;
    s->look_at = 0;
    if (s->endpoint == HANDLE_NONE && s->supervisor != HANDLE_NONE) {
        (void)sys_handle_close(s->supervisor);
        s->supervisor = HANDLE_NONE;
    }
}

void watchdog_heard(struct service *s)
{
    s->silent = 0;
}

/*
 * Whether a question waits for the service or has reached it. A session without credit is full of questions: one more
 * says nothing new. Who could not be asked for want of memory is not silent.
 */
static bool ask(struct service *s)
{
    static const uint32_t ping = SERVICE_PING;
    struct ipc_msg *msg = ipc_buffer();

    if (s->supervisor == HANDLE_NONE)
        s->supervisor = service_connect(s, BADGE_SUPERVISOR);
    if (s->supervisor < 0) {
        s->supervisor = HANDLE_NONE;
        return false;
    }
    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->len = sizeof ping;
    memcpy(msg->data, &ping, sizeof ping);
    int st = sys_ipc_send(s->supervisor, IPC_NONBLOCK);

    return st == 0 || st == -EAGAIN;
}

static void look(struct service *s, int64_t now, int64_t ns)
{
    if (s->silent >= LOOKS) {
        say_error("SVC: %s has not %s for %lld ms: it hangs and is killed", s->name,
                  s->ready ? "answered" : "become ready", (long long)(ns / MS));
        s->silent = 0;
        service_kill(s);
    } else if (s->silent > 0 || !s->ready || ask(s)) {
        s->silent++;
    }
    s->look_at = now + ns / LOOKS;
}

void watchdog_step(void)
{
    int64_t now = sys_time_now(CLOCK_MONOTONIC);

    for (unsigned i = 0; i < nservices; i++) {
        int64_t ns = patience(&services[i]);

        if (ns != 0 && now >= services[i].look_at)
            look(&services[i], now, ns);
    }
}

int64_t watchdog_deadline(void)
{
    int64_t next = INT64_MAX;

    for (unsigned i = 0; i < nservices; i++) {
        if (patience(&services[i]) != 0 && services[i].look_at < next)
            next = services[i].look_at;
    }
    return next;
}
