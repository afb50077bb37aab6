/*
 * System calls made up from the rows of abi/syscall.def: each argument by its kind, most of them such that
 * the call can succeed, the others as bad as they come. A new call is covered by its row alone; what a row
 * cannot say about a few calls stands in `special`.
 *
 * A process that uses this has a pool of handles that its own calls made, an arena of memory with pages of every
 * kind, and a tally in memory shared with its parent, where each pair of call and result is counted.
 */
#ifndef STRESS_CALLS_H
#define STRESS_CALLS_H

#include <rugo/call_rows.h>
#include <rugo/thread.h>

#include "tests/prog/stress.h"

enum {
    TYPES = 32,                         /* of objects, with room for more */
    SLOTS = 12,                         /* handles of a type that one remembers */
    WORDS = 32, /* numbers that calls gave: ids, pids, positions */
    TOKENS = 8,  /* calls received and perhaps not answered yet */
    STALE = 32, /* numbers of handles that are closed */
    STRANGE = 16, /* undocumented results that are noted */
    NO_ROW = 0xffff, /* a number that is no call's */

    ARENA_PAGES = 64, /* with a hole before and behind */
    READ_ONLY = 32, /* first page that is read-only */
    FLICKER = 40, /* first page that comes and goes */
    PLAY = 48, /* first page that calls on memory are given */
};

#define START_TALLY 0x100 /* start handle: memory object with a struct tally */

/* [a] all of it: threads of a process count, its parent looks. */
struct tally {
    uint64_t calls, ok; /* random ones made; of them succeeded */
    uint64_t beats; /* of life: any calls, or rounds of the canary */
    uint32_t hits[CALL_ROWS][CALL_ERRORS_MAX + 1]; /* [0]: success, [i + 1]: errors[i] */
    uint32_t nstrange;
    struct {
        uint16_t row, error;
    } strange[STRANGE];
};

#define UPCALL_STACK 8192 /* bytes */

/* One thread that makes calls. */
struct worker {
    struct rng rng;
    bool wild; /* the call at hand may get bad arguments */
    bool bare;           /* has no message buffer */
    uint64_t object[512]; /* what an `in STRUCT` points to */
    char text[256]; /* what `in bytes` may point to */
    char upcall_stack[UPCALL_STACK];
};

/* What the threads of a process share. Races on it only make it wilder. */
static struct {
    struct tally *tally;
    char *arena;
    handle_t pool[TYPES][SLOTS];
    uint64_t words[WORDS];
    struct {
        handle_t ep;
        uint64_t token;
    } received[TOKENS];
    handle_t stale[STALE];
    int64_t left; /* random calls to make, 0: has something else to do; [a] */
    uint64_t workers[2]; /* numbers of the threads that make calls */
    bool helped; /* the helper is at work */
    bool hoards; /* closes no handle to make room in the pool */
} own;

static inline uint64_t below(struct worker *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

#define ANY_OF(w, list) ((list)[below(w, sizeof(list) / sizeof((list)[0]))])

static inline uint64_t as_argument(handle_t h)
{
    return (uint64_t)(int64_t)h;
}

static inline uint64_t page_of_arena(uint64_t page)
{
    return (uint64_t)(uintptr_t)own.arena + page * PAGE_SIZE;
}

/* ---- counting ---- */

static inline void note_strange(uint16_t row, int64_t error)
{
    uint32_t n = __atomic_fetch_add(&own.tally->nstrange, 1, __ATOMIC_RELAXED);

    if (n < STRANGE) {
        own.tally->strange[n].row = row;
        own.tally->strange[n].error = (uint16_t)error;
    }
}

static inline void count(const struct call_row *row, int64_t result)
{
    uint32_t *hits = own.tally->hits[row - call_rows];

    __atomic_fetch_add(&own.tally->beats, 1, __ATOMIC_RELAXED);
    if (result >= 0) {
        __atomic_fetch_add(&hits[0], 1, __ATOMIC_RELAXED);
        return;
    }
    for (unsigned i = 0; i < row->nerrors; i++) {
        if (row->errors[i] == -result) {
            __atomic_fetch_add(&hits[i + 1], 1, __ATOMIC_RELAXED);
            return;
        }
    }
    note_strange((uint16_t)(row - call_rows), -result);
}

/* ---- the pool ---- */

static inline void pool_add(struct worker *w, handle_t h)
{
    int64_t info = sys_handle_info(h);
    uint64_t type = (uint64_t)info >> 32;

    if (info < 0 || type >= TYPES)
        return;
    handle_t old = __atomic_exchange_n(&own.pool[type][below(w, SLOTS)], h, __ATOMIC_RELAXED);

    if (old == HANDLE_NONE || old == h || own.hoards)
        return;
    (void)sys_handle_close(old);
    own.stale[below(w, STALE)] = old;
}

/* A new handle, and now and then a poorer one to the same object. */
static inline void remember_handle(struct worker *w, handle_t h)
{
    int64_t info = sys_handle_info(h);

    if (info < 0)
        return;
    pool_add(w, h);
    if (below(w, 4) == 0) {
        h = sys_handle_dup(h, (uint32_t)info & (uint32_t)rng_next(&w->rng), 0, 0);
        if (h >= 0)
            pool_add(w, h);
    }
}

static inline void remember_word(struct worker *w, uint64_t word)
{
    own.words[below(w, WORDS)] = word;
}

/* What was received at ep. */
static inline void remember_message(struct worker *w, handle_t ep)
{
    const struct ipc_msg *m = ipc_buffer();
    uint64_t at = below(w, TOKENS);

    remember_word(w, m->session);
    if (m->type == IPC_CALL || m->type == IPC_CANCEL) {
        own.received[at].ep = ep;
        own.received[at].token = m->token;
    }
    for (uint32_t i = 0; i < m->nhandles && i < IPC_HANDLE_MAX; i++)
        if (m->handles[i] >= 0)
            remember_handle(w, m->handles[i]);
}

static inline handle_t handle_of(struct worker *w, unsigned type)
{
    handle_t h = HANDLE_NONE;

    for (int tries = 0; tries < 16 && h == HANDLE_NONE; tries++)
        h = own.pool[type != 0 ? type : 1 + below(w, TYPES - 1)][below(w, SLOTS)];
    return h;
}

/* ---- arguments ---- */

static inline uint64_t bad_handle(struct worker *w)
{
    switch (below(w, 8)) {
    case 0: return as_argument(HANDLE_SELF);
    case 1: return as_argument(HANDLE_NONE);
    case 2: return below(w, HANDLE_FD_MAX + 8);
    case 3: return HANDLE_HIGH | (rng_next(&w->rng) & 0x3fffffff);
    case 4: return rng_next(&w->rng);
    case 5: return as_argument(own.stale[below(w, STALE)]);
    default: return as_argument(handle_of(w, 0)); /* of any type */
    }
}

static inline uint64_t handle_argument(struct worker *w, unsigned type, bool bad)
{
    if (bad)
        return bad_handle(w);
    if (type == OBJ_PROCESS && below(w, 2))
        return as_argument(HANDLE_SELF);
    return as_argument(handle_of(w, type));
}

static inline uint64_t bad_address(struct worker *w)
{
    static const uint64_t special[] = { 0,
                                        1,
                                        PAGE_SIZE,
                                        USER_MAX - PAGE_SIZE,
                                        USER_MAX - 1,
                                        USER_MAX,
                                        0x7fffffffffff,
                                        0x800000000000,
                                        UINT64_C(0xffff7fffffffffff),
                                        UINT64_C(0xffff800000000000),
                                        UINT64_C(0xffffffff80000000),
                                        UINT64_MAX - 7,
                                        UINT64_MAX };

    switch (below(w, 8)) {
    case 0: return page_of_arena(ARENA_PAGES) - below(w, 64); /* runs into what is not mapped */
    case 1: return page_of_arena(READ_ONLY) - below(w, 64);
    case 2: return page_of_arena(READ_ONLY + below(w, FLICKER - READ_ONLY));
    case 3: return page_of_arena(below(w, ARENA_PAGES)) + below(w, PAGE_SIZE); /* misaligned */
    case 4: return page_of_arena(FLICKER + below(w, ARENA_PAGES - FLICKER));
    case 5: return rng_next(&w->rng) & (USER_MAX - 1) & ~UINT64_C(0xfff);
    default: return ANY_OF(w, special);
    }
}

/* Readable and writable, with four pages behind it; now and then one that another thread takes away. */
static inline uint64_t buffer_address(struct worker *w)
{
    return page_of_arena(below(w, 16) ? below(w, READ_ONLY - 4) : FLICKER) + 8 * below(w, 8);
}

static inline uint64_t pointer_argument(struct worker *w, const struct call_arg *arg, bool bad)
{
    if (bad)
        return bad_address(w);
    if (arg->kind == ARG_IN) {
        for (unsigned i = 0; i < arg->unit / 4u && i < 2 * 512; i++)
            ((uint32_t *)w->object)[i] = below(w, 2) ? 0 : (uint32_t)below(w, 8);
        return (uint64_t)(uintptr_t)w->object;
    }
    if (arg->kind == ARG_IN_MANY && below(w, 2))
        return (uint64_t)(uintptr_t)w->text;
    return buffer_address(w);
}

static inline uint64_t bad_size(struct worker *w)
{
    static const uint64_t special[] = { 0,
                                        1,
                                        PAGE_SIZE - 1,
                                        PAGE_SIZE + 1,
                                        65536,
                                        1 << 20,
                                        UINT64_C(1) << 32,
                                        UINT64_C(1) << 46,
                                        USER_MAX,
                                        UINT64_C(1) << 63,
                                        UINT64_MAX - PAGE_SIZE + 1,
                                        UINT64_MAX };

    return ANY_OF(w, special);
}

/* How many elements of `unit` bytes a buffer has; they fit behind buffer_address(). */
static inline uint64_t count_argument(struct worker *w, unsigned unit, bool bad)
{
    static const uint64_t sizes[] = { 1, 1, 2, 7, 8, 16, 31, 64, 200, PAGE_SIZE, 3 * PAGE_SIZE };
    uint64_t n = ANY_OF(w, sizes);

    if (bad)
        return bad_size(w);
    return unit == 1 ? n : n * unit <= 3 * PAGE_SIZE ? n : 1;
}

/* Bits that are known, often few; what rows say nothing about is small. */
static inline uint64_t u32_argument(struct worker *w, const struct call_arg *arg, bool bad)
{
    if (bad)
        return below(w, 2) ? rng_next(&w->rng) : UINT64_C(1) << below(w, 40);
    if (arg->known == 0)
        return below(w, 2) ? 0 : below(w, 4);
    switch (below(w, 4)) {
    case 0: return 0;
    case 1: return arg->known & (UINT64_C(1) << below(w, 12));
    default: return arg->known & rng_next(&w->rng);
    }
}

/* Times: sleeps and waits are short, as other calls are to be made; endless where somebody sees to it that they end. */
static inline uint64_t i64_argument(struct worker *w, const char *name, bool bad)
{
    if (strcmp(name, "deadline") == 0)
        return stress_now() + below(w, 1 * MS);
    if (bad && below(w, 16) == 0 && (strcmp(name, "timeout") != 0 || own.left > 0))
        return 0 - below(w, 9);
    if (bad && below(w, 64) == 0 && own.left > 0)
        return rng_next(&w->rng);
    return below(w, 2) ? 0 : below(w, MS / 8);
}

static inline uint64_t u64_argument(struct worker *w, bool bad)
{
    if (bad)
        return rng_next(&w->rng);
    switch (below(w, 4)) {
    case 0: return 0;
    case 1: return PAGE_SIZE * below(w, 4);
    default: return own.words[below(w, WORDS)];
    }
}

static inline uint64_t any_argument(struct worker *w, const struct call_row *row, unsigned i)
{
    const struct call_arg *arg = &row->args[i];
    bool bad = w->wild && below(w, 3) == 0;

    switch (arg->kind) {
    case ARG_HANDLE: return handle_argument(w, arg->type, bad);
    case ARG_ADDR:
        return bad           ? bad_address(w)
               : below(w, 3) ? page_of_arena(PLAY + below(w, ARENA_PAGES - PLAY - 4))
                             : 0;
    case ARG_SIZE:
        if (i > 0 && (arg[-1].kind == ARG_IN_MANY || arg[-1].kind == ARG_OUT_MANY))
            return count_argument(w, arg[-1].unit, bad);
        return bad ? bad_size(w) : PAGE_SIZE * (1 + below(w, 4));
    case ARG_U32: return u32_argument(w, arg, bad);
    case ARG_I32: return bad ? rng_next(&w->rng) : 3 + below(w, HANDLE_FD_MAX - 3);
    case ARG_I64: return i64_argument(w, arg->name, bad);
    case ARG_U64: return u64_argument(w, bad);
    default: return pointer_argument(w, arg, bad);
    }
}

/* ---- what rows cannot say ---- */

static inline _Noreturn void short_life(void)
{
    sys_thread_exit(0);
}

static char short_stack[256];

/* A thread that can run: a function of ours. In another process there is nothing at that address, which ends it. */
static inline void special_spawn(struct worker *w, uint64_t *a)
{
    bool other = w->wild && below(w, 4) == 0 && a[0] != as_argument(HANDLE_SELF);

    if (!other)
        a[0] = as_argument(HANDLE_SELF);
    else if (below(w, 4) == 0)
        return;
    a[1] = (uint64_t)(uintptr_t)short_life;
    a[2] = (uint64_t)(uintptr_t)(short_stack + sizeof(short_stack));
    a[4] = below(w, 8) ? 0 : a[4];
}

static inline void special_thread(struct worker *w, uint64_t *a)
{
    a[0] = w->wild && below(w, 4) == 0 ? USER_MAX : (uint64_t)(uintptr_t)short_life;
    a[1] = (uint64_t)(uintptr_t)(short_stack + sizeof(short_stack));
    a[3] = below(w, 8) ? 0 : a[3];
}

/* ---- upcalls: a few numbers are handled, and these are sent; the others would end the process ---- */

static const uint32_t handled[] = { 10, 12, 34, 64 };

/* Ours; every fault ends the process, as what goes on after it would be the same fault. */
static inline void upcall_entry(uint64_t number, struct upcall_info *info,
                                struct upcall_context *context)
{
    (void)number;
    (void)info;
    for (const struct call_row *row = call_rows; row < call_rows + CALL_ROWS; row++)
        if ((uint32_t)row->number + SYS_BASE == SYS_upcall_return)
            count(row, 0); /* which does not come back to be counted */
    sys_upcall_return((uintptr_t)context);
    sys_process_exit(1);
}

static inline uint64_t upcall_number(struct worker *w, uint64_t number)
{
    if (number > UPCALL_MAX || below(w, 1000) == 0)
        return number;
    return below(w, 8) ? ANY_OF(w, handled) : 0;
}

static inline void special_number(struct worker *w, uint64_t *a)
{
    a[1] = upcall_number(w, a[1]);
}

/* Handled ones may be ignored for a while. */
static inline void special_action(struct worker *w, uint64_t *a)
{
    a[0] = upcall_number(w, a[0]);
    if ((uint32_t)a[1] == UPCALL_DEFAULT)
        a[1] = UPCALL_HANDLE;
}

static inline void special_entry(struct worker *w, uint64_t *a)
{
    if (a[0] < USER_MAX)
        a[0] = below(w, 4) ? (uint64_t)(uintptr_t)upcall_entry : USER_MAX;
}

static inline void special_stack(struct worker *w, uint64_t *a)
{
    /* Where no frame can be written the next upcall is the end. */
    if (w->wild && (a[0] >= USER_MAX || (own.left > 0 && below(w, 16) == 0)))
        return;
    a[0] = (uint64_t)(uintptr_t)w->upcall_stack;
    a[1] = UPCALL_STACK;
}

static inline void upcalls_make(struct worker *w)
{
    NEED(sys_upcall_set((uintptr_t)upcall_entry));
    NEED(sys_upcall_stack((uintptr_t)w->upcall_stack, UPCALL_STACK));
    for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
        NEED(sys_upcall_action(handled[i], UPCALL_HANDLE));
}

/* The library's own block, or a refusal: with any other base the next line of C would fault. */
static inline void special_tls(struct worker *w, uint64_t *a)
{
    uint64_t base;

    __asm__ volatile("mov %%fs:0, %0" : "=r"(base));
    a[0] = below(w, 2) ? base : USER_MAX + below(w, 2) * rng_next(&w->rng);
}

/* The rights asked for must be there. */
static inline void special_rights(struct worker *w, uint64_t handle, uint64_t *rights)
{
    int64_t info = sys_handle_info((handle_t)handle);

    if (info >= 0 && below(w, 4))
        *rights = (uint64_t)info & 0xffffffff & (below(w, 2) ? RIGHT_ALL : rng_next(&w->rng));
}

static inline void special_dup(struct worker *w, uint64_t *a)
{
    special_rights(w, a[0], &a[1]);
}

static inline void special_grant(struct worker *w, uint64_t *a)
{
    special_rights(w, a[1], &a[2]);
}

/* A pid in a job of ours, which may be the job's only process. */
static inline void special_open(struct worker *w, uint64_t *a)
{
    uint64_t pid;

    if (below(w, 2) && sys_job_list((handle_t)a[0], &pid, 1) > 0)
        a[1] = pid;
}

static inline void special_open_job(struct worker *w, uint64_t *a)
{
    struct job_record record;

    if (below(w, 2) && sys_job_jobs((handle_t)a[0], 0, &record, 1) > 0)
        a[1] = record.number;
}

/* Where others wait as well, and what is there. */
static inline void special_futex(struct worker *w, uint64_t *a)
{
    static uint32_t words[2];

    if (a[0] - page_of_arena(0) >= ARENA_PAGES * PAGE_SIZE)
        return;
    a[0] = (uintptr_t)&words[below(w, 2)];
    a[1] = below(w, 8) == 0;
}

/* Such that the disk can do it. */
static inline void special_disk(struct worker *w, uint64_t *a)
{
    struct blk_request *req = (void *)w->object;

    if (a[1] != (uint64_t)(uintptr_t)req)
        return;
    *req = (struct blk_request){ .op = (uint32_t)below(w, w->wild ? 5 : 3),
                                 .sector = below(w, 64),
                                 .count = (uint32_t)below(w, 9),
                                 .flags = w->wild && below(w, 4) == 0,
                                 .offset = below(w, 2) * BLK_SECTOR };
    req->shm = req->op == BLK_FLUSH ? HANDLE_NONE : handle_of(w, OBJ_SHM);
    req->count = req->op == BLK_FLUSH ? 0 : req->count;
}

/* A call that was received and may wait for its answer yet. */
static inline void special_token(struct worker *w, uint64_t *a)
{
    uint64_t i = below(w, TOKENS);

    if (below(w, 4) == 0 || own.received[i].token == 0)
        return;
    a[0] = as_argument(own.received[i].ep);
    a[1] = own.received[i].token;
}

/* The serial line and the log are for people as well: little is written to them. */
static inline void special_print(struct worker *w, uint64_t *a)
{
    if (a[2] > 2)
        a[2] = below(w, 2);
}

static inline void special_log(struct worker *w, uint64_t *a)
{
    if (a[3] > 2)
        a[3] = below(w, 2);
}

static const struct {
    const char *name;
    void (*fit)(struct worker *w, uint64_t *a);
} special[] = {
    { "thread_spawn", special_spawn },    { "thread_set_tls", special_tls },
    { "thread_create", special_thread },  { "thread_upcall", special_number },
    { "process_upcall", special_number }, { "upcall_action", special_action },
    { "upcall_set", special_entry },      { "upcall_stack", special_stack },
    { "handle_dup", special_dup },        { "process_grant", special_grant },
    { "futex_wait", special_futex },      { "futex_wake", special_futex },
    { "ipc_reply", special_token },       { "ipc_reply_recv", special_token },
    { "msg_read", special_token },        { "msg_write", special_token },
    { "debug_write", special_print },     { "serial_write", special_print },
    { "log_write", special_log },         { "process_open", special_open },
    { "job_open", special_open_job },     { "blk_submit", special_disk },
};

/* ---- messages ---- */

/* What the next call that sends finds in the buffer. */
static inline void random_message(struct worker *w)
{
    static const unsigned cargo[] = { OBJ_SHM, OBJ_SHM, OBJ_SESSION, OBJ_PORT };
    struct ipc_msg *m = ipc_buffer();
    bool wild = w->wild && below(w, 2);

    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = (uint32_t)(wild && below(w, 4) == 0 ? rng_next(&w->rng) : below(w, IPC_DATA_MAX + 1));
    m->nhandles = (uint32_t)(wild && below(w, 8) == 0 ? rng_next(&w->rng) : below(w, 3));
    m->move = (uint32_t)(wild && below(w, 8) == 0 ? rng_next(&w->rng)
                                                  : below(w, UINT64_C(1) << (m->nhandles & 7)));
    for (uint32_t i = 0; i < m->nhandles && i < IPC_HANDLE_MAX; i++)
        m->handles[i] = wild && below(w, 2)
                            ? (handle_t)bad_handle(w)
                            : handle_of(w, ANY_OF(w, cargo) + (wild && below(w, 4)));
    m->in_addr = wild ? bad_address(w) : buffer_address(w);
    m->in_len = below(w, 3 * PAGE_SIZE);
    m->out_addr = wild ? bad_address(w) : buffer_address(w);
    m->out_len = below(w, 3 * PAGE_SIZE);
}

/* ---- a call ---- */

/* Whether the call would be the end of the process: those are made where that is wanted. */
static inline bool ends_us(const struct call_row *row, const uint64_t *a)
{
    return row->result == RESULT_NEVER ||
           (strstr(row->name, "kill") != NULL && a[0] == as_argument(HANDLE_SELF));
}

static inline int64_t make_call(const struct call_row *row, const uint64_t *a)
{
    int64_t result = rugo_syscall6(SYS_BASE + row->number, a[0], a[1], a[2], a[3], a[4], a[5]);

    count(row, result);
    return result;
}

/* A number or two handles that a call has stored. Read as the kernel does, because the page may be gone by now. */
static inline void remember_out(struct worker *w, const struct call_row *row, unsigned i,
                                uint64_t at)
{
    const struct call_arg *arg = &row->args[i];
    uint64_t word = 0;

    if ((arg->kind != ARG_OUT && arg->kind != ARG_OUT_MANY) || arg->unit != sizeof(word) ||
        sys_process_write(HANDLE_SELF, (uintptr_t)&word, (const void *)(uintptr_t)at,
                          sizeof(word)) <= 0)
        return;
    remember_word(w, word);
    if (strstr(row->name, "_create") != NULL && row->result == RESULT_STATUS) {
        remember_handle(w, (handle_t)word);
        remember_handle(w, (handle_t)(word >> 32));
    }
}

/* What a call gave is used by the next ones. */
static inline void remember(struct worker *w, const struct call_row *row, const uint64_t *a,
                            int64_t result)
{
    if (result < 0)
        return;
    bool foreign = strcmp(row->name, "process_grant") == 0 && a[0] != as_argument(HANDLE_SELF);

    if (row->result == RESULT_HANDLE && !foreign) /* that number would be something else here */
        remember_handle(w, (handle_t)result);
    if (row->result == RESULT_I64 && result < HANDLE_HIGH) /* a thread's number, perhaps */
        remember_word(w, (uint64_t)result);
    if (strstr(row->name, "recv") != NULL)
        remember_message(w, (handle_t)a[0]);
    for (unsigned i = 0; i < row->nargs; i++)
        remember_out(w, row, i, a[i]);
}

/* What would take nearly all memory from us is asked for seldom, and never where there is a task to do. */
static inline void spare_us(struct worker *w, const struct call_row *row, uint64_t *a)
{
    uint64_t left = page_of_arena(ARENA_PAGES) - a[1];

    if (strncmp(row->name, "vm_", 3) != 0 || a[0] != as_argument(HANDLE_SELF))
        return;
    if (a[2] > left && a[1] < USER_MAX && (own.left <= 0 || below(w, 8)))
        a[2] = left < ARENA_PAGES * PAGE_SIZE ? left : PAGE_SIZE;
}

/* One random call of this row. */
static inline int64_t random_call(struct worker *w, const struct call_row *row)
{
    uint64_t a[6];

    w->wild = below(w, 3) == 0;
    for (unsigned i = 0; i < 6; i++)
        a[i] = i < row->nargs ? any_argument(w, row, i) : rng_next(&w->rng);
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (strcmp(special[i].name, row->name) == 0)
            special[i].fit(w, a);
    spare_us(w, row, a);
    if (ends_us(row, a))
        return 0;
    if (strncmp(row->name, "ipc_", 4) == 0 && !w->bare)
        random_message(w);
    int64_t result = make_call(row, a);

    if (own.left > 0) {
        __atomic_fetch_add(&own.tally->calls, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&own.tally->ok, result >= 0, __ATOMIC_RELAXED);
    }
    remember(w, row, a, result);
    return result;
}

/* A number that no row has. */
static inline void no_call(struct worker *w)
{
    uint64_t number = below(w, 2) ? rng_next(&w->rng) : below(w, 4 * CALL_ROWS);

    for (unsigned i = 0; i < CALL_ROWS; i++)
        if (number == (uint64_t)call_rows[i].number + SYS_BASE)
            return;
    __atomic_fetch_add(&own.tally->calls, 1, __ATOMIC_RELAXED);
    int64_t result = rugo_syscall6(number, rng_next(&w->rng), rng_next(&w->rng), 0, 0, 0, 0);

    if (result != -ENOSYS)
        note_strange(NO_ROW, -result);
}

/* ---- a process that makes them ---- */

static inline void arena_make(void)
{
    size_t size = (ARENA_PAGES + 2) * (size_t)PAGE_SIZE;
    int64_t at = NEED(sys_vm_map(HANDLE_SELF, 0, size, VM_READ | VM_WRITE, 0));

    own.arena = (char *)(uintptr_t)at + PAGE_SIZE;
    NEED(sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE));
    NEED(sys_vm_unmap(HANDLE_SELF, page_of_arena(ARENA_PAGES), PAGE_SIZE));
    NEED(sys_vm_protect(HANDLE_SELF, page_of_arena(READ_ONLY), (FLICKER - READ_ONLY) * PAGE_SIZE,
                        VM_READ));
}

/* What calls have done to a page of the arena is mended. */
static inline void arena_mend(struct worker *w)
{
    uint64_t page = below(w, ARENA_PAGES);
    uint32_t prot = page >= READ_ONLY && page < FLICKER ? VM_READ : VM_READ | VM_WRITE;

    (void)sys_vm_map(HANDLE_SELF, page_of_arena(page), PAGE_SIZE, prot, VM_FIXED);
    (void)sys_vm_protect(HANDLE_SELF, page_of_arena(page), PAGE_SIZE, prot);
}

static inline void worker_init(struct worker *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->rng.state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    memset(w->text, 'x', sizeof(w->text));
    for (int i = 0; i < 8; i++)
        (void)rng_next(&w->rng);
}

static inline void tally_attach(void)
{
    NEED(shm_attach(start_handle(START_TALLY), VM_READ | VM_WRITE, (void **)&own.tally, NULL));
}

/* The pool begins with a job to make things in, and what else this process was given. */
static inline void pool_make(struct worker *w)
{
    static const uint32_t given[] = { START_LOG, START_MACHINE, START_BLK, START_SERIAL };

    memset(own.pool, 0xff, sizeof(own.pool));
    memset(own.stale, 0xff, sizeof(own.stale));
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        for (int n = 0; n < 4 && start_handle(given[i]) != HANDLE_NONE; n++)
            remember_handle(w, sys_handle_dup(start_handle(given[i]),
                                              (uint32_t)sys_handle_info(start_handle(given[i])), 0,
                                              0));
    for (int round = 0; round < 4; round++) {
        pool_add(w, NEED_HANDLE(sys_job_create(start_handle(START_JOB))));
        for (const struct call_row *row = call_rows; row < call_rows + CALL_ROWS; row++)
            if (row->result == RESULT_HANDLE)
                (void)random_call(w, row);
    }
}

/* ---- the helper: it answers and interrupts, so that nobody waits for long, and it takes pages away ---- */

static inline void answer(handle_t ep, uint64_t token)
{
    struct ipc_msg *m = ipc_buffer();

    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = 8;
    (void)sys_ipc_reply(ep, token);
}

static inline void serve(struct worker *w)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        handle_t ep = own.pool[OBJ_ENDPOINT][i];

        if (ep == HANDLE_NONE || below(w, 4))
            continue;
        for (int n = 0; n < 4 && sys_ipc_recv(ep, IPC_NONBLOCK, 0) == 0; n++) {
            uint64_t token = ipc_buffer()->token;
            uint32_t type = ipc_buffer()->type;

            remember_message(w, ep);
            if (type == IPC_CANCEL)
                answer(ep, token);
        }
    }
    uint64_t i = below(w, 2 * TOKENS);

    if (i < TOKENS)
        answer(own.received[i].ep, own.received[i].token);
}

static inline void flicker(struct worker *w)
{
    uint64_t page = page_of_arena(FLICKER + below(w, PLAY - FLICKER));

    if (below(w, 2))
        (void)sys_vm_unmap(HANDLE_SELF, page, PAGE_SIZE);
    else
        (void)sys_vm_protect(HANDLE_SELF, page, PAGE_SIZE, VM_READ);
}

static inline _Noreturn int helper(void *seed)
{
    static struct worker w;

    worker_init(&w, (uint64_t)(uintptr_t)seed);
    (void)ipc_buffer();
    __atomic_store_n(&own.helped, true, __ATOMIC_RELEASE);
    for (;;) {
        serve(&w);
        (void)sys_thread_upcall(own.workers[below(&w, 2)], ANY_OF(&w, handled));
        flicker(&w);
        for (int i = 0; i < 4; i++)
            arena_mend(&w);
        if (own.pool[OBJ_JOB][below(&w, SLOTS)] == HANDLE_NONE || below(&w, 16) == 0)
            pool_add(&w, sys_job_create(start_handle(START_JOB)));
        (void)sys_thread_sleep(20000);
    }
}

/* What it needs it has before other calls can make holes where it would be put. */
static inline void helper_start(uint64_t seed)
{
    static struct thread thread;

    EXPECT(0, thread_start(&thread, helper, (void *)(uintptr_t)seed, 0));
    while (!__atomic_load_n(&own.helped, __ATOMIC_ACQUIRE))
        NEED(sys_yield());
}

#endif
