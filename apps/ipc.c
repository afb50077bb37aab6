/*
 * ipc: who waits for whom. A line for each thread that awaits an answer: its call, at which endpoint, since when, and
 * whether the message was received. Processes that wait for each other in a circle are named at the end; the exit
 * status is 3 then.
 */
#include <err.h>
#include <errno.h>
#include <rugo/look.h>
#include <rugo/start.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STATUS_CIRCLE = 3 };

static const char *place_name(uint32_t place)
{
    return place == PLACE_QUEUED ? "queued" : place == PLACE_RECEIVED ? "received" : "?";
}

static void print_wait(const struct look *l, const struct look_process *p,
                       const struct thread_info *t)
{
    const struct look_process *server = look_server(l, t->endpoint);
    uint64_t ns = l->now_ns > t->since_ns ? l->now_ns - t->since_ns : 0;

    printf("%5lu %-12s %6lu -> %5lu %-12s %8lu %-8s %5lu.%03lu\n", p->info.pid,
           (const char *)p->info.name, t->id, server != NULL ? server->info.pid : 0,
           server != NULL ? (const char *)server->info.name : "?", t->endpoint,
           place_name(t->place), ns / 1000000000, ns / 1000000 % 1000);
}

/*
 * The process that p waits for: all of its threads must await answers, or it can still go on; of its servers the
 * first. NULL: it can go on.
 */
static const struct look_process *waits_for(const struct look *l, const struct look_process *p)
{
    const struct look_process *server = NULL;

    for (size_t i = 0; i < p->nthreads; i++) {
        if (p->threads[i].place == PLACE_NONE)
            return NULL;
        if (server == NULL)
            server = look_server(l, p->threads[i].endpoint);
    }
    return server;
}

/* Whether following who waits for whom leads from p back to it. */
static bool in_circle(const struct look *l, const struct look_process *p)
{
    const struct look_process *at = waits_for(l, p);

    for (size_t steps = 0; at != NULL && at != p && steps < l->n; steps++)
        at = waits_for(l, at);
    return at == p;
}

/* Each circle is printed once, from its lowest pid. */
static bool print_circle(const struct look *l, const struct look_process *p)
{
    const struct look_process *at;

    if (!in_circle(l, p))
        return false;
    for (at = waits_for(l, p); at != p; at = waits_for(l, at))
        if (at->info.pid < p->info.pid)
            return true;
    printf("CIRCLE: %lu %s", p->info.pid, (const char *)p->info.name);
    do {
        at = waits_for(l, at);
        printf(" -> %lu %s", at->info.pid, (const char *)at->info.name);
    } while (at != p);
    putchar('\n');
    return true;
}

int main(int argc, char **argv)
{
    bool circles = false;
    handle_t job;
    struct look l;
    int st;

    (void)argv;
    if (argc > 1)
        errx(2, "usage: ipc");
    job = start_need(START_ROOT_JOB, "the job handle");
    st = look_take(job, LOOK_THREADS | LOOK_HANDLES, &l);
    if (st != 0) {
        errno = -st;
        err(1, "the job's list");
    }
    puts("  PID NAME         THREAD      PID SERVER       ENDPOINT MESSAGE     FOR/S");
    for (size_t i = 0; i < l.n; i++)
        for (size_t k = 0; k < l.processes[i].nthreads; k++)
            if (l.processes[i].threads[k].place != PLACE_NONE)
                print_wait(&l, &l.processes[i], &l.processes[i].threads[k]);
    for (size_t i = 0; i < l.n; i++)
        circles |= print_circle(&l, &l.processes[i]);
    return circles ? STATUS_CIRCLE : 0;
}
