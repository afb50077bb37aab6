/* Helper threads. They wait for work on a word that counts what was ever handed in; none of them runs Go. */
#include "support.h"

#include <errno.h>
#include <rugo/syscall.h>
#include <rugo/thread.h>

enum { WORKERS_MAX = 128 };

static struct thread threads[WORKERS_MAX];
static struct mutex lock = MUTEX_INIT;
static struct work *first, **last = &first; /* lock: not begun */
static size_t nwaiting; /* lock: pieces of work not begun */
static size_t nidle; /* lock: workers that wait */
static size_t nworkers; /* lock */
static uint32_t handed_in; /* lock to write */
static handle_t port; /* written before the first worker is started */

/* Called with the lock, gives it back while it sleeps. */
static void wait_for_work(void)
{
    uint32_t seen = handed_in;

    nidle++;
    mutex_unlock(&lock);
    (void)sys_futex_wait((uintptr_t)&handed_in, seen, TIMEOUT_NEVER, 0);
    mutex_lock(&lock);
    nidle--;
}

static struct work *take(void)
{
    struct work *w;

    mutex_lock(&lock);
    while (first == NULL)
        wait_for_work();
    w = first;
    first = w->next;
    if (first == NULL)
        last = &first;
    nwaiting--;
    mutex_unlock(&lock);
    return w;
}

static int worker(void *forever)
{
    while (forever != NULL) {
        struct work *w = take();
        uint64_t token = w->token;

        w->fn(w->arg);
        /* The port takes more tokens than there are workers, so only a lack of memory can be in the way. */
        while (sys_port_post(port, token, EV_USER0) != 0)
            (void)sys_thread_sleep(1000000);
    }
    return 0;
}

/* With the lock. 0 when enough workers are there or on their way, or negative errno. */
static int enough_workers(void)
{
    int st;

    if (nidle > nwaiting || nworkers == WORKERS_MAX)
        return 0;
    st = thread_start(&threads[nworkers], worker, &first, 0);
    if (st == 0)
        nworkers++;
    return nworkers > 0 ? 0 : st;
}

int support_work(struct work *w, handle_t p)
{
    int st;

    mutex_lock(&lock);
    port = p;
    st = enough_workers();
    if (st == 0) {
        w->next = NULL;
        *last = w;
        last = &w->next;
        nwaiting++;
        handed_in++;
    }
    mutex_unlock(&lock);
    if (st == 0)
        (void)sys_futex_wake((uintptr_t)&handed_in, 1, 0);
    return st;
}

void support_call(void (*fn)(void *), void *arg)
{
    fn(arg);
}
