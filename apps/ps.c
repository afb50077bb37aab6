/*
 * ps [-t] [-aef] [PID...]: the processes of the system. MEM is private memory touched, in KiB; JOB is the number of
 * its job (`limits`), and what is charged to that, in KiB; CPU is time used.
 * -t shows their threads: what each waits for, and for how long. -a, -e, -f are taken and change nothing: all is shown.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <rugo/look.h>
#include <rugo/start.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *state_name(uint32_t state)
{
    static const char *const names[] = { "new", "run", "dying", "dead" };

    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

static void print_process(const struct look *l, const struct process_info *p)
{
    const struct look_job *job = look_job(l, p->job);

    printf("%5lu %5lu %-5s %7u %7u %8lu %5lu %8lu %5lu.%03lu %.*s\n", p->pid, p->ppid,
           state_name(p->state), p->threads, p->handles, p->pages * (PAGE_SIZE / 1024), p->job,
           job != NULL ? job->info.used[JOB_MEMORY] / 1024 : 0, p->cpu_ns / 1000000000,
           p->cpu_ns / 1000000 % 1000, NAME_LEN, (const char *)p->name);
}

static void print_thread(const struct look *l, const struct thread_info *t)
{
    uint64_t since = l->now_ns > t->since_ns ? l->now_ns - t->since_ns : 0;
    char call[128];

    look_call(t, call, sizeof call);
    printf("      thread %-6lu on %u prio %-2u cpu %lu.%03lu s, for %lu.%03lu s: %s\n", t->id,
           t->cpu, t->priority, t->cpu_ns / 1000000000, t->cpu_ns / 1000000 % 1000,
           since / 1000000000, since / 1000000 % 1000, call);
}

static void print(const struct look *l, const struct look_process *p)
{
    print_process(l, &p->info);
    for (size_t i = 0; i < p->nthreads; i++)
        print_thread(l, &p->threads[i]);
}

/* The processes asked for; 1 if one of them is not there. */
static int print_some(const struct look *l, char **words)
{
    int failed = 0;

    for (; *words != NULL; words++) {
        char *end;
        unsigned long pid = strtoul(*words, &end, 10);
        const struct look_process *p = look_process(l, pid);

        if (!isdigit((unsigned char)**words) || *end != '\0' || p == NULL) {
            warnx("%s: no such process", *words);
            failed = 1;
        } else {
            print(l, p);
        }
    }
    return failed;
}

int main(int argc, char **argv)
{
    unsigned what = LOOK_JOBS;
    handle_t job;
    struct look l;
    int option, st;

    while ((option = getopt(argc, argv, "taef")) != -1) {
        if (option == '?')
            errx(2, "usage: ps [-t] [-aef] [PID...]");
        what |= option == 't' ? LOOK_THREADS : 0;
    }
    job = start_need(START_ROOT_JOB, "the job handle");
    st = look_take(job, what, &l);
    if (st != 0) {
        errno = -st;
        err(1, "the job's list");
    }
    puts("  PID  PPID STATE THREADS HANDLES  MEM/KIB   JOB  JOB/KIB     CPU/S NAME");
    if (argv[optind] != NULL)
        return print_some(&l, argv + optind);
    for (size_t i = 0; i < l.n; i++)
        print(&l, &l.processes[i]);
    return 0;
}
