/*
 * What the stress tests share: a repeatable generator, jobs to put hostile children into, a canary that
 * must not notice them, and the machine's totals, which must be what they were when all is over.
 */
#ifndef STRESS_H
#define STRESS_H

#include "tests/prog/test.h"

struct rng {
    uint64_t state; /* not 0 */
};

/* Marsaglia's xorshift64*. */
static inline uint64_t rng_next(struct rng *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return (rng_next(r) >> 16) % n;
}

/* A number of the command line ("seed=7"), or the default. */
static inline uint64_t stress_option(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static inline uint64_t stress_now(void)
{
    return (uint64_t)sys_time_now(CLOCK_MONOTONIC);
}

/* A new job three levels below ours: what runs there is no core service. */
static inline handle_t stress_job(void)
{
    handle_t job = start_handle(START_JOB);

    for (int i = 0; i < 3; i++) {
        handle_t inner = NEED_HANDLE(sys_job_create(job));

        if (i > 0)
            (void)sys_handle_close(job);
        job = inner;
    }
    return job;
}

/* A child in job with these handles and no others. */
static inline handle_t stress_spawn_in(const char *path, char *const argv[], handle_t job,
                                       const struct spawn_handle *handles, size_t nhandles)
{
    static struct initrd rd;
    struct spawn_args args = { .job = job, .argv = argv, .handles = handles, .nhandles = nhandles };
    struct initrd_file image;
    handle_t proc = HANDLE_NONE;

    if (rd.data == NULL)
        NEED(shm_attach(start_handle(START_INITRD), VM_READ, (void **)&rd.data, &rd.size));
    for (int i = 0; i < 3; i++)
        args.fds[i] = HANDLE_NONE;
    EXPECT_TRUE(initrd_find(&rd, path, &image));
    NEED(spawn_image(&args, image.data, image.size, &proc));
    return proc;
}

/* A child in job with the job itself and `more` handles, but no log. */
static inline handle_t stress_spawn(const char *path, char *const argv[], handle_t job,
                                    const struct spawn_handle *more, size_t nmore)
{
    struct spawn_handle handles[8] = { { START_JOB, job, RIGHT_SAME } };
    size_t n = 1;

    for (size_t i = 0; i < nmore; i++)
        handles[n++] = more[i];
    return stress_spawn_in(path, argv, job, handles, n);
}

/*
 * The totals. As free count also the frames that the kernel keeps because its tables and slabs were fuller once, and those
 * that this program has touched itself: what it asks for meanwhile is no leak of what it looks at.
 */
static inline void stress_totals(struct machine_info *info)
{
    struct process_info own;

    NEED(sys_machine_info(start_handle(START_MACHINE), info));
    NEED(sys_process_info(HANDLE_SELF, &own));
    info->free_pages += info->kept_pages + own.pages;
}

/* Which total differs, or NULL. */
static inline const char *stress_difference(const struct machine_info *a,
                                            const struct machine_info *b)
{
    return a->processes != b->processes     ? "processes"
           : a->threads != b->threads       ? "threads"
           : a->handles != b->handles       ? "handles"
           : a->sessions != b->sessions     ? "sessions"
           : a->endpoints != b->endpoints   ? "endpoints"
           : a->shms != b->shms             ? "memory objects"
           : a->ports != b->ports           ? "ports"
           : a->messages != b->messages     ? "messages"
           : a->free_pages != b->free_pages ? "free pages"
                                            : NULL;
}

/*
 * The totals when what ended has gone: several looks in a row give the same. A CPU of a busy host may stand still for a while
 * with what it was about to give back.
 */
static inline void stress_settled(struct machine_info *info)
{
    enum { LOOKS = 6 };
    struct machine_info earlier;

    stress_totals(info);
    for (int same = 1; same < LOOKS; same++) {
        earlier = *info;
        NEED(sys_thread_sleep(20 * MS));
        stress_totals(info);
        if (stress_difference(&earlier, info) != NULL)
            same = 0;
    }
}

/* What is not as it was before, NULL if nothing: looked at again for a while, as processes end in their own time. */
static inline const char *stress_left(const struct machine_info *before, struct machine_info *now)
{
    const char *what = NULL;

    for (int i = 0; i < 300; i++) {
        stress_totals(now);
        what = stress_difference(before, now);
        if (what == NULL)
            break;
        NEED(sys_thread_sleep(10 * MS));
    }
    return what;
}

/* Everything must be as it was before. */
static inline void stress_same(const struct machine_info *before)
{
    struct machine_info now;
    const char *what = stress_left(before, &now);

    if (what == NULL)
        return;
    printf("left over: %s\n", what);
    printf(
        "processes %d threads %d handles %d sessions %d endpoints %d shms %d ports %d messages %d free %d\n",
        (int)(now.processes - before->processes), (int)(now.threads - before->threads),
        (int)(now.handles - before->handles), (int)(now.sessions - before->sessions),
        (int)(now.endpoints - before->endpoints), (int)(now.shms - before->shms),
        (int)(now.ports - before->ports), (int)(now.messages - before->messages),
        (int)(now.free_pages - before->free_pages));
    fflush(stdout);
    exit(1);
}

/*
 * Call run with rising numbers until several calls in a row have left everything as it was: what is kept for next time
 * (page tables of kernel stacks) grows at most a few times, a leak each time. run should work in a child, whose own page
 * tables go with it.
 */
static inline void stress_repeat(void (*run)(uint64_t round))
{
    enum { ROUNDS = 16, SAME = 3 };
    struct machine_info before, after;

    stress_settled(&before);
    for (uint64_t round = 0, same = 0; same < SAME; round++) {
        if (round == ROUNDS)
            stress_same(&before); /* says what is left over */
        EXPECT_TRUE(round < ROUNDS);
        run(round);
        stress_settled(&after);
        same = stress_difference(&before, &after) == NULL ? same + 1 : 0;
        if (round < ROUNDS - 1)
            before = after;
    }
}

#endif
