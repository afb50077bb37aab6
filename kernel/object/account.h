/*
 * Accounts: who pays for what the kernel gives.
 *
 * Each job has one (proc/job.c); it counts what the job and the jobs in it use, kind by kind (enum job_kind), against
 * a limit for each. A charge counts in the account and in all above it, or in none. What was charged is given back
 * once, when the thing goes: whoever keeps a charge keeps a reference on the account's owner, so a memory object that
 * was passed on is still paid for by the job it came from.
 *
 * docs/jobs.md tells which things cost what.
 */
#ifndef OBJECT_ACCOUNT_H
#define OBJECT_ACCOUNT_H

#include "object/object.h"

struct account_count {
    uint64_t used, limit, peak; /* [a] */
};

struct account {
    struct account *parent; /* [I] the owner keeps it alive; NULL: the root */
    struct object *owner;   /* [I] the job it is part of */
    struct account_count count[JOB_KINDS];
};

/* No limits, nothing used. */
void account_init(struct account *a, struct account *parent, struct object *owner);
/* Count n of a kind, everywhere or nowhere; false: somewhere it would exceed the limit. */
bool account_charge(struct account *a, uint32_t kind, uint64_t n) MUST_CHECK;
void account_uncharge(struct account *a, uint32_t kind, uint64_t n);

/*
 * Memory for what is no object, n bytes: -ENOMEM, or a reference on the account's owner is kept until account_refund.
 */
status_t account_pay(struct account *a, uint64_t n) MUST_CHECK;
void account_refund(struct account *a, uint64_t n);

/* How much of a kind can still be charged; it may have changed already. */
uint64_t account_room(const struct account *a, uint32_t kind);
static inline uint64_t account_used(const struct account *a, uint32_t kind)
{
    return __atomic_load_n(&a->count[kind].used, __ATOMIC_RELAXED);
}

/*
 * What was paid in advance, so that not every page and handle walks up the tree: charged already, not used yet. Its
 * owner's lock guards it. Near a limit it takes exactly what is needed; what it holds from better times is at most
 * twice its batch.
 */
struct purse {
    struct account *account; /* [I] NULL: nobody pays */
    uint32_t kind;           /* [I] enum job_kind */
    uint32_t batch;          /* [I] how much it takes at a time */
    uint64_t saved;
};

void purse_init(struct purse *p, struct account *a, uint32_t kind, uint32_t batch);
/* Put n more into the purse and perhaps a batch beside; false: over the limit. */
bool purse_fill(struct purse *p, uint64_t n) MUST_CHECK;
/* Give back what is more than a batch; what is left with all set. */
void purse_empty(struct purse *p, bool all);

static inline bool purse_take(struct purse *p, uint64_t n)
{
    if (UNLIKELY(p->saved < n) && !purse_fill(p, n))
        return false;
    p->saved -= n;
    return true;
}

static inline void purse_return(struct purse *p, uint64_t n)
{
    p->saved += n;
    if (UNLIKELY(p->saved > 2ull * p->batch))
        purse_empty(p, false);
}

/* ---- objects ---- */

/*
 * Let an account pay for an object, from now until it is destroyed; done once, before or with its first handle.
 * -ENOMEM, -EAGAIN (a thread or process too many), -EMFILE (a session too many).
 */
status_t object_charge(struct object *o, struct account *a) MUST_CHECK;
/*
 * A session comes from its server to a client, which pays for it from then on; other objects stay with their maker,
 * and so does a session that has come to a client before. -EMFILE, -ENOMEM.
 */
status_t object_adopt(struct object *o, struct account *a) MUST_CHECK;
/* Called by object_put: the object of that type is gone. */
void account_object_gone(struct account *a, uint32_t type);

#endif
