/*
 * trace [-e NAMES] [-Z | --failed[=ERRORS]] PID | COMMAND ARGUMENTS...: the system calls of a process as they happen, on standard error: time since
 * the beginning, thread, call, result, how long it took. A call that has not returned for a while is shown with `...`
 * and once more when it has. Ends when the process does (with the status of a command), or by Ctrl-C; a process that
 * was traced by its number goes on. -e: only these calls and operations of protocols (`-e ipc_call,futex_wait`, `-e
 * file.open`, `-e '!vm_map'`); -Z or --failed: only what fails, perhaps with certain errors (`--failed=ENOENT`).
 */
#include "apps/trace/filter.h"
#include "apps/trace/show.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <rugo/spawn.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RECORDS = 1024,
    BATCH = 32,
    THREADS_MAX = 256, /* calls under way that are remembered */
    PATIENCE_NS = 200000000,
    TEXT_MAX = 512,
};

/* The call a thread is in. */
struct call {
    struct trace_record enter;
    bool used, shown;
};

static struct call calls[THREADS_MAX];
static uint64_t begin_ns;

static struct call *call_of(uint64_t thread)
{
    for (size_t i = 0; i < THREADS_MAX; i++)
        if (calls[i].used && calls[i].enter.thread == thread)
            return &calls[i];
    return NULL;
}

static struct call *new_call(void)
{
    for (size_t i = 0; i < THREADS_MAX; i++)
        if (!calls[i].used)
            return &calls[i];
    return NULL;
}

/* A line goes out as one piece: what is traced may be printing too. */
static void print(const struct trace_record *at, const char *call, const char *rest)
{
    static char line[2 * TEXT_MAX];
    uint64_t us = (at->time_ns - begin_ns) / 1000;

    snprintf(line, sizeof line, "%4lu.%06lu %6lu  %s%s\n", us / 1000000, us % 1000000, at->thread,
             call, rest);
    fputs(line, stderr);
}

static void on_enter(const struct trace_record *r)
{
    struct call *c = call_of(r->thread);

    if (c == NULL)
        c = new_call();
    if (c != NULL)
        *c = (struct call){ *r, true, false };
}

/* The beginning was shown already, or not seen because the call was under way when the trace began. */
static void show_end_only(const struct trace_record *r, const char *result)
{
    char call[TEXT_MAX], name[TEXT_MAX], rest[TEXT_MAX];

    show_call(r, call, sizeof call);
    snprintf(name, sizeof name, "... %.*s", (int)strcspn(call, "("), call);
    snprintf(rest, sizeof rest, " = %s", result);
    print(r, name, rest);
}

static void on_exit(const struct trace_record *r)
{
    struct call *c = call_of(r->thread);
    char call[TEXT_MAX], result[TEXT_MAX / 2], rest[TEXT_MAX];

    if (!filter_wants(c != NULL ? &c->enter : r) || !filter_wants_end(r)) {
        if (c != NULL)
            c->used = false;
        return;
    }
    show_result(r, result, sizeof result);
    if (c == NULL || c->shown) {
        show_end_only(r, result);
    } else {
        show_call(&c->enter, call, sizeof call);
        snprintf(rest, sizeof rest, " = %s  <%lu us>", result,
                 (r->time_ns - c->enter.time_ns) / 1000);
        print(&c->enter, call, rest);
    }
    if (c != NULL)
        c->used = false;
}

/* Calls that have not returned and were not shown yet. */
static void show_unfinished(const char *end)
{
    char call[TEXT_MAX];

    for (size_t i = 0; i < THREADS_MAX; i++)
        if (calls[i].used && !calls[i].shown && !filter_needs_end() &&
            filter_wants(&calls[i].enter)) {
            show_call(&calls[i].enter, call, sizeof call);
            print(&calls[i].enter, call, end);
            calls[i].shown = true;
        }
}

static int follow(handle_t trace)
{
    static struct trace_record records[BATCH];
    uint64_t lost = 0, told = 0;
    int64_t n;

    while ((n = sys_trace_read(trace, records, BATCH, &lost, PATIENCE_NS)) >= 0 ||
           n == -ETIMEDOUT || n == -EINTR) {
        for (int64_t i = 0; i < n; i++)
            (records[i].kind == TRACE_ENTER ? on_enter : on_exit)(&records[i]);
        if (n < 0)
            show_unfinished(" ...");
        if (lost > told)
            fprintf(stderr, "trace: %lu records were lost\n", lost - told);
        told = lost;
    }
    show_unfinished(" = ?");
    return n == -EPIPE ? 0 : (int)n;
}

/* ---- what is traced ---- */

static handle_t trace = HANDLE_NONE;

/* Before the first instruction of a command. */
static int begin(handle_t proc, void *arg)
{
    (void)arg;
    trace = sys_trace_create(proc, RECORDS, 0);
    return trace < 0 ? trace : 0;
}

static handle_t open_process(const char *word)
{
    handle_t job = start_need(START_ROOT_JOB, "the job handle");
    handle_t proc = sys_process_open(job, strtoul(word, NULL, 10), RIGHT_MANAGE | RIGHT_INSPECT);

    if (proc == -ENOENT)
        errx(1, "%s: no such process", word);
    return proc;
}

/* The command gets what we were given, and our descriptors. */
static handle_t start_command(char **argv)
{
    struct spawn_handle handles[SPAWN_HANDLE_MAX];
    struct spawn_args args = { .job = start_handle(START_JOB),
                               .argv = argv,
                               .handles = handles,
                               .fds = { 0, 1, 2 },
                               .ready = begin };
    const struct start_handle *table = start_table(&args.nhandles);
    handle_t proc;
    int st;

    for (size_t i = 0; i < args.nhandles; i++)
        handles[i] = (struct spawn_handle){ table[i].kind, table[i].handle, RIGHT_SAME };
    st = spawn_path(&args, argv[0], &proc);
    if (st == -ENOENT)
        errx(127, "%s: no such command", argv[0]);
    if (st != 0)
        errx(126, "%s: %s", argv[0], args.reason != NULL ? args.reason : strerror(-st));
    return proc;
}

static int status_of(handle_t proc)
{
    int status = 0;

    (void)process_wait(proc, &status, TIMEOUT_NEVER);
    if (WIFSIGNALED(status))
        fprintf(stderr, "trace: the command was ended by signal %u\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const char usage[] =
    "usage: trace [-e NAMES] [-Z | --failed[=ERRORS]] PID | COMMAND ARGUMENTS...";

/* --failed, --failed=ERRORS: the one long option. False: this word is not it. */
static bool read_failed(char *word)
{
    const char *unknown;

    if (word == NULL || strncmp(word, "--failed", 8) != 0 || (word[8] != '\0' && word[8] != '='))
        return false;
    unknown = filter_errors(word[8] == '=' ? word + 9 : NULL);
    if (unknown != NULL)
        errx(2, "%s: no such error", unknown);
    return true;
}

static void read_options(int argc, char **argv)
{
    const char *unknown = NULL;
    int option = 0;

    while (option != -1) {
        if (read_failed(argv[optind])) {
            optind++;
            continue;
        }
        option = getopt(argc, argv, "e:Z");
        if (option == '?')
            errx(2, "%s", usage);
        if (option == 'e')
            unknown = filter_names(optarg);
        else if (option == 'Z')
            (void)filter_errors(NULL);
        if (unknown != NULL)
            errx(2, "%s: neither a system call nor an operation of a protocol", unknown);
    }
}

int main(int argc, char **argv)
{
    bool command;
    handle_t proc;
    int st;

    read_options(argc, argv);
    argv += optind - 1;
    argc -= optind - 1;
    command = argc > 1 && argv[1][strspn(argv[1], "0123456789")] != '\0';
    if (argc < 2 || argv[1][0] == '\0' || (!command && argc > 2))
        errx(2, "%s", usage);
    begin_ns = (uint64_t)sys_time_now(CLOCK_MONOTONIC);
    proc = command ? start_command(argv + 1) : open_process(argv[1]);
    st = proc < 0 ? proc : command ? 0 : begin(proc, NULL);
    if (st == 0)
        st = follow(trace);
    if (st != 0) {
        errno = -st;
        err(1, "%s", argv[1]);
    }
    return command ? status_of(proc) : 0;
}
