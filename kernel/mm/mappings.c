/* Walks over all mappings of a memory object, in whatever address spaces they are (vm.h). */
#include "mm/pages.h"

/* Work on r from `at` on, with its address space locked; how far it came. */
typedef uintptr_t (*sweep_step)(struct region *r, uintptr_t at, void *arg, struct vm_batch *b);

/*
 * Do some work on the first mapping that this sweep has not finished with; *last and *at: on which and where it goes on.
 * False: there is none. Mappings that are done go to the end of the list, where new ones go too. The address space's lock
 * ranks below the list's, so it is only tried for.
 */
static bool sweep_some(struct shm *s, sweep_step step, void *arg, struct region **last,
                       uintptr_t *at)
{
    struct vm_batch b = { 0 };
    spin_lock(&s->maps_lock);
    struct list *n = s->mappings.next;
    struct region *r = LIST_ENTRY(n, struct region, shm_node);
    bool more = n != &s->mappings && r->sweep != s->sweep;
    if (more && spin_try(&r->as->lock)) {
        struct aspace *as = r->as;
        *at = step(r, r == *last ? *at : start_of(r), arg, &b);
        *last = r;
        if (*at >= r->end) {
            r->sweep = s->sweep;
            list_del(n);
            list_add_tail(&s->mappings, n);
            *last = NULL;
        }
        vm_batch_settle(as, &b);
        spin_unlock(&as->lock);
    }
    spin_unlock(&s->maps_lock);
    vm_batch_finish(&b);
    return more;
}

/* The object is busy: there is one sweep at a time. */
static void sweep(struct shm *s, sweep_step step, void *arg)
{
    struct region *last = NULL;
    uintptr_t at = 0;
    spin_lock(&s->maps_lock);
    s->sweep++;
    spin_unlock(&s->maps_lock);
    while (sweep_some(s, step, arg, &last, &at))
        cpu_pause();
}

static uintptr_t cut_step(struct region *r, uintptr_t at, void *arg, struct vm_batch *b)
{
    uint64_t first = *(uint64_t *)arg, skip = first > r->shm_page ? first - r->shm_page : 0;
    unsigned work = WORK_AT_ONCE;
    if (skip >= (r->end - start_of(r)) >> PAGE_SHIFT)
        return r->end;
    uintptr_t from = start_of(r) + (skip << PAGE_SHIFT);
    return region_drop_pages(r, at > from ? at : from, r->end, DROP_OBJECTS, &work, b);
}

void vm_object_cut(struct shm *s, uint64_t first)
{
    sweep(s, cut_step, &first);
}

/* Also those that became read-only a moment ago may not have told all CPUs yet. */
static uintptr_t stop_step(struct region *r, uintptr_t at, void *arg, struct vm_batch *b)
{
    bool *writable = arg;
    unsigned work = WORK_AT_ONCE;
    *writable |= writes_shared(r, r->prot);
    if (r->copy || *writable)
        return r->end;
    vm_batch_add(b, start_of(r));
    vm_batch_add(b, r->end - PAGE_SIZE);
    return region_update_pages(r, at, r->end, &work, b);
}

bool vm_object_stop_writes(struct shm *s)
{
    bool writable = false;
    sweep(s, stop_step, &writable);
    return !writable;
}
