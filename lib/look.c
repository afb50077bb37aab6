/* Snapshots of what runs (look.h). */
#include <rugo/look.h>

#include <errno.h>
#include <rugo/calls.h>
#include <rugo/processes.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 64 /* records fetched at once */

/* A list that grows by pieces: room for PIECE more elements at its end, or NULL. */
static void *more_room(void *list, size_t n, size_t size)
{
    return realloc(list, (n + PIECE) * size);
}

static int take_threads(handle_t proc, struct look_process *p)
{
    uint64_t after = 0;

    for (;;) {
        struct thread_info *list = more_room(p->threads, p->nthreads, sizeof *list);
        int64_t n;

        if (list == NULL)
            return -ENOMEM;
        p->threads = list;
        n = sys_process_threads(proc, after, list + p->nthreads, PIECE);
        if (n <= 0)
            return (int)n;
        p->nthreads += (size_t)n;
        after = list[p->nthreads - 1].id;
    }
}

static int take_handles(handle_t proc, struct look_process *p)
{
    uint32_t from = 0;

    for (;;) {
        struct handle_record *list = more_room(p->handles, p->nhandles, sizeof *list);
        int64_t n;

        if (list == NULL)
            return -ENOMEM;
        p->handles = list;
        n = sys_process_handles(proc, from, list + p->nhandles, PIECE);
        if (n <= 0)
            return (int)n;
        p->nhandles += (size_t)n;
        from = list[p->nhandles - 1].position + 1;
    }
}

static void free_process(struct look_process *p)
{
    free(p->threads);
    free(p->handles);
}

/* 1: it is in *p; 0: it has ended; or negative errno. */
static int take_process(handle_t job, uint64_t pid, unsigned what, struct look_process *p)
{
    handle_t h = sys_process_open(job, pid, RIGHT_INSPECT);
    int st;

    *p = (struct look_process){ 0 };
    if (h < 0)
        return h == -ENOENT ? 0 : h;
    st = sys_process_info(h, &p->info);
    if (st == 0 && (what & LOOK_THREADS) != 0)
        st = take_threads(h, p);
    if (st == 0 && (what & LOOK_HANDLES) != 0)
        st = take_handles(h, p);
    (void)sys_handle_close(h);
    if (st != 0)
        free_process(p);
    return st != 0 ? st : 1;
}

/* Look at one more job, unless it has gone. 0 or negative errno. */
static int take_job(handle_t top, const struct job_record *r, struct look *l)
{
    handle_t h = sys_job_open(top, r->number, RIGHT_INSPECT);
    int st;

    if (h < 0)
        return h == -ENOENT ? 0 : h;
    l->jobs[l->njobs].record = *r;
    st = sys_job_info(h, &l->jobs[l->njobs].info);
    l->njobs += st == 0;
    (void)sys_handle_close(h);
    return st;
}

static int take_jobs(handle_t top, struct look *l)
{
    struct job_record records[PIECE];
    uint64_t after = 0;
    int64_t n;
    int st = 0;

    while ((n = sys_job_jobs(top, after, records, PIECE)) > 0) {
        struct look_job *list = more_room(l->jobs, l->njobs, sizeof *list);

        if (list == NULL)
            return -ENOMEM;
        l->jobs = list;
        for (int64_t i = 0; st == 0 && i < n; i++)
            st = take_job(top, &records[i], l);
        if (st != 0)
            return st;
        after = records[n - 1].number;
    }
    return (int)n;
}

int look_take(handle_t job, unsigned what, struct look *l)
{
    uint64_t *pids;
    int64_t n = job_pids(job, &pids);
    int st = 1;

    *l = (struct look){ .now_ns = (uint64_t)sys_time_now(CLOCK_MONOTONIC) };
    if (n < 0)
        return (int)n;
    l->processes = malloc(((size_t)n + 1) * sizeof *l->processes);
    if (l->processes == NULL)
        st = -ENOMEM;
    for (int64_t i = 0; st >= 0 && i < n; i++) {
        st = take_process(job, pids[i], what, &l->processes[l->n]);
        l->n += st == 1;
    }
    free(pids);
    if (st >= 0 && (what & LOOK_JOBS) != 0)
        st = take_jobs(job, l);
    if (st < 0)
        look_free(l);
    return st < 0 ? st : 0;
}

void look_free(struct look *l)
{
    for (size_t i = 0; i < l->n; i++)
        free_process(&l->processes[i]);
    free(l->processes);
    free(l->jobs);
    *l = (struct look){ 0 };
}

const struct look_process *look_process(const struct look *l, uint64_t pid)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->processes[i].info.pid == pid)
            return &l->processes[i];
    return NULL;
}

const struct look_job *look_job(const struct look *l, uint64_t number)
{
    for (size_t i = 0; i < l->njobs; i++)
        if (l->jobs[i].record.number == number)
            return &l->jobs[i];
    return NULL;
}

const struct look_process *look_server(const struct look *l, uint64_t endpoint)
{
    const struct look_process *found = NULL;

    for (size_t i = 0; i < l->n; i++) {
        const struct look_process *p = &l->processes[i];
        for (size_t k = 0; k < p->nhandles; k++) {
            const struct handle_record *h = &p->handles[k];
            if (h->type != OBJ_ENDPOINT || h->object != endpoint || (h->rights & RIGHT_RECV) == 0)
                continue;
            if ((h->rights & RIGHT_OWN) == 0)
                return p;
            found = found == NULL ? p : found;
        }
    }
    return found;
}

void look_rights(uint32_t rights, char text[LOOK_RIGHTS])
{
    static const char letters[LOOK_RIGHTS] = "rwxsvodtami";

    for (int i = 0; letters[i] != '\0'; i++)
        text[i] = (rights >> i & 1) != 0 ? letters[i] : '-';
    text[LOOK_RIGHTS - 1] = '\0';
}

/* Appends to text, which has size bytes, as far as there is room. */
static void add(char *text, size_t size, const char *what)
{
    (void)strlcat(text, what, size);
}

void look_handle(handle_t h, char text[LOOK_HANDLE])
{
    if (h == HANDLE_SELF || h == HANDLE_NONE)
        snprintf(text, LOOK_HANDLE, "%s", h == HANDLE_SELF ? "SELF" : "NONE");
    else
        snprintf(text, LOOK_HANDLE, (h & HANDLE_HIGH) != 0 ? "0x%x" : "%d", (unsigned)h);
}

/* Names for all bits of the groups that are set; what has no name is added as a number. */
static void name_flags(const struct abi_arg *a, uint64_t value, char *text, size_t size)
{
    char rest[24];

    for (int g = 0; g < ABI_GROUPS && a->groups[g] != NULL; g++) {
        for (size_t i = 0; i < a->groups[g]->n; i++) {
            uint64_t bits = (uint64_t)a->groups[g]->values[i].value;
            if (bits == 0 || (bits & (bits - 1)) != 0 || (value & bits) == 0)
                continue;
            add(text, size, text[0] != '\0' ? "|" : "");
            add(text, size, a->groups[g]->values[i].name);
            value &= ~bits;
        }
    }
    if (value == 0 && text[0] != '\0')
        return;
    snprintf(rest, sizeof rest, value == 0 ? "%s0" : "%s0x%lx", text[0] != '\0' ? "|" : "", value);
    add(text, size, rest);
}

void look_argument(const struct abi_arg *a, uint64_t value, char *text, size_t size)
{
    const char *name = NULL;

    text[0] = '\0';
    value = a->bits == 32 ? (uint32_t)value : value;
    if (a->groups[0] != NULL && !a->groups[0]->flags)
        name = abi_value_name(a->groups[0], (int64_t)value);
    if (name != NULL) {
        add(text, size, name);
    } else if (a->groups[0] != NULL && a->groups[0]->flags) {
        name_flags(a, value, text, size);
    } else if (a->kind == ABI_HANDLE) {
        char word[LOOK_HANDLE];
        look_handle((handle_t)value, word);
        add(text, size, word);
    } else if (a->kind == ABI_ADDR || a->kind == ABI_IN || a->kind == ABI_OUT) {
        snprintf(text, size, "0x%lx", value);
    } else if (a->kind == ABI_SIGNED) {
        snprintf(text, size, "%ld", a->bits == 32 ? (long)(int32_t)value : (long)value);
    } else {
        snprintf(text, size, "%lu", value);
    }
}

void look_call(const struct thread_info *t, char *text, size_t size)
{
    static const char *const states[] = { "new", "ready", "running", "blocked", "dead" };
    const struct abi_call *c = t->state == RUN_BLOCKED ? abi_call_find(t->call) : NULL;
    char word[96];

    if (c == NULL) {
        snprintf(text, size, "%s", t->state <= RUN_DEAD ? states[t->state] : "?");
        return;
    }
    snprintf(text, size, "%s(", c->name);
    for (uint8_t i = 0; i < c->nargs; i++) {
        add(text, size, i > 0 ? ", " : "");
        look_argument(&c->args[i], t->args[i], word, sizeof word);
        add(text, size, word);
    }
    add(text, size, ")");
}
