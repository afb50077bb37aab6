/*
 * limits [PID|jNUMBER] | limits [-i] PID|jNUMBER KIND=AMOUNT...: what jobs use and may use. Without operands all jobs as a
 * tree, one line each: used/limit of each kind, and the processes in it. With a job, or the process whose job is meant: used,
 * the most there was, limit, and the limit that jobs made inside start with. KIND=AMOUNT sets a limit, with -i that of jobs made
 * inside; amounts as in service files (64M, 50%, none).
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <rugo/job_limits.h>
#include <rugo/look.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 48 };

static handle_t top; /* the job of everything */

/* Memory in KiB, other kinds as they are; what is unlimited as "-". */
static void amount_text(uint32_t kind, uint64_t value, char *text, size_t size)
{
    if (value == JOB_UNLIMITED)
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%lu", kind == JOB_MEMORY ? value / 1024 : value);
}

/* ---- all jobs ---- */

static void print_names(const struct look *l, uint64_t job)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->processes[i].info.job == job)
            printf(" %lu:%.*s", l->processes[i].info.pid, NAME_LEN,
                   (const char *)l->processes[i].info.name);
}

static void print_line(const struct look *l, const struct look_job *j)
{
    char name[TEXT_MAX], used[TEXT_MAX / 2], limit[TEXT_MAX / 2], both[TEXT_MAX];
    uint32_t indent = j->record.depth - l->jobs[0].record.depth;

    snprintf(name, sizeof name, "%*sj%lu", (int)(2 * indent), "", j->record.number);
    printf("%-14s", name);
    for (uint32_t kind = 0; kind < JOB_KINDS; kind++) {
        amount_text(kind, j->info.used[kind], used, sizeof used);
        amount_text(kind, j->info.limit[kind], limit, sizeof limit);
        snprintf(both, sizeof both, "%s/%s", used, limit);
        printf(" %*s", kind == JOB_MEMORY ? 15 : 11, both);
    }
    if (j->record.killed)
        printf(" killed");
    print_names(l, j->record.number);
    putchar('\n');
}

/* A job and, behind it, those in it. */
static void print_tree(const struct look *l, const struct look_job *j)
{
    print_line(l, j);
    for (size_t i = 0; i < l->njobs; i++)
        if (l->jobs[i].record.parent == j->record.number)
            print_tree(l, &l->jobs[i]);
}

static void print_all(void)
{
    struct look l;
    int st = look_take(top, LOOK_JOBS, &l);

    if (st != 0) {
        errno = -st;
        err(1, "the jobs");
    }
    printf("%-14s %15s", "JOB", "MEMORY/KIB");
    for (uint32_t kind = 1; kind < JOB_KINDS; kind++) {
        printf(" %*s", 11 - (int)strlen(job_kind_names[kind]), "");
        for (const char *at = job_kind_names[kind]; *at != '\0'; at++)
            putchar(toupper((unsigned char)*at));
    }
    puts(" IN IT");
    if (l.njobs > 0)
        print_tree(&l, &l.jobs[0]);
    look_free(&l);
}

/* ---- one job ---- */

static void fail(const char *word, int64_t st)
{
    if (st == -ENOENT)
        errx(1, "%s: no such %s", word, word[0] == 'j' ? "job" : "process");
    errno = (int)-st;
    err(1, "%s", word);
}

/* The number of the job that is meant: jNUMBER, or that of a process. */
static uint64_t job_of(const char *word)
{
    const char *digits = word[0] == 'j' ? word + 1 : word;
    char *end;
    unsigned long number = strtoul(digits, &end, 10);
    struct process_info info = { 0 };
    handle_t proc;

    if (!isdigit((unsigned char)*digits) || *end != '\0')
        errx(2, "%s: neither a process number nor a job (j and its number)", word);
    if (word[0] == 'j')
        return number;
    proc = sys_process_open(top, number, RIGHT_INSPECT);
    if (proc < 0)
        fail(word, proc);
    (void)sys_process_info(proc, &info);
    (void)sys_handle_close(proc);
    return info.job;
}

static handle_t open_job(const char *word, uint64_t number, uint32_t rights)
{
    handle_t job = sys_job_open(top, number, rights);

    if (job < 0)
        fail(word, job);
    return job;
}

static void print_one(const char *word)
{
    uint64_t number = job_of(word);
    struct job_info info;
    int st = sys_job_info(open_job(word, number, RIGHT_INSPECT), &info);

    if (st != 0)
        fail(word, st);
    printf("j%lu: %lu processes, %u jobs around it%s\n", number, info.processes, info.depth,
           info.killed ? ", killed" : "");
    printf("%-12s %12s %12s %12s %12s\n", "KIND", "USED", "PEAK", "LIMIT", "INNER");
    for (uint32_t kind = 0; kind < JOB_KINDS; kind++) {
        const uint64_t values[] = { info.used[kind], info.peak[kind], info.limit[kind],
                                    info.inner[kind] };

        printf("%-12s", kind == JOB_MEMORY ? "memory/KiB" : job_kind_names[kind]);
        for (int i = 0; i < 4; i++) {
            char text[TEXT_MAX];

            amount_text(kind, values[i], text, sizeof text);
            printf(" %12s", text);
        }
        putchar('\n');
    }
}

/* ---- setting ---- */

struct setting {
    uint32_t kind;
    uint64_t amount;
};

/* "KIND=AMOUNT"; whoever has written something else is told. */
static struct setting read_setting(char *word, uint64_t memory)
{
    struct setting s = { .kind = JOB_KINDS };
    char *equals = strchr(word, '=');

    if (equals != NULL) {
        *equals = '\0';
        s.kind = job_kind_find(word);
        *equals = '=';
    }
    if (s.kind == JOB_KINDS || !job_amount_read(equals + 1, s.kind, memory, &s.amount))
        errx(2, "%s: not KIND=AMOUNT (%s, …; 100, 64M, 50%%, none)", word, job_kind_names[0]);
    return s;
}

static uint64_t machine_bytes(void)
{
    struct machine_info m;

    return sys_machine_info(start_handle(START_MACHINE), &m) == 0 ? m.total_pages * PAGE_SIZE : 0;
}

/* All words are read before the first limit is set. */
static void set_limits(const char *word, char **words, int n, uint32_t flag)
{
    struct setting settings[JOB_KINDS];
    uint64_t memory = machine_bytes();
    handle_t job;

    if (n > JOB_KINDS)
        errx(2, "more limits than there are kinds");
    for (int i = 0; i < n; i++)
        settings[i] = read_setting(words[i], memory);
    job = open_job(word, job_of(word), RIGHT_MANAGE);
    for (int i = 0; i < n; i++) {
        int st = sys_job_limit(job, settings[i].kind | flag, settings[i].amount);

        if (st == -EPERM)
            errx(1, "%s: %s: nobody can raise a limit of a job he lives in", word, words[i]);
        if (st != 0)
            fail(word, st);
    }
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: limits [PID|jNUMBER] | limits [-i] PID|jNUMBER KIND=AMOUNT...";
    uint32_t flag = 0;
    int option;

    while ((option = getopt(argc, argv, "i")) != -1) {
        if (option == '?')
            errx(2, "%s", usage);
        flag = JOB_LIMIT_INNER;
    }
    argv += optind;
    argc -= optind;
    if (argc < 2 && flag != 0)
        errx(2, "%s", usage);
    top = start_need(START_ROOT_JOB, "the job handle");
    if (argc == 0)
        print_all();
    else if (argc == 1)
        print_one(argv[0]);
    else
        set_limits(argv[0], argv + 1, argc - 1, flag);
    return 0;
}
