/* svc [list] | svc restart NAME...: the services, and starting them afresh. */
#include <err.h>
#include <errno.h>
#include <rugo/proto_svcman.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { SERVICES_MAX = 64 };

static const char *state_name(uint32_t state)
{
    static const char *const names[] = { "waiting", "running", "stopped", "failed" };

    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

static void status_text(uint32_t status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "killed (%s)", strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exit %u", WEXITSTATUS(status));
}

static int list(handle_t svcman)
{
    static struct svc_info info[SERVICES_MAX];
    uint64_t now = (uint64_t)sys_time_now(CLOCK_MONOTONIC);
    uint32_t n = 0;
    int st = svcman_list(svcman, info, sizeof info, &n);

    if (st != 0) {
        errno = -st;
        err(1, "svcman");
    }
    puts("NAME             STATE      PID RESTARTS   UP/S POLICY        LAST END");
    for (uint32_t i = 0; i < n && i < SERVICES_MAX; i++) {
        const struct svc_info *s = &info[i];
        char ended[48] = "-";
        uint64_t up =
            s->state == SVC_RUNNING && now > s->start_ns ? (now - s->start_ns) / 1000000000 : 0;
        if (s->restarts > 0 || s->state == SVC_STOPPED || s->state == SVC_FAILED)
            status_text(s->status, ended, sizeof ended);
        printf("%-16.32s %-8s %5lu %8u %6lu %-13.32s %s\n", (const char *)s->name,
               state_name(s->state), s->pid, s->restarts, up, (const char *)s->policy, ended);
    }
    return 0;
}

static int restart(handle_t svcman, const char *name)
{
    int st = svcman_restart(svcman, name);

    if (st == 0)
        return 0;
    if (st == -ENOENT) {
        warnx("%s: no such service", name);
    } else {
        errno = -st;
        warn("%s", name);
    }
    return 1;
}

int main(int argc, char **argv)
{
    handle_t svcman = start_need(START_NAMES, "a session to svcman");
    int failed = 0;

    if (argc == 1 || (argc == 2 && strcmp(argv[1], "list") == 0))
        return list(svcman);
    if (argc < 3 || strcmp(argv[1], "restart") != 0)
        errx(2, "usage: svc [list] | svc restart NAME...");
    for (int i = 2; i < argc; i++)
        failed |= restart(svcman, argv[i]);
    return failed;
}
