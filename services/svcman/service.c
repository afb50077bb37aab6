/* The life of services (service.h): start, end, restart, and the ordered stop of all. */
#include "services/svcman/service.h"

#include <errno.h>
#include <rugo/crash.h>
#include <rugo/ipc.h>
#include <rugo/proto_service.h>
#include <rugo/spawn.h>
#include <rugo/syscall.h>
#include <rugo/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "services/initrd.h"
#include "services/say.h"
#include "services/svcman/svcman.h"

#define MS INT64_C(1000000)

enum { FIRST_DELAY_MS = 100, LAST_DELAY_MS = 2000 };

struct service services[SERVICES_MAX];
unsigned nservices;
static unsigned starts;                 /* of all services so far: the rank of the next one */

struct service *service_find(const char *name)
{
    for (unsigned i = 0; i < nservices; i++) {
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    }
    return NULL;
}

struct service *service_by_badge(uint64_t badge)
{
    return badge >= 1 && badge <= nservices ? &services[badge - 1] : NULL;
}

const char *status_text(uint32_t status, char *out, size_t size)
{
    if (WIFEXITED(status))
        snprintf(out, size, "exit status %u", WEXITSTATUS(status));
    else
        snprintf(out, size, "signal %u", WTERMSIG(status));
    return out;
}

static void close_handle(handle_t *h)
{
    if (*h != HANDLE_NONE)
        (void)sys_handle_close(*h);
    *h = HANDLE_NONE;
}

/* ---- what a service is given ---------------------------------------------------------------------- */

/* The handles of one start. Those in `own` were made for it and are closed after it. */
struct gifts {
    struct spawn_handle list[SPAWN_HANDLE_MAX];
    size_t n;
    handle_t own[4];
    size_t nown;
};

static void give(struct gifts *g, uint32_t kind, handle_t h, uint32_t rights)
{
    if (h != HANDLE_NONE && g->n < SPAWN_HANDLE_MAX)
        g->list[g->n++] = (struct spawn_handle){ kind, h, rights };
}

/* Give a handle that was just made; negative: making it failed, which is passed on. */
static int give_own(struct gifts *g, uint32_t kind, handle_t h)
{
    if (h < 0)
        return h;
    g->own[g->nown++] = h;
    give(g, kind, h, RIGHT_SAME);
    return 0;
}

static void close_own(struct gifts *g)
{
    for (size_t i = 0; i < g->nown; i++)
        (void)sys_handle_close(g->own[i]);
}

/* A session to svcman, by whose badge we know the service and what it starts. */
static handle_t make_names(const struct service *s)
{
    uint64_t id;

    return sys_session_create(svcman.endpoint, s->badge, 0, &id);
}

/* Devices and other things svcman itself was given. */
static void give_devices(struct gifts *g, uint32_t gives)
{
    uint32_t log = (gives & GIVE_LOG ? RIGHT_WRITE : 0) | (gives & GIVE_LOG_READ ? RIGHT_READ : 0);

    if (log != 0)
        give(g, START_LOG, svcman.log, log | RIGHT_DUP | RIGHT_TRANSFER);
    if (gives & GIVE_MACHINE)
        give(g, START_MACHINE, svcman.machine, RIGHT_INSPECT | RIGHT_DUP | RIGHT_TRANSFER);
    if (gives & GIVE_INITRD)
        give(g, START_INITRD, svcman.initrd_shm, RIGHT_READ | RIGHT_DUP | RIGHT_TRANSFER);
    if (gives & GIVE_SERIAL)
        give(g, START_SERIAL, svcman.serial,
             RIGHT_READ | RIGHT_WRITE | RIGHT_WAIT | RIGHT_DUP | RIGHT_TRANSFER);
    if (gives & GIVE_ROOT_JOB)
        give(g, START_ROOT_JOB, svcman.root_job, RIGHT_SAME);
    for (size_t i = 0; gives & GIVE_BLK && start_handle_nth(START_BLK, i) != HANDLE_NONE; i++)
        give(g, START_BLK, start_handle_nth(START_BLK, i),
             RIGHT_READ | RIGHT_WRITE | RIGHT_WAIT | RIGHT_DUP | RIGHT_TRANSFER);
}

/* Everything the configuration grants. 0 or negative errno. */
static int collect(struct service *s, struct gifts *g, handle_t *stdio)
{
    struct service *terminal = s->stdio[0] != '\0' ? service_find(s->stdio) : NULL;
    struct service *files = service_find("fsd");
    int st = give_own(g, START_NAMES, make_names(s));

    give_devices(g, s->gives);
    if (s->gives & GIVE_JOB)
        give(g, START_JOB, s->job, RIGHT_SAME);
    if (s->serves)
        give(g, START_ENDPOINT, s->endpoint, RIGHT_RECV | RIGHT_WAIT);
    if (st == 0 && s->gives & GIVE_ROOT && files != NULL && files->endpoint != HANDLE_NONE)
        st = give_own(g, START_ROOT, service_connect(files, BADGE_CLIENT));
    *stdio = HANDLE_NONE;
    if (st == 0 && terminal != NULL) {
        *stdio = service_connect(terminal, BADGE_CLIENT);
        if (*stdio < 0)
            return *stdio;
        g->own[g->nown++] = *stdio;
    }
    return st;
}

/* ---- starting ------------------------------------------------------------------------------------- */

/* Whether all limits could be set. */
static int set_limits(handle_t job, const uint64_t *limits, uint32_t flag)
{
    int st = 0;

    for (uint32_t kind = 0; kind < JOB_KINDS && st == 0; kind++)
        st = sys_job_limit(job, kind | flag, limits[kind]);
    return st;
}

/* Its job, and the endpoint that outlives its processes. */
static int prepare(struct service *s)
{
    if (s->serves && s->endpoint == HANDLE_NONE) {
        s->endpoint = sys_endpoint_create(0);
        if (s->endpoint < 0)
            return s->endpoint;
    }
    s->job = sys_job_create(svcman.root_job);
    if (s->job < 0)
        return s->job;
    int st = set_limits(s->job, s->limits, 0);
    return st != 0 ? st : set_limits(s->job, s->inner, JOB_LIMIT_INNER);
}

/* Before its first instruction. */
static int set_priority(handle_t proc, void *arg)
{
    const struct service *s = arg;

    return sys_process_set_priority(proc, s->priority);
}

static int spawn(struct service *s, const char **reason)
{
    struct gifts gifts = { .n = 0 };
    struct initrd_file image;
    handle_t stdio;
    int st = prepare(s);

    if (st == 0 && !initrd_find(&svcman_initrd, s->program, &image))
        st = -ENOENT;
    if (st == 0)
        st = collect(s, &gifts, &stdio);
    if (st == 0) {
        struct spawn_args args = {
            .job = s->job,
            .name = s->name,
            .argv = s->argv,
            .envp = svcman.envp,
            .handles = gifts.list,
            .nhandles = gifts.n,
            .fds = { stdio, stdio, stdio },
            .ready = set_priority,
            .ready_arg = s,
        };

        st = spawn_image(&args, image.data, image.size, &s->proc);
        *reason = args.reason;
    }
    close_own(&gifts);
    return st;
}

static void start(struct service *s)
{
    const char *reason = NULL;
    struct process_info info;
    int st;

    s->restart_at = 0;
    s->ready = false;
    s->stopping = false;
    s->pid = 0;
    s->order = ++starts;
    s->started = sys_time_now(CLOCK_MONOTONIC);
    s->state = SVC_RUNNING;
    s->proc = HANDLE_NONE;
    watchdog_reset(s);
    st = spawn(s, &reason);
    if (st == 0)
        st =
            sys_port_add(svcman.port, s->proc, EV_EXITED, TOKEN_PROCESS + (uint64_t)(s - services));
    if (st != 0) {
        say_error("SVC: %s can't be started from %s: %s", s->name, s->program,
                  reason != NULL ? reason : strerror(-st));
        service_kill(s); /* one whose end we would not hear of */
        close_handle(&s->proc);
        service_ended(s);
        return;
    }
    if (sys_process_info(s->proc, &info) == 0)
        s->pid = info.pid;
    if (!s->says_ready)
        s->ready = true;
}

/* Whether all services it comes after are ready. One that is missing or was given up holds nothing up. */
static bool may_start(const struct service *s)
{
    for (unsigned i = 0; i < nservices; i++) {
        const struct service *other = &services[i];

        if (list_has(s->after, other->name) && !other->ready &&
            (other->state == SVC_WAITING || other->state == SVC_RUNNING))
            return false;
    }
    return true;
}

void services_start(void)
{
    bool changed = true;

    while (changed && !shutdown_running()) {
        changed = false;
        for (unsigned i = 0; i < nservices; i++) {
            struct service *s = &services[i];

            if (s->state != SVC_WAITING || !may_start(s) ||
                (s->restart_at != 0 && sys_time_now(CLOCK_MONOTONIC) < s->restart_at))
                continue;
            start(s);
            changed = true;
        }
    }
}

int64_t services_next_deadline(void)
{
    int64_t next = INT64_MAX;

    for (unsigned i = 0; i < nservices; i++) {
        if (services[i].state == SVC_WAITING && services[i].restart_at != 0 &&
            services[i].restart_at < next)
            next = services[i].restart_at;
    }
    return next;
}

void service_is_ready(struct service *s)
{
    if (s->ready)
        return;
    s->ready = true;
    s->unready = 0;
    watchdog_reset(s);
    services_start();
}

handle_t service_connect(struct service *s, uint64_t badge)
{
    uint64_t id;

    if (s->endpoint == HANDLE_NONE || s->state == SVC_FAILED || s->state == SVC_STOPPED)
        return -EAGAIN;
    return sys_session_create(s->endpoint, badge, SESSION_KEEP, &id);
}

/* ---- ending --------------------------------------------------------------------------------------- */

/* Note a death; the number of them within the window. */
static unsigned count_death(struct service *s, int64_t now)
{
    int64_t from = now - (int64_t)s->window * 1000 * MS;
    unsigned n = 0;

    s->deaths[s->ndeaths++ % DEATHS_MAX] = now;
    for (unsigned i = 0; i < DEATHS_MAX && i < s->ndeaths; i++)
        n += s->deaths[i] >= from;
    return n;
}

static bool restart_wanted(struct service *s);
static void restart_ended(struct service *s);

/* The first restart comes at once, the next ones after a growing pause. */
static int64_t restart_delay(unsigned deaths)
{
    int64_t ms = FIRST_DELAY_MS;

    if (deaths <= 1)
        return 0;
    while (deaths-- > 2 && ms < LAST_DELAY_MS)
        ms *= 2;
    return (ms < LAST_DELAY_MS ? ms : LAST_DELAY_MS) * MS;
}

/* What the restart policy makes of the end of a service that was not told to stop. */
static void decide(struct service *s)
{
    char how[32];
    int64_t now = sys_time_now(CLOCK_MONOTONIC);
    unsigned deaths = count_death(s, now);

    (void)status_text(s->status, how, sizeof(how));
    if (s->policy == RESTART_NEVER || (s->policy == RESTART_ON_FAILURE && s->status == 0)) {
        s->state = SVC_STOPPED;
        say("SVC: %s ended (%s)", s->name, how);
    } else if (deaths > s->limit) {
        s->state = SVC_FAILED;
        say_error("SVC: %s ended (%s); it has failed %u times within %u s and is given up", s->name,
                  how, deaths, s->window);
    } else if (s->unready > s->limit) {
        s->state = SVC_FAILED;
        say_error("SVC: %s ended (%s); it was not ready %u times in a row and is given up", s->name,
                  how, s->unready);
    } else {
        s->state = SVC_WAITING;
        s->restart_at = now + restart_delay(deaths);
        say_warning("SVC: %s ended (%s), restart %u", s->name, how, ++s->restarts);
    }
    if (s->state != SVC_WAITING)
        close_handle(&s->endpoint); /* who waits there must not wait for ever */
}

static void say_line(const char *text)
{
    say_error("%s", text);
}

/* If a fault has ended the service: what it was, and where. */
static void say_crash(const struct service *s)
{
    const char *slash = strrchr(s->program, '/');
    struct initrd_file table;
    struct symbols names;
    bool named = initrd_find(&svcman_initrd, "etc/symbols", &table);

    if (named)
        symbols_in_memory(&names, table.data, table.size);
    (void)crash_describe(s->proc, slash != NULL ? slash + 1 : s->program, named ? &names : NULL,
                         say_line);
}

void service_ended(struct service *s)
{
    int64_t status = s->proc != HANDLE_NONE ? sys_process_status(s->proc) : 127 << 8;

    if (status == -EAGAIN || s->state != SVC_RUNNING)
        return; /* a stale event, of an earlier incarnation */
    s->status = (uint32_t)status;
    if (WIFSIGNALED(s->status))
        say_crash(s);
    s->unready += !s->ready && !service_is_stopping(s);
    s->ready = false;
    s->pid = 0;
    if (s->job != HANDLE_NONE)
        (void)sys_job_kill(s->job);
    close_handle(&s->proc);
    close_handle(&s->job);
    if (s->endpoint != HANDLE_NONE)
        (void)sys_endpoint_reset(s->endpoint);
    bool wanted = restart_wanted(s);
    if (s->stopping || shutdown_running()) {
        s->state = SVC_STOPPED;
        close_handle(&s->endpoint); /* nobody will come to receive what waits there */
    } else if (wanted) {
        restart_ended(s);
    } else if (!scenario_ended(s)) {
        decide(s);
    }
    watchdog_reset(s);
}

void service_kill(struct service *s)
{
    if (s->proc != HANDLE_NONE)
        (void)sys_process_kill(s->proc, 9);
}

void service_revive(struct service *s)
{
    s->ndeaths = s->unready = 0;
    s->restart_at = 0;
    s->state = SVC_WAITING;
    services_start();
}

/* ---- stopping ------------------------------------------------------------------------------------------ */

#define STOP_NS (30 * INT64_C(1000000000))

/* A service asked to stop, and the thread that waits for its answer: svcman itself never waits. */
struct stop {
    struct service *service; /* NULL: none */
    int64_t deadline; /* CLOCK_MONOTONIC; INT64_MAX once it was killed */
    struct thread asker;
    bool asking;
    handle_t session;
};

static int ask_to_stop(void *arg)
{
    const struct stop *stop = arg;
    int st = ipc_buffer_make();

    if (st == 0)
        return service_stop(stop->session);
    service_kill(stop->service);
    return st;
}

static void stop_begin(struct stop *stop, struct service *s)
{
    stop->service = s;
    stop->deadline = sys_time_now(CLOCK_MONOTONIC) + STOP_NS;
    stop->asking = false;
    stop->session = HANDLE_NONE;
    if (s->serves && s->ready)
        stop->session = service_connect(s, BADGE_SUPERVISOR);
    if (stop->session >= 0)
        stop->asking = thread_start(&stop->asker, ask_to_stop, stop, 0) == 0;
    if (!stop->asking)
        service_kill(s);
}

/* Kill what did not stop in time. */
static void stop_expire(struct stop *stop)
{
    if (stop->service == NULL || sys_time_now(CLOCK_MONOTONIC) < stop->deadline)
        return;
    say_warning("SVC: %s does not stop and is killed", stop->service->name);
    stop->deadline = INT64_MAX;
    service_kill(stop->service);
}

/* It has ended. */
static void stop_finish(struct stop *stop)
{
    int st = 0;

    if (stop->asking && thread_join(&stop->asker, &st) == 0 && st != 0)
        say_warning("SVC: %s did not stop well: %s", stop->service->name, strerror(-st));
    close_handle(&stop->session);
    stop->service = NULL;
}

/* ---- restarting one ------------------------------------------------------------------------------------ */

static struct stop again = { .session = HANDLE_NONE };

int service_restart(struct service *s)
{
    if (again.service == s)
        return 0;
    if (again.service != NULL || shutdown_running())
        return -EAGAIN;
    if (s->state == SVC_RUNNING)
        stop_begin(&again, s);
    else
        service_revive(s);
    return 0;
}

/* Whether a service that has ended was to be restarted; asked once. */
static bool restart_wanted(struct service *s)
{
    bool wanted = again.service == s;

    if (wanted)
        stop_finish(&again);
    return wanted;
}

/* Its end is no accident, and counts as none. */
static void restart_ended(struct service *s)
{
    s->state = SVC_WAITING;
    s->restart_at = sys_time_now(CLOCK_MONOTONIC);
    say("SVC: %s stopped, restart %u", s->name, ++s->restarts);
}

/* ---- stopping everything ------------------------------------------------------------------------------- */

static struct {
    void (*finish)(void); /* NULL: no shutdown is under way */
    struct stop stop;
} halt = { .stop = { .session = HANDLE_NONE } };

bool shutdown_running(void)
{
    return halt.finish != NULL;
}

bool service_is_stopping(const struct service *s)
{
    return s->stopping || again.service == s || shutdown_running();
}

int64_t stop_deadline(void)
{
    int64_t next = INT64_MAX;

    if (halt.stop.service != NULL)
        next = halt.stop.deadline;
    if (again.service != NULL && again.deadline < next)
        next = again.deadline;
    return next;
}

/* The service that was started last among those that run. */
static struct service *last_started(void)
{
    struct service *last = NULL;

    for (unsigned i = 0; i < nservices; i++) {
        if (services[i].proc != HANDLE_NONE && (last == NULL || services[i].order > last->order))
            last = &services[i];
    }
    return last;
}

void stop_step(void)
{
    stop_expire(&again);
    if (!shutdown_running())
        return;
    for (;;) {
        if (halt.stop.service != NULL && halt.stop.service->proc != HANDLE_NONE) {
            stop_expire(&halt.stop);
            return;
        }
        if (halt.stop.service != NULL)
            stop_finish(&halt.stop);
        struct service *next = last_started();
        if (next == NULL)
            break;
        next->stopping = true;
        stop_begin(&halt.stop, next);
    }
    halt.finish();
}

void shutdown_begin(void (*finish)(void))
{
    if (!shutdown_running())
        halt.finish = finish;
}
