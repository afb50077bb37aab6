/*
 * `test=stress.services seed=N count=M service=S`: the service is killed M times at any moment while clients use it. They
 * see only the errors that the contract names, the file they had synced is whole, the service is back soon, and in the end
 * nothing is left over. Prints how long it took at most until a client was served again.
 */
#include <fcntl.h>
#include <rugo/thread.h>
#include <unistd.h>

#include "tests/prog/stress.h"

enum { CLIENTS = 3, WORDS = 128, SLACK = 64 /* pages that a service may keep for next time */ };

static struct rng rng;
static volatile bool stop;
static bool forgets; /* files are in memory, and the next fsd has none of them */
static uint64_t served; /* [a] operations that went well */

/* The next go may find the service not there yet, never anything else. */
static void expect_named(const char *what)
{
    if (errno != EPIPE && errno != ECONNRESET)
        test_fail(__FILE__, __LINE__, what, errno, EPIPE);
}

/* ---- files: one block that is rewritten, of one word throughout ---- */

struct file {
    char path[16];
    uint64_t tried, synced; /* the word that was last written, and last known to be safe */
};

static bool store(struct file *f)
{
    uint64_t words[WORDS];
    int fd = open(f->path, O_RDWR | O_CREAT, 0644);

    if (fd < 0)
        return false;
    f->tried++;
    for (int i = 0; i < WORDS; i++)
        words[i] = f->tried;
    bool done = write(fd, words, sizeof(words)) == (ssize_t)sizeof(words) && fsync(fd) == 0;
    int error = errno;

    if (done)
        f->synced = f->tried;
    (void)close(fd);
    errno = error;
    return done;
}

/* What is there is what was written at some time since the last that is safe, in one piece. */
static bool check(struct file *f)
{
    uint64_t words[WORDS];
    int fd = open(f->path, O_RDONLY);

    if (fd < 0 && errno == ENOENT && (f->synced == 0 || forgets)) {
        f->synced = 0;
        return true;
    }
    if (fd < 0)
        return false;
    ssize_t n = read(fd, words, sizeof(words));
    int error = errno;

    (void)close(fd);
    errno = error;
    if (n < 0)
        return false;
    EXPECT_TRUE(n == (ssize_t)sizeof(words) || (n == 0 && (f->synced == 0 || forgets)));
    for (int i = 0; i < WORDS && n > 0; i++)
        EXPECT(words[0], words[i]);
    if (n > 0)
        EXPECT_TRUE((words[0] >= f->synced || forgets) && words[0] <= f->tried);
    return true;
}

static int use_files(void *number)
{
    struct file f = { .tried = 0 };

    snprintf(f.path, sizeof(f.path), "/kill%d", (int)(intptr_t)number);
    (void)unlink(f.path);
    while (!stop) {
        /* Without a journal the next fsd may find the disk in a state that it will only read (docs/fs_v0.md). */
        bool stored = store(&f) || errno == EROFS;

        if (stored && check(&f))
            __atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
        else
            expect_named(f.path);
    }
    while (!check(&f))
        expect_named(f.path);
    return 0;
}

static int use_console(void *unused)
{
    (void)unused;
    while (!stop) {
        if (write(1, "\r", 1) == 1)
            __atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
        else
            expect_named("the terminal");
        NEED(sys_thread_sleep(MS / 10));
    }
    return 0;
}

/* ---- the killer ---- */

static handle_t find(const char *service)
{
    uint64_t pids[64];
    int64_t n = NEED(sys_job_list(start_handle(START_ROOT_JOB), pids, 64));
    struct process_info info;

    for (int64_t i = 0; i < n && i < 64; i++) {
        handle_t h = sys_process_open(start_handle(START_ROOT_JOB), pids[i],
                                      RIGHT_MANAGE | RIGHT_INSPECT | RIGHT_WAIT);

        if (h < 0)
            continue;
        if (sys_process_info(h, &info) == 0 && info.state == PROC_RUNNING &&
            strcmp((const char *)info.name, service) == 0)
            return h;
        (void)sys_handle_close(h);
    }
    return HANDLE_NONE;
}

/* Kill it, and the ns until somebody is served by the next one. */
static uint64_t kill_once(const char *service)
{
    handle_t proc;

    NEED(sys_thread_sleep((int64_t)rng_below(&rng, 30 * (uint64_t)MS)));
    while ((proc = find(service)) == HANDLE_NONE)
        NEED(sys_thread_sleep(MS));
    NEED(sys_process_kill(proc, 9));
    uint64_t since = stress_now(), before = __atomic_load_n(&served, __ATOMIC_RELAXED);

    EXPECT(9, test_wait(proc));
    while (__atomic_load_n(&served, __ATOMIC_RELAXED) < before + CLIENTS + 1)
        NEED(sys_thread_sleep(MS / 4));
    return stress_now() - since;
}

static uint64_t attack(const char *service, uint64_t kills)
{
    static struct thread clients[CLIENTS];
    int (*use)(void *) = strcmp(service, "fsd") == 0 ? use_files : use_console;
    uint64_t slowest = 0;

    stop = false;
    for (int i = 0; i < CLIENTS; i++)
        EXPECT(0, thread_start(&clients[i], use, (void *)(intptr_t)i, 0));
    while (kills-- > 0) {
        uint64_t took = kill_once(service);

        slowest = took > slowest ? took : slowest;
    }
    stop = true;
    for (int i = 0; i < CLIENTS; i++) {
        int result;

        EXPECT(0, thread_join(&clients[i], &result));
        EXPECT(0, result);
    }
    return slowest;
}

int main(void)
{
    const char *service = getenv("service") != NULL ? getenv("service") : "fsd";
    struct machine_info before, now;
    char line[64];

    forgets = stress_option("disk", 1) == 0;
    rng.state = stress_option("seed", 1) | 1;
    (void)attack(service, 2); /* what is made once is made now */
    stress_settled(&before);
    uint64_t slowest = attack(service, stress_option("count", 10));

    stress_settled(&now); /* services keep a few pages more or less each time they start */
    EXPECT_TRUE(now.free_pages + SLACK >= before.free_pages);
    before.free_pages = now.free_pages;
    stress_same(&before);
    snprintf(line, sizeof(line), "STRESS: services ok slowest_us=%llu",
             (unsigned long long)(slowest / 1000));
    test_mark(line);
    return 0;
}
