/* Protection, commitment, and giving pages up (vm.h). */
#include "mm/pages.h"

/* A change of protection. */
struct change {
    uintptr_t addr, end;
    uint32_t prot;
    bool anonymous; /* not for memory objects */
    uintptr_t
        stale; /* entries below this, from where the change has come to, may have the old protection yet */
};

/* Whether it may be done to r, which is what lies at some place of it. */
static status_t check_region(const struct region *r, const struct change *c)
{
    if (!r || (c->anonymous && r->shm))
        return -EINVAL;
    if (c->prot & ~r->max_prot)
        return -EACCES;
    if (writes_shared(r, c->prot) && write_stopped(r->shm))
        return -EPERM;
    return OK;
}

/* Let others have the lock, and interrupts come. */
static void breathe(struct aspace *as)
{
    spin_unlock(&as->lock);
    spin_lock(&as->lock);
}

/* Whether it may be done; *needed: whether it changes anything. The lock is let go of now and then. */
static status_t check_change(struct aspace *as, const struct change *c, bool *needed)
{
    unsigned work = WORK_AT_ONCE / WORK_REGION;
    *needed = false;
    for (uintptr_t at = c->addr; at < c->end;) {
        const struct region *r = live_region_at(as, at);
        status_t st = check_region(r, c);
        if (st != OK)
            return st;
        *needed |= r->prot != c->prot;
        at = r->end;
        if (--work == 0) {
            work = WORK_AT_ONCE / WORK_REGION;
            breathe(as);
        }
    }
    return OK;
}

/* Give r, as far as it is between `at` and the end of the change, the new protection; its entries are stale then. */
static status_t change_region(struct region *r, uintptr_t at, struct change *c)
{
    uintptr_t end = min_u64(r->end, c->end);
    status_t st = cut_at_ends(r->as, at, end);
    if (st != OK)
        return st;
    live_region_at(r->as, at)->prot = (uint8_t)c->prot;
    if (c->stale < end)
        c->stale = end;
    return OK;
}

/* Change some from *at on, and move it on. */
static status_t change_some(struct aspace *as, struct change *c, uintptr_t *at, struct vm_batch *b)
{
    unsigned work = WORK_AT_ONCE;
    while (*at < c->end && work) {
        struct region *r = live_region_at(as, *at);
        status_t st = check_region(r, c);
        if (st == OK && r->prot != c->prot) {
            st = change_region(r, *at, c);
            r = live_region_at(as, *at);
        }
        if (st != OK)
            return st;
        uintptr_t end = min_u64(r->end, c->end);
        if (*at < c->stale)
            *at = region_update_pages(r, *at, min_u64(end, c->stale), &work, b);
        if (*at >= c->stale)
            *at = end;
        if (*at == r->end)
            region_join(r);
        work -= (unsigned)min_u64(work, WORK_REGION);
    }
    return OK;
}

static status_t change_protection(struct aspace *as, struct change *c)
{
    bool needed;
    spin_lock(&as->lock);
    status_t st = check_change(as, c, &needed);
    if (st == OK && needed)
        st = cut_at_ends(as, c->addr, c->end);
    for (uintptr_t at = c->addr; st == OK && needed && at < c->end;) {
        struct vm_batch b = { 0 };
        st = change_some(as, c, &at, &b);
        struct region *next = region_at(as, c->end);
        if (at >= c->end && next && start_of(next) == c->end)
            region_join(next);
        vm_batch_settle(as, &b);
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        spin_lock(&as->lock);
    }
    spin_unlock(&as->lock);
    return st;
}

status_t vm_protect(struct aspace *as, uintptr_t addr, uint64_t len, uint32_t prot)
{
    prot = effective_prot(prot);
    if (!range_valid(addr, len) || !prot_valid(prot))
        return -EINVAL;
    return change_protection(as, &(struct change){ .addr = addr, .end = addr + len, .prot = prot });
}

status_t vm_commit(struct aspace *as, uintptr_t addr, uint64_t len)
{
    if (!range_valid(addr, len))
        return -EINVAL;
    return change_protection(
        as, &(struct change){
                .addr = addr, .end = addr + len, .prot = VM_READ | VM_WRITE, .anonymous = true });
}

/* ---- giving pages up ---- */

/* Whether r, what lies at some place, is memory of the address space's own. */
static bool is_private(const struct region *r)
{
    return r && (!r->shm || r->copy);
}

/* Whether the range is mapped as a whole, with memory of the address space's own. The lock is let go of now and then. */
static bool all_private(struct aspace *as, uintptr_t addr, uintptr_t end)
{
    unsigned work = WORK_AT_ONCE / WORK_REGION;
    for (uintptr_t at = addr; at < end;) {
        const struct region *r = live_region_at(as, at);
        if (!is_private(r))
            return false;
        at = r->end;
        if (--work == 0) {
            work = WORK_AT_ONCE / WORK_REGION;
            breathe(as);
        }
    }
    return true;
}

/* Drop pages of [at, end) that are mapped still; returns how far it came. */
static uintptr_t discard_some(struct aspace *as, uintptr_t at, uintptr_t end, struct vm_batch *b)
{
    unsigned work = WORK_AT_ONCE;
    struct region *r = region_above(as, at);
    for (; r && start_of(r) < end && work; r = r->next) {
        uintptr_t stop = min_u64(r->end, end);
        if (at < start_of(r))
            at = start_of(r);
        if (is_private(r) && !region_is_leaving(r))
            at = region_drop_pages(r, at, stop, DROP_ALL, &work, b);
        else
            at = stop;
        if (at < stop)
            return at;
        work -= (unsigned)min_u64(work, WORK_REGION);
    }
    return r && start_of(r) < end ? at : end;
}

status_t vm_decommit(struct aspace *as, uintptr_t addr, uint64_t len)
{
    if (!range_valid(addr, len))
        return -EINVAL;
    spin_lock(&as->lock);
    status_t st = all_private(as, addr, addr + len) ? OK : -EINVAL;
    for (uintptr_t at = addr; st == OK && at < addr + len;) {
        struct vm_batch b = { 0 };
        at = discard_some(as, at, addr + len, &b);
        vm_batch_settle(as, &b);
        spin_unlock(&as->lock);
        vm_batch_finish(&b);
        spin_lock(&as->lock);
    }
    spin_unlock(&as->lock);
    return st;
}
