/*
 * The `spawn` operation. Loading a program means asking fsd, which may be slow or dead; so it is
 * done in a thread, while svcman itself goes on to do what a dead fsd needs.
 */
#include <errno.h>
#include <rugo/file.h>
#include <rugo/ipc.h>
#include <rugo/proto_service.h>
#include <rugo/proto_svcman.h>
#include <rugo/spawn.h>
#include <rugo/syscall.h>
#include <rugo/thread.h>
#include <stdlib.h>
#include <string.h>

#include "services/svcman/svcman.h"

enum {
    LOADERS = 4,                        /* spawns at the same time */
    ARGS_BYTES = 64 * 1024,
    WORDS_MAX = 1024,                   /* arguments and environment together */
};

/* One spawn under way. Everything in it belongs to its thread until `done`. */
struct loader {
    struct thread thread;
    bool used;
    uint32_t begun; /* BEGUN_, told by the thread; main waits for it */
    volatile bool done;
    uint64_t token;
    handle_t job;                       /* made for the program */
    handle_t names, root;               /* sessions for it */
    handle_t fds[3];
    uint32_t priority;                  /* the client's */
    char path[PROTO_STRING_MAX + 1];
    char *args;                         /* as the client sent them, terminated */
    size_t args_len;
};

/* Whether the thread can answer the client, and so does. */
enum { BEGUN_NOT_YET, BEGUN_WELL, BEGUN_BADLY };

static struct loader loaders[LOADERS];

/* Split NUL-terminated strings up to an empty one into words; where the next list begins. */
static char *split(char *at, const char *end, char **words, size_t *n, size_t max)
{
    *n = 0;
    while (at < end && *at != '\0' && *n < max) {
        words[(*n)++] = at;
        at += strlen(at) + 1;
    }
    words[*n] = NULL;
    return at < end ? at + 1 : at;
}

/* Before its first instruction: what it has from its maker is svcman's. */
static int set_priority(handle_t proc, void *arg)
{
    const struct loader *l = arg;

    return sys_process_set_priority(proc, l->priority);
}

static int load(struct loader *l, handle_t *proc)
{
    static const uint32_t machine_rights = RIGHT_INSPECT | RIGHT_DUP | RIGHT_TRANSFER;
    struct spawn_handle handles[] = {
        { START_NAMES, l->names, RIGHT_SAME },
        { START_JOB, l->job, RIGHT_SAME },
        { START_MACHINE, svcman.machine, machine_rights },
        { START_ROOT, l->root, RIGHT_SAME },
    };
    char **words = malloc((WORDS_MAX + 2) * sizeof(*words));
    char *end = l->args + l->args_len;
    struct spawn_args args = {
        .job = l->job, .handles = handles, .ready = set_priority, .ready_arg = l
    };
    size_t nargs, nenv;
    int st;

    if (words == NULL)
        return -ENOMEM;
    char *env = split(l->args, end, words, &nargs, WORDS_MAX);
    (void)split(env, end, words + nargs + 1, &nenv, WORDS_MAX - nargs);
    args.argv = words;
    args.envp = words + nargs + 1;
    args.nhandles = l->root != HANDLE_NONE ? 4 : 3;
    memcpy(args.fds, l->fds, sizeof(args.fds));
    st = nargs > 0 ? spawn_path(&args, l->path, proc) : -EINVAL;
    free(words);
    return st;
}

/* True: the thread has the buffer that it will need for the answer. */
static bool begin(struct loader *l)
{
    bool well = ipc_buffer_make() == 0;

    __atomic_store_n(&l->begun, well ? BEGUN_WELL : BEGUN_BADLY, __ATOMIC_RELEASE);
    (void)sys_futex_wake((uintptr_t)&l->begun, 1, 0);
    return well;
}

static int loader_main(void *arg)
{
    struct loader *l = arg;
    handle_t proc = HANDLE_NONE, given = HANDLE_NONE;
    struct ipc_msg *msg;
    int st;

    if (!begin(l))
        return 0;
    st = load(l, &proc);
    if (st == 0) {
        given = sys_handle_dup(
            proc, RIGHT_WAIT | RIGHT_INSPECT | RIGHT_MANAGE | RIGHT_DUP | RIGHT_TRANSFER, 0, 0);
        st = given < 0 ? given : 0;
        (void)sys_handle_close(proc);
    }
    msg = ipc_buffer();
    svcman_spawn_answer(msg, st, given);
    if (sys_ipc_reply(svcman.endpoint, l->token) != 0 && given >= 0)
        (void)sys_handle_close(given);
    l->done = true;
    return 0;
}

/* Give back what a loader had. */
static void release(struct loader *l)
{
    const handle_t all[] = { l->job, l->names, l->root, l->fds[0], l->fds[1], l->fds[2] };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] >= 0)
            (void)sys_handle_close(all[i]);
    }
    free(l->args);
    l->used = false;
}

/* A loader that is not at work. */
static struct loader *take(void)
{
    for (int i = 0; i < LOADERS; i++) {
        struct loader *l = &loaders[i];

        if (l->used && l->done) {
            (void)thread_join(&l->thread, NULL);
            release(l);
        }
        if (!l->used) {
            memset(l, 0, sizeof(*l));
            return l;
        }
    }
    return NULL;
}

static int take_args(struct loader *l, const struct ipc_call *call)
{
    int64_t n;

    if (call->in_len > ARGS_BYTES)
        return -E2BIG;
    l->args = malloc(call->in_len + 2);
    if (l->args == NULL)
        return -ENOMEM;
    n = sys_msg_read(call->ep, call->token, 0, l->args, call->in_len);
    if (n < 0)
        return n == -EREMOTEIO ? -EFAULT : (int)n;
    l->args[n] = l->args[n + 1] = '\0';
    l->args_len = (size_t)n + 2;
    return 0;
}

/* The job and sessions of the new program. */
static int take_handles(struct loader *l, struct service *client)
{
    struct service *files = service_find("fsd");
    uint64_t id;

    l->job = sys_job_create(client->job);
    if (l->job < 0)
        return l->job;
    l->names = sys_session_create(svcman.endpoint, client->badge, 0, &id);
    if (l->names < 0)
        return l->names;
    if ((client->gives & GIVE_ROOT) == 0 || files == NULL)
        return 0;
    l->root = service_connect(files, BADGE_CLIENT);
    return l->root < 0 ? l->root : 0;
}

/* Paths are looked up through our own session on /, a new one whenever fsd's endpoint is a new one. */
static int have_root(void)
{
    static handle_t endpoint = HANDLE_NONE;
    struct service *files = service_find("fsd");
    handle_t session;
    int st;

    if (files != NULL && files->endpoint == endpoint && endpoint != HANDLE_NONE)
        return 0;
    session = files != NULL ? service_connect(files, BADGE_CLIENT) : -EAGAIN;
    if (session < 0)
        return session;
    st = root_set(session);
    (void)sys_handle_close(session);
    endpoint = st == 0 ? files->endpoint : HANDLE_NONE;
    return st;
}

/* Start the thread. Once that is done well, the answer is its. */
static int start(struct loader *l)
{
    int st = thread_start(&l->thread, loader_main, l, 0);

    if (st != 0)
        return st;
    while (__atomic_load_n(&l->begun, __ATOMIC_ACQUIRE) == BEGUN_NOT_YET)
        (void)sys_futex_wait((uintptr_t)&l->begun, BEGUN_NOT_YET, TIMEOUT_NEVER, 0);
    if (l->begun == BEGUN_WELL)
        return 0;
    (void)thread_join(&l->thread, NULL);
    return -ENOMEM;
}

int spawn_begin(struct service *client, const struct ipc_call *call, const char *path,
                const handle_t fds[3])
{
    struct loader *l = take();
    int st = l != NULL ? have_root() : -EAGAIN;

    if (st != 0)
        return st;
    l->job = l->names = l->root = HANDLE_NONE;
    l->fds[0] = l->fds[1] = l->fds[2] = HANDLE_NONE;
    l->token = call->token;
    l->priority = client->priority;
    strlcpy(l->path, path, sizeof(l->path));
    st = take_args(l, call);
    if (st == 0)
        st = take_handles(l, client);
    if (st == 0) {
        memcpy(l->fds, fds, sizeof(l->fds));
        l->used = true;
        st = start(l);
    }
    if (st != 0) {
        l->fds[0] = l->fds[1] = l->fds[2] = HANDLE_NONE; /* the caller closes them */
        release(l);
    }
    return st;
}
