/* Futexes (futex.h). A hot path: it reads user memory itself instead of through mm/usercopy.c's copies. */
#include "ipc/futex.h"
#include "mm/vm.h"
#include "sched/handover.h"

#define BUCKET_BITS  8
#define WAKE_AT_ONCE 64u /* sleepers woken while a bucket is locked once */

/* What a word is called. */
struct futex_key {
    const void *space; /* address space, or memory object */
    uint64_t at; /* address in it, or byte offset */
};

/* A sleeper, on its kernel stack. */
struct futex_waiter {
    struct futex_key key;
    struct prio_node node; /* [b] bucket->waiters, until it is woken by futex_wake */
    struct thread *thread; /* [I] alive as long as node is linked */
    uint64_t number; /* [I] rises in the order of arrival */
};

static struct bucket {
    struct spinlock lock; /* b */
    struct prio_queue waiters; /* [b] struct futex_waiter.node */
    uint64_t arrivals; /* [b] */
} ALIGNED(64) buckets[1 << BUCKET_BITS];

void futex_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(buckets); i++) {
        spin_init(&buckets[i].lock, RANK_WAITQ);
        prio_queue_init(&buckets[i].waiters);
    }
}

static inline bool same_key(const struct futex_key *a, const struct futex_key *b)
{
    return a->at == b->at && a->space == b->space;
}

static inline struct bucket *bucket_of(struct futex_key k)
{
    uint64_t h = ((uintptr_t)k.space ^ (k.at >> 2)) * 0x9e3779b97f4a7c15ull;
    return &buckets[h >> (64 - BUCKET_BITS)];
}

/* Calls come with interrupts on. */
static inline void bucket_lock(struct bucket *b)
{
    irq_disable();
    spin_acquire(&b->lock);
}

static inline void bucket_unlock(struct bucket *b)
{
    spin_release(&b->lock);
    irq_enable();
}

static inline status_t check_address(uintptr_t va)
{
    return va & 3 ? -EINVAL : va - USER_MIN < USER_MAX - USER_MIN ? OK : -EFAULT;
}

static inline struct futex_key private_key(uintptr_t va)
{
    return (struct futex_key){ current_thread()->aspace, va };
}

/* As the processes that share it call the word. *shm gets a reference on the object it is named by, or NULL. */
static struct futex_key shared_key(uintptr_t va, struct shm **shm)
{
    struct futex_key k = private_key(va);
    *shm = vm_object_at(current_thread()->aspace, va, &k.at);
    if (*shm)
        k.space = *shm;
    return k;
}

static void key_put(struct shm *shm)
{
    if (shm)
        object_put(&shm->obj);
}

/*
 * Compare the word and sleep. -EFAULT with nothing done: its page is not there, and can't be fetched with the bucket
 * locked. Who was woken has been taken out of the bucket and need not lock it again.
 */
static inline __attribute__((always_inline)) status_t compare_and_sleep(struct futex_key k,
                                                                        uintptr_t va, uint32_t val,
                                                                        uint64_t deadline)
{
    struct bucket *b = bucket_of(k);
    struct futex_waiter w;
    uint32_t now;
    bucket_lock(b);
    status_t st = user_peek32(&now, (struct user_in){ va });
    if (st == OK && now != val)
        st = -EAGAIN;
    else if (st == OK && deadline != WAIT_FOREVER && deadline <= clock_ns())
        st = -ETIMEDOUT;
    if (UNLIKELY(st != OK)) {
        bucket_unlock(b);
        return st;
    }
    w.key = k;
    w.thread = current_thread();
    w.number = b->arrivals++;
    prio_node_init(&w.node);
    prio_add(&b->waiters, &w.node, thread_priority(w.thread));
    st = wait_sleep_alone(&b->lock, deadline);
    if (LIKELY(st == OK))
        return OK;
    bucket_lock(b);
    prio_del(&w.node);
    bucket_unlock(b);
    return st;
}

/* From the beginning, fetching the page first. It may go again before the next look; then once more. */
static __attribute__((noinline)) status_t wait_slowly(struct futex_key k, uintptr_t va,
                                                      uint32_t val, uint64_t deadline)
{
    status_t st;
    uint32_t word;
    do {
        st = copy_from_user(&word, (struct user_in){ va }, sizeof word);
        if (st == OK)
            st = compare_and_sleep(k, va, val, deadline);
        else
            break;
    } while (st == -EFAULT);
    return st;
}

static __attribute__((noinline)) status_t wait_shared(uintptr_t va, uint32_t val, uint64_t deadline)
{
    struct shm *shm;
    struct futex_key k = shared_key(va, &shm);
    status_t st = wait_slowly(k, va, val, deadline);
    key_put(shm);
    return st;
}

HOT int64_t futex_wait(uintptr_t va, uint32_t val, int64_t timeout, bool shared)
{
    status_t st = check_address(va);
    if (UNLIKELY(st != OK))
        return st;
    uint64_t deadline = timeout < 0 ? WAIT_FOREVER : deadline_from(timeout);
    if (UNLIKELY(shared))
        return wait_shared(va, val, deadline);
    struct futex_key k = private_key(va);
    st = compare_and_sleep(k, va, val, deadline);
    return LIKELY(st != -EFAULT) ? st : wait_slowly(k, va, val, deadline);
}

/* Wake w, which is gone then; false: something else has. The bucket is locked. */
static inline bool take_out(struct futex_waiter *w)
{
    struct thread *t = w->thread;
    prio_del(&w->node);
    return thread_wake(t, OK);
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
    PRIO_FOR (node, &b->waiters) {
        struct futex_waiter *w = LIST_ENTRY(node, struct futex_waiter, node);
        if (w->number >= end || !same_key(&w->key, k))
            continue;
        if (woken == n || woken == WAKE_AT_ONCE) {
            *more = true;
            break;
        }
        woken += take_out(w);
    }
    return woken;
}

static __attribute__((noinline)) uint32_t wake_many(struct bucket *b, struct futex_key k,
                                                    uint32_t n)
{
    uint32_t woken = 0;
    bool more;
    bucket_lock(b);
    uint64_t end =
        b->arrivals; /* who comes while the bucket is unlocked in between need not be woken */
    for (;;) {
        woken += wake_some(b, &k, n - woken, end, &more);
        if (!more || woken == n)
            break;
        bucket_unlock(b);
        bucket_lock(b);
    }
    bucket_unlock(b);
    return woken;
}

/* The most important sleeper of k, of equals the one that came first, or NULL. The bucket is locked. */
static inline struct futex_waiter *first_of(const struct bucket *b, const struct futex_key *k)
{
    for (struct prio_node *n = prio_first(&b->waiters); n; n = prio_next(&b->waiters, n)) {
        struct futex_waiter *w = LIST_ENTRY(n, struct futex_waiter, node);
        if (same_key(&w->key, k))
            return w;
    }
    return NULL;
}

/* The first one that still sleeps. */
static inline uint32_t wake_one(struct bucket *b, struct futex_key k)
{
    struct futex_waiter *w;
    bucket_lock(b);
    do
        w = first_of(b, &k);
    while (w && UNLIKELY(!take_out(w)));
    bucket_unlock(b);
    return w != NULL;
}

static __attribute__((noinline)) uint32_t wake_shared(uintptr_t va, uint32_t n)
{
    struct shm *shm;
    struct futex_key k = shared_key(va, &shm);
    uint32_t woken = wake_many(bucket_of(k), k, n);
    key_put(shm);
    return woken;
}

int64_t futex_wake(uintptr_t va, uint32_t n, bool shared)
{
    status_t st = check_address(va);
    if (UNLIKELY(st != OK))
        return st;
    if (UNLIKELY(shared))
        return wake_shared(va, n);
    struct futex_key k = private_key(va);
    struct bucket *b = bucket_of(k);
    return LIKELY(n == 1) ? wake_one(b, k) : wake_many(b, k, n);
}
