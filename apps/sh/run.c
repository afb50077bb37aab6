/*
 * Running commands (run.h). The programs of a pipe get a job of their own inside ours, so that the
 * interrupt key reaches them with everything they have started: SIGINT, which ends them unless they
 * handle it.
 */
#include "apps/sh/run.h"

#include <errno.h>
#include <fcntl.h>
#include <rugo/crash.h>
#include <rugo/ipc.h>
#include <rugo/processes.h>
#include <rugo/proto_tty.h>
#include <rugo/spawn.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <signal.h>
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
    ROUNDS_MAX =
        8, /* looks for processes that were made while others were told of the interrupt key */
    EVENT_END = 1,
    EVENT_KEY = 2,
};

int last_status;
static bool has_terminal;
static handle_t port;               /* hears the interrupt key and the end of programs */

/* A command of a pipe on its way to become a program. */
struct stage {
    char **argv; /* NULL: nothing is to be started */
    int fds[3];
    handle_t proc; /* HANDLE_NONE: not started */
    int status;    /* as $?; when it was not started, why */
};

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
    while (sys_port_wait(port, stale, 4, 0) > 0)
        ; /* of the program before; from now on the key is for this one, also before it runs */
    (void)tty_watch(STDIN_FILENO, 1);
    (void)tty_set_mode(STDIN_FILENO, TTY_COOKED);
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

/* Start the program of a stage in a job; if that fails it is said, and the stage has its status. */
static void start_stage(struct stage *s, handle_t job)
{
    struct spawn_handle handles[8];
    struct spawn_args args = { .job = job, .argv = s->argv, .handles = handles };
    int st;

    args.nhandles = inherit(handles, job);
    for (int i = 0; i < 3; i++)
        args.fds[i] = s->fds[i];
    st = spawn_path(&args, s->argv[0], &s->proc);
    if (st == 0)
        return;
    s->proc = HANDLE_NONE;
    s->status = tell_failure(s->argv[0], st, args.reason);
}

/* The status of a stage whose program has ended; a crash is told, and the handle goes. True: SIGINT has ended it. */
static bool end_stage(struct stage *s)
{
    int64_t status;

    if (s->proc == HANDLE_NONE)
        return false;
    status = sys_process_status(s->proc);
    if (status > 0 && WIFSIGNALED(status))
        tell_crash(s->proc);
    (void)sys_handle_close(s->proc);
    if (status < 0)
        s->status = STATUS_CANNOT_RUN;
    else
        s->status = WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_SIGNAL + WTERMSIG(status);
    return s->status == STATUS_SIGNAL + SIGINT;
}

/* Descriptors that replace 0, 1 and 2; who reads from a pipe sees its end only when nobody else can write. */
static void close_replaced(int fds[3])
{
    for (int i = 0; i < 3; i++) {
        if (fds[i] > 2)
            close(fds[i]);
        fds[i] = i;
    }
}

static void interrupt_process(handle_t job, uint64_t pid)
{
    handle_t proc = sys_process_open(job, pid, RIGHT_MANAGE);

    if (proc < 0)
        return;
    (void)sys_process_upcall(proc, SIGINT);
    (void)sys_handle_close(proc);
}

/*
 * The interrupt key, for all programs of a job, also for those that are made meanwhile: later ones have higher numbers.
 * When it can't be told who they are, they end.
 */
static void interrupt_job(handle_t job)
{
    uint64_t told = 0, *pids;
    bool more = true;

    for (int round = 0; more && round < ROUNDS_MAX; round++) {
        int64_t n = job_pids(job, &pids);

        if (n < 0) {
            (void)sys_job_kill(job);
            return;
        }
        more = n > 0 && pids[n - 1] > told;
        for (int64_t i = 0; i < n; i++)
            if (pids[i] > told)
                interrupt_process(job, pids[i]);
        told = more ? pids[n - 1] : told;
        free(pids);
    }
}

/* Wait for the end of n programs; the interrupt key goes to them. True: it was pressed. */
static bool await_ends(const struct stage *s, size_t n, handle_t job)
{
    struct port_event event;
    bool interrupted = false;
    size_t running = 0;
    int status;

    for (size_t i = 0; i < n; i++) {
        if (s[i].proc == HANDLE_NONE)
            continue;
        if (sys_port_add(port, s[i].proc, EV_EXITED, EVENT_END) == 0)
            running++;
        else
            (void)process_wait(s[i].proc, &status, TIMEOUT_NEVER);
    }
    while (running > 0 && port_next(port, &event, TIMEOUT_NEVER) == 0) {
        running -= event.token == EVENT_END;
        if (event.token == EVENT_END || (event.events & EV_USER0) == 0)
            continue;
        interrupted = true;
        interrupt_job(job);
    }
    return interrupted;
}

/*
 * Run the programs of n stages at the same time, those that have words; wait for all of them. $? is
 * that of the last stage. Their descriptors are closed here. False: the interrupt key has ended one of them.
 */
static bool run_stages(struct stage *s, size_t n)
{
    handle_t job = sys_job_create(start_handle(START_JOB));
    bool pressed, ended = false;

    if (job >= 0)
        lend_terminal();
    for (size_t i = 0; i < n; i++) {
        s[i].proc = HANDLE_NONE;
        if (s[i].argv != NULL && job < 0)
            s[i].status = tell_failure(s[i].argv[0], job, NULL);
        else if (s[i].argv != NULL)
            start_stage(&s[i], job);
        close_replaced(s[i].fds);
    }
    pressed = await_ends(s, n, job);
    for (size_t i = 0; i < n; i++)
        ended |= end_stage(&s[i]);
    if (pressed && ended) /* what they have started goes with them */
        (void)sys_job_kill(job);
    if (job >= 0)
        (void)sys_handle_close(job);
    last_status = s[n - 1].status;
    return !(pressed && ended);
}

bool run_program(char **argv, int fds[3])
{
    struct stage s = { .argv = argv, .fds = { fds[0], fds[1], fds[2] } };

    for (int i = 0; i < 3; i++)
        fds[i] = i; /* closed there */
    return run_stages(&s, 1);
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

bool run_words(char **argv, int fds[3])
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
    close_replaced(fds);
    if (argv != NULL)
        free_words(argv);
    return go_on;
}

/* ---- pipes ------------------------------------------------------------------------------------------- */

/*
 * What only the shell itself can do is done by another shell (`sh -w WORDS`) inside a pipe: it runs
 * beside the others, and changes nothing here. NULL: out of memory; argv stays then.
 */
static char **as_program(char **argv)
{
    size_t n = 0;
    char **longer;

    if (!builtin_known(argv[0]) && strchr(argv[0], '=') == NULL)
        return argv;
    while (argv[n] != NULL)
        n++;
    longer = calloc(n + 3, sizeof(*longer));
    if (longer == NULL)
        return NULL;
    longer[0] = strdup("sh");
    longer[1] = strdup("-w");
    if (longer[0] == NULL || longer[1] == NULL) {
        free_words(longer);
        return NULL;
    }
    memcpy(longer + 2, argv, n * sizeof(*argv));
    free(argv);
    return longer;
}

/* Words and redirections of a stage; on failure it stays without words, and has a status. */
static void prepare_stage(const struct command *cmd, struct stage *s)
{
    char **argv = expand_words(cmd), **program = NULL;

    if (argv != NULL && argv[0] != NULL)
        program = as_program(argv);
    if (argv == NULL || (argv[0] != NULL && program == NULL))
        fprintf(stderr, "sh: out of memory\n");
    s->status = argv == NULL || (argv[0] != NULL && program == NULL) ? 1 : 0;
    if (!open_redirects(cmd, s->fds))
        s->status = 1;
    if (program != NULL && s->status == 0)
        s->argv = program;
    else if (program != NULL)
        free_words(program);
    else if (argv != NULL)
        free_words(argv);
}

/* A pipe between each two neighbours. False: there are no more. */
static bool connect_stages(struct stage *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int ends[2];

        memcpy(s[i].fds, (const int[3]){ 0, 1, 2 }, sizeof(s[i].fds));
        if (i == 0)
            continue;
        if (pipe(ends) != 0) {
            fprintf(stderr, "sh: pipe: %s\n", strerror(errno));
            return false;
        }
        s[i - 1].fds[1] = ends[1];
        s[i].fds[0] = ends[0];
    }
    return true;
}

static bool run_pipe(const struct command *cmds, size_t n)
{
    struct stage *s = calloc(n, sizeof(*s));
    bool go_on = true;

    if (s == NULL) {
        fprintf(stderr, "sh: out of memory\n");
        last_status = 1;
        return true;
    }
    if (connect_stages(s, n)) {
        for (size_t i = 0; i < n; i++)
            prepare_stage(&cmds[i], &s[i]);
        go_on = run_stages(s, n);
    } else {
        last_status = 1;
    }
    for (size_t i = 0; i < n; i++) {
        close_replaced(s[i].fds);
        if (s[i].argv != NULL)
            free_words(s[i].argv);
    }
    free(s);
    return go_on;
}

/* Commands from the first one on that are joined by pipes. */
static size_t pipe_length(const struct command *cmds, size_t n)
{
    size_t length = 1;

    while (length < n && cmds[length].join == JOIN_PIPE)
        length++;
    return length;
}

bool run_text(const char *text)
{
    struct script script;
    const char *wrong = script_parse(text, &script);
    bool go_on = true;
    size_t length;

    if (wrong != NULL) {
        fprintf(stderr, "sh: %s\n", wrong);
        last_status = STATUS_USAGE;
        return true;
    }
    for (size_t i = 0; go_on && i < script.ncommands; i += length) {
        const struct command *cmd = &script.commands[i];

        length = pipe_length(cmd, script.ncommands - i);
        if (cmd->nwords == 0 && cmd->nredirects == 0)
            continue;
        if (cmd->join == JOIN_ALWAYS || (cmd->join == JOIN_AND) == (last_status == 0))
            go_on = length > 1 ? run_pipe(cmd, length) : run_command(cmd);
    }
    script_free(&script);
    return go_on;
}
