/* Futexes (futex.h). A hot path: it reads user memory itself instead of through mm/usercopy.c's copies. */
#include "ipc/futex.h"
#include "mm/vm.h"
#include "sched/thread.h"

#define BUCKET_BITS  8
#define WAKE_AT_ONCE 64u /* sleepers woken while a bucket is locked once */

/* What a word is called. */
struct futex_key {
    const void *space; /* address space, or memory object */
    uint64_t at; /* address in it, or byte offset */
};

struct futex_waiter {
    struct futex_key key;
    struct list node; /* [b] bucket->waiters; empty: woken */
    struct thread *thread; /* [I] */
    uint64_t number; /* [I] rises in the order of arrival */
};

static struct bucket {
    struct spinlock lock; /* b */
    struct list
        waiters; /* [b] struct futex_waiter.node, first come first; next is NULL before the first use */
    uint64_t arrivals; /* [b] */
} ALIGNED(64) buckets[1 << BUCKET_BITS] = {
    [0 ...(1 << BUCKET_BITS) - 1] = { .lock = SPINLOCK_INIT(RANK_WAITQ) },
};

static bool same_key(const struct futex_key *a, const struct futex_key *b)
{
    return a->at == b->at && a->space == b->space;
}

static inline struct bucket *bucket_of(const struct futex_key *k)
{
    uint64_t h = ((uintptr_t)k->space ^ (k->at >> 2)) * 0x9e3779b97f4a7c15ull;
    return &buckets[h >> (64 - BUCKET_BITS)];
}

static inline void lock_bucket(struct bucket *b)
{
    spin_lock(&b->lock);
    if (UNLIKELY(!b->waiters.next))
        list_init(&b->waiters);
}

/* The name of the word at va. *shm gets a reference on the object it is named by, or NULL. */
static inline status_t make_key(uintptr_t va, bool shared, struct futex_key *k, struct shm **shm)
{
    *shm = NULL;
    if (UNLIKELY(va & 3))
        return -EINVAL;
    if (UNLIKELY(!user_range_ok(va, sizeof(uint32_t))))
        return -EFAULT;
    k->space = current_thread()->aspace;
    k->at = va;
    if (UNLIKELY(shared) && (*shm = vm_object_at(current_thread()->aspace, va, &k->at)))
        k->space = *shm;
    return OK;
}

static inline void key_put(struct shm *shm)
{
    if (UNLIKELY(shm != NULL))
        object_put(&shm->obj);
}

/*
 * Compare the word and sleep. -EFAULT with nothing done: its page is not there, and can't be fetched with the bucket
 * locked.
 */
static status_t compare_and_sleep(const struct futex_key *k, uintptr_t va, uint32_t val,
                                  uint64_t deadline)
{
    struct futex_waiter w;
    uint32_t now;
    struct bucket *b = bucket_of(k);
    lock_bucket(b);
    status_t st = user_peek32(&now, (struct user_in){ va });
    if (st == OK && now != val)
        st = -EAGAIN;
    if (st == OK) {
        w.key = *k;
        w.thread = current_thread();
        w.number = b->arrivals++;
        list_add_tail(&b->waiters, &w.node);
        st = wait_sleep_alone(&b->lock, deadline);
        list_del(&w.node);
    }
    spin_unlock(&b->lock);
    return st;
}

status_t futex_wait(uintptr_t va, uint32_t val, uint64_t deadline, bool shared)
{
    struct futex_key k;
    struct shm *shm;
    uint32_t word;
    status_t st = make_key(va, shared, &k, &shm);
    if (st != OK)
        return st;
    /* The page may go again between the fetch and the next look; then once more. */
    while ((st = compare_and_sleep(&k, va, val, deadline)) == -EFAULT)
        if (copy_from_user(&word, (struct user_in){ va }, sizeof word) != OK)
            break;
    key_put(shm);
    return st;
}

/*
 * Wake up to n (at most WAKE_AT_ONCE) sleepers of k that came before number `end`; how many. *more: there may be
 * others. The bucket is locked.
 */
static uint32_t wake_some(struct bucket *b, const struct futex_key *k, uint32_t n, uint64_t end,
                          bool *more)
{
    uint32_t woken = 0;
    *more = false;
    LIST_FOR (node, &b->waiters) {
        struct futex_waiter *w = LIST_ENTRY(node, struct futex_waiter, node);
        if (UNLIKELY(w->number >= end))
            break;
        if (!same_key(&w->key, k))
            continue;
        if (woken == n || woken == WAKE_AT_ONCE) {
            *more = true;
            break;
        }
        list_del(&w->node);
        woken += thread_wake(w->thread, OK);
    }
    return woken;
}

/* Wake many in steps; who comes while the bucket is unlocked in between need not be woken. */
static __attribute__((noinline)) uint32_t wake_many(struct bucket *b, const struct futex_key *k,
                                                    uint32_t n)
{
    uint32_t woken = 0;
    bool more;
    lock_bucket(b);
    uint64_t end = b->arrivals;
    for (;;) {
        woken += wake_some(b, k, n - woken, end, &more);
        if (!more || woken == n)
            break;
        spin_unlock(&b->lock);
        spin_lock(&b->lock);
    }
    spin_unlock(&b->lock);
    return woken;
}

/* Wake the first that still sleeps. */
static inline uint32_t wake_one(struct bucket *b, const struct futex_key *k)
{
    bool woken = false;
    lock_bucket(b);
    LIST_FOR (node, &b->waiters) {
        struct futex_waiter *w = LIST_ENTRY(node, struct futex_waiter, node);
        if (!same_key(&w->key, k))
            continue;
        list_del(&w->node);
        woken = thread_wake(w->thread, OK);
        if (LIKELY(woken))
            break;
    }
    spin_unlock(&b->lock);
    return woken;
}

int64_t futex_wake(uintptr_t va, uint32_t n, bool shared)
{
    struct futex_key k;
    struct shm *shm;
    status_t st = make_key(va, shared, &k, &shm);
    if (st != OK)
        return st;
    struct bucket *b = bucket_of(&k);
    uint32_t woken = LIKELY(n == 1) ? wake_one(b, &k) : wake_many(b, &k, n);
    key_put(shm);
    return woken;
}
