/*
 * top [-d SECONDS] [-n TIMES]: the processes that use the processors, most first, again and again. q ends it. CPU/% is
 * of one processor, since the last look (the first: since the process was made). MEM is the private memory of the
 * process, JOB all that is charged to its job. -n and a standard output that is no
 * terminal print one picture below the other.
 */
#include <err.h>
#include <errno.h>
#include <rugo/look.h>
#include <rugo/proto_tty.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <rugo/thread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROWS = 20, FRACTION = 1000 };

struct row {
    const struct look_process *p;
    const struct look_job *job; /* NULL: it has gone meanwhile */
    uint64_t share; /* of one processor, in thousandths */
};

static bool on_terminal;

static const char *end_of_line(void)
{
    return on_terminal ? "\033[K\n" : "\n";
}

static uint64_t share_of(const struct look *before, const struct look *now,
                         const struct look_process *p)
{
    const struct look_process *old = look_process(before, p->info.pid);
    uint64_t used = p->info.cpu_ns - (old != NULL ? old->info.cpu_ns : 0);
    uint64_t since = old != NULL ? before->now_ns : p->info.start_ns;
    uint64_t span = now->now_ns > since ? now->now_ns - since : 1;

    return used * FRACTION / span;
}

static int by_share(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->share != y->share)
        return x->share < y->share ? 1 : -1;
    return x->p->info.pid < y->p->info.pid ? -1 : 1;
}

static void print_head(handle_t machine, const struct look *l)
{
    struct machine_info m;
    int st = sys_machine_info(machine, &m);
    uint64_t all = m.uptime_ns * m.cpus;

    if (st != 0) {
        errno = -st;
        err(1, "machine");
    }
    printf(
        "up %lu s, %u processors, idle %lu%% since the start, %lu processes, %lu threads, memory %lu of %lu KiB used%s",
        m.uptime_ns / 1000000000, m.cpus, all > 0 ? m.idle_ns * 100 / all : 0, l->n, m.threads,
        (m.total_pages - m.free_pages) * (PAGE_SIZE / 1024), m.total_pages * (PAGE_SIZE / 1024),
        end_of_line());
    printf("  PID THREADS  CPU/%%     CPU/S  MEM/KIB  JOB/KIB NAME%s", end_of_line());
}

static void print_row(const struct row *r)
{
    const struct process_info *p = &r->p->info;
    uint64_t job = r->job != NULL ? r->job->info.used[JOB_MEMORY] : 0;

    printf("%5lu %7u %4lu.%lu %5lu.%03lu %8lu %8lu %.*s%s", p->pid, p->threads,
           r->share * 100 / FRACTION, r->share % (FRACTION / 100), p->cpu_ns / 1000000000,
           p->cpu_ns / 1000000 % 1000, p->pages * (PAGE_SIZE / 1024), job / 1024, NAME_LEN,
           (const char *)p->name, end_of_line());
}

static void print(handle_t machine, const struct look *before, const struct look *now)
{
    struct row *rows = calloc(now->n + 1, sizeof *rows);

    if (rows == NULL)
        errx(1, "out of memory");
    for (size_t i = 0; i < now->n; i++)
        rows[i] = (struct row){ &now->processes[i], look_job(now, now->processes[i].info.job),
                                share_of(before, now, &now->processes[i]) };
    qsort(rows, now->n, sizeof *rows, by_share);
    if (on_terminal)
        printf("\033[H");
    print_head(machine, now);
    for (size_t i = 0; i < now->n && (!on_terminal || i < ROWS); i++)
        print_row(&rows[i]);
    if (on_terminal)
        printf("\033[J");
    fflush(stdout);
    free(rows);
}

/* Ends the program when q is typed; the shell ends it for Ctrl-C. */
static int wait_for_q(void *arg)
{
    char key;

    (void)arg;
    while (read(STDIN_FILENO, &key, 1) == 1)
        if (key == 'q' || key == 'Q')
            break;
    (void)tty_set_mode(STDIN_FILENO, TTY_COOKED);
    sys_process_exit(0);
}

static unsigned long number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || n == 0 || n > 1000000)
        errx(2, "%s: not a number of 1 or more", text);
    return n;
}

int main(int argc, char **argv)
{
    unsigned long seconds = 2, times = 0;
    handle_t job, machine;
    struct look before = { 0 }, now;
    struct thread keys;
    int option, st;

    while ((option = getopt(argc, argv, "d:n:")) != -1) {
        if (option == '?')
            errx(2, "usage: top [-d SECONDS] [-n TIMES]");
        *(option == 'd' ? &seconds : &times) = number(optarg);
    }
    if (optind < argc)
        errx(2, "usage: top [-d SECONDS] [-n TIMES]");
    job = start_need(START_ROOT_JOB, "the job handle");
    machine = start_need(START_MACHINE, "the machine handle");
    on_terminal = times == 0 && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
    if (on_terminal && tty_set_mode(STDIN_FILENO, TTY_RAW) == 0) {
        printf("\033[2J");
        (void)thread_start(&keys, wait_for_q, NULL, 0);
    }
    for (unsigned long done = 0; times == 0 || done < times; done++) {
        if (done > 0)
            (void)sleep((unsigned)seconds);
        st = look_take(job, LOOK_JOBS, &now);
        if (st != 0) {
            errno = -st;
            err(1, "the job's list");
        }
        print(machine, &before, &now);
        look_free(&before);
        before = now;
    }
    return 0;
}
