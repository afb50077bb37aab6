/*
 * Running commands (run.h). Each program gets a job of its own inside ours, so that the interrupt key
 * ends it with everything it has started.
 */
#include "apps/sh/run.h"

#include <errno.h>
#include <fcntl.h>
#include <rugo/crash.h>
#include <rugo/ipc.h>
#include <rugo/proto_tty.h>
#include <rugo/spawn.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/sh/builtin.h"
#include "apps/sh/parse.h"

enum {
    STATUS_USAGE = 2,
    STATUS_CANNOT_RUN = 126,
    STATUS_NOT_FOUND = 127,
    STATUS_SIGNAL = 128,            /* plus the signal's number */
    SIGNAL_INTERRUPT = 2,
    EVENT_END = 1,
    EVENT_KEY = 2,
};

int last_status;
static bool has_terminal;
static handle_t port;               /* hears the interrupt key and the end of programs */

static const char *variable(const char *name)
{
    static char number[12];

    if (strcmp(name, "?") != 0)
        return getenv(name);
    snprintf(number, sizeof(number), "%d", last_status);
    return number;
}

void run_setup(bool terminal)
{
    port = sys_port_create();
    has_terminal = terminal && port >= 0 &&
                   sys_port_add(port, STDIN_FILENO, EV_USER0 | EV_HUP, EVENT_KEY) == 0;
}

/* ---- programs -------------------------------------------------------------------------------------- */

/* What every program inherits from us, and its own job. */
static size_t inherit(struct spawn_handle *out, handle_t job)
{
    static const uint32_t kinds[] = { START_NAMES, START_ROOT, START_ROOT_JOB, START_LOG,
                                      START_MACHINE };
    size_t n = 0;

    out[n++] = (struct spawn_handle){ START_JOB, job, RIGHT_SAME };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        handle_t h = start_handle(kinds[i]);

        if (h != HANDLE_NONE)
            out[n++] = (struct spawn_handle){ kinds[i], h, RIGHT_SAME };
    }
    return n;
}

/* Let the program have the terminal: lines, echo, and the interrupt key to us. */
static void lend_terminal(void)
{
    struct port_event stale[4];

    if (!has_terminal)
        return;
    (void)tty_watch(STDIN_FILENO, 1);
    (void)tty_set_mode(STDIN_FILENO, TTY_COOKED);
    while (sys_port_wait(port, stale, 4, 0) > 0)
        ;
}

/* Wait for the program's end, or end it when the interrupt key is pressed. True: it was. */
static bool await_end(handle_t proc, handle_t job)
{
    struct port_event event;
    bool interrupted = false;

    if (sys_port_add(port, proc, EV_EXITED, EVENT_END) != 0) {
        (void)process_wait(proc, NULL, TIMEOUT_NEVER);
        return false;
    }
    while (port_next(port, &event, TIMEOUT_NEVER) == 0 && event.token != EVENT_END) {
        if ((event.events & EV_USER0) == 0)
            continue;
        interrupted = true;
        (void)sys_process_kill(proc, SIGNAL_INTERRUPT);
        (void)sys_job_kill(job);
    }
    return interrupted;
}

/* Why a program could not be started; the status for that. */
static int tell_failure(const char *name, int st, const char *reason)
{
    if (st == -ENOENT && strchr(name, '/') == NULL) {
        fprintf(stderr, "sh: no such command: %s\n", name);
        return STATUS_NOT_FOUND;
    }
    fprintf(stderr, "sh: %s: %s\n", name, reason != NULL ? reason : strerror(-st));
    return st == -ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN;
}

static void tell_line(const char *text)
{
    fprintf(stderr, "%s\n", text);
}

/* If a fault has ended the program: what it was, and where. */
static void tell_crash(handle_t proc)
{
    struct symbols names;
    bool named = symbols_open(&names) == 0;

    (void)crash_describe(proc, NULL, named ? &names : NULL, tell_line);
    if (named)
        symbols_close(&names);
}

/* Start argv in a job with the descriptors and wait for it. False: interrupted. */
static bool run_in_job(char **argv, const int fds[3], handle_t job)
{
    struct spawn_handle handles[8];
    struct spawn_args args = { .job = job, .argv = argv, .handles = handles };
    int64_t status;
    handle_t proc;
    bool interrupted;
    int st;

    args.nhandles = inherit(handles, job);
    for (int i = 0; i < 3; i++)
        args.fds[i] = fds[i];
    st = spawn_path(&args, argv[0], &proc);
    if (st != 0) {
        last_status = tell_failure(argv[0], st, args.reason);
        return true;
    }
    interrupted = await_end(proc, job);
    status = sys_process_status(proc);
    if (status > 0 && WIFSIGNALED(status) && !interrupted)
        tell_crash(proc);
    (void)sys_handle_close(proc);
    if (status < 0)
        last_status = STATUS_CANNOT_RUN;
    else
        last_status = WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_SIGNAL + WTERMSIG(status);
    return !interrupted;
}

bool run_program(char **argv, const int fds[3])
{
    handle_t job = sys_job_create(start_handle(START_JOB));
    bool go_on;

    if (job < 0) {
        last_status = tell_failure(argv[0], job, NULL);
        return true;
    }
    lend_terminal();
    go_on = run_in_job(argv, fds, job);
    (void)sys_handle_close(job);
    return go_on;
}

/* ---- one command ----------------------------------------------------------------------------------- */

static int open_redirect(const struct redirect *r)
{
    static const int flags[] = {
        [REDIRECT_IN] = O_RDONLY,
        [REDIRECT_OUT] = O_WRONLY | O_CREAT | O_TRUNC,
        [REDIRECT_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
    };
    int vanishes, fd;
    char *path = word_expand(&r->target, variable, &vanishes);

    if (path == NULL)
        return -1;
    fd = open(path, flags[r->kind], 0644);
    if (fd < 0)
        fprintf(stderr, "sh: %s: %s\n", path, strerror(errno));
    free(path);
    return fd;
}

/* Open all files; fds are 0, 1, 2 or what replaces them. False, and said: one can't be opened. */
static bool open_redirects(const struct command *cmd, int fds[3])
{
    for (size_t i = 0; i < cmd->nredirects; i++) {
        int at = cmd->redirects[i].kind == REDIRECT_IN ? 0 : 1;
        int fd = open_redirect(&cmd->redirects[i]);

        if (fd < 0)
            return false;
        if (fds[at] > 2)
            close(fds[at]);
        fds[at] = fd;
    }
    return true;
}

static void free_words(char **argv)
{
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    free(argv);
}

/* The command's words as they are meant; NULL: out of memory. */
static char **expand_words(const struct command *cmd)
{
    char **argv = calloc(cmd->nwords + 1, sizeof(*argv));
    size_t n = 0;

    for (size_t i = 0; argv != NULL && i < cmd->nwords; i++) {
        int vanishes;
        char *word = word_expand(&cmd->words[i], variable, &vanishes);

        if (word == NULL) {
            free_words(argv);
            return NULL;
        }
        if (vanishes)
            free(word);
        else
            argv[n++] = word;
    }
    return argv;
}

/* NAME=VALUE alone sets a variable, which programs inherit. */
static bool assigns(char **argv)
{
    char *equals = argv[1] == NULL ? strchr(argv[0], '=') : NULL;

    if (equals == NULL || equals == argv[0] || strchr(argv[0], '/') != NULL)
        return false;
    *equals = '\0';
    last_status = setenv(argv[0], equals + 1, 1) == 0 ? 0 : 1;
    return true;
}

static bool run_words(char **argv, const int fds[3])
{
    bool go_on = true;

    last_status = argv[0] == NULL ? 0 : last_status;
    if (argv[0] != NULL && !assigns(argv) && !builtin_run(argv, fds, &go_on))
        go_on = run_program(argv, fds);
    return go_on;
}

static bool run_command(const struct command *cmd)
{
    int fds[3] = { 0, 1, 2 };
    char **argv = expand_words(cmd);
    bool go_on = true;

    if (argv == NULL) {
        fprintf(stderr, "sh: out of memory\n");
        last_status = 1;
    } else if (open_redirects(cmd, fds)) {
        go_on = run_words(argv, fds);
    } else {
        last_status = 1;
    }
    for (int i = 0; i < 3; i++) {
        if (fds[i] > 2)
            close(fds[i]);
    }
    if (argv != NULL)
        free_words(argv);
    return go_on;
}

bool run_text(const char *text)
{
    struct script script;
    const char *wrong = script_parse(text, &script);
    bool go_on = true;

    if (wrong != NULL) {
        fprintf(stderr, "sh: %s\n", wrong);
        last_status = STATUS_USAGE;
        return true;
    }
    for (size_t i = 0; go_on && i < script.ncommands; i++) {
        const struct command *cmd = &script.commands[i];

        if (cmd->nwords == 0 && cmd->nredirects == 0)
            continue;
        if (cmd->join == JOIN_ALWAYS || (cmd->join == JOIN_AND) == (last_status == 0))
            go_on = run_command(cmd);
    }
    script_free(&script);
    return go_on;
}
