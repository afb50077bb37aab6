/* Memory objects (shm.h). */
#include "mm/shm.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"

#define FANOUT 512u /* addresses in a table of one page */

static void destroy(struct object *o)
{
    struct shm *s = CONTAINER(o, struct shm, obj);
    ASSERT(list_empty(&s->mappings));
    s->ops->release(s);
    kfree(s);
}

static void describe(struct object *o, struct object_facts *f)
{
    f->size = __atomic_load_n(&CONTAINER(o, struct shm, obj)->pages, __ATOMIC_RELAXED) * PAGE_SIZE;
}

static const struct object_ops object_ops = { .destroy = destroy, .describe = describe };

static struct shm *make(uint64_t pages, const struct shm_ops *ops)
{
    struct shm *s = kzalloc(sizeof *s);
    if (!s)
        return NULL;
    object_init(&s->obj, OBJ_SHM, &object_ops);
    s->ops = ops;
    s->pages = pages;
    spin_init(&s->maps_lock, RANK_SHM_MAPS);
    spin_init(&s->lock, RANK_SHM);
    list_init(&s->mappings);
    return s;
}

/* ---- anonymous ---- */

/* Let the object's account pay for one more page; without one the kernel pays. */
static bool pay(struct shm *s)
{
    struct account *a = __atomic_load_n(&s->obj.account, __ATOMIC_ACQUIRE);
    if (!a)
        return true;
    if (!account_charge(a, JOB_MEMORY, PAGE_SIZE))
        return false;
    s->paid += PAGE_SIZE;
    return true;
}

static void refund(struct shm *s)
{
    if (!s->obj.account)
        return;
    account_uncharge(s->obj.account, JOB_MEMORY, PAGE_SIZE);
    s->paid -= PAGE_SIZE;
}

static void *table_new(struct shm *s)
{
    if (!pay(s))
        return NULL;
    void *t = kzalloc(PAGE_SIZE);
    if (!t)
        refund(s);
    return t;
}

static paddr_t page_new(struct shm *s)
{
    if (!pay(s))
        return 0;
    paddr_t p = frame_alloc_zeroed();
    if (LIKELY(p))
        s->resident++;
    else
        refund(s);
    return p;
}

/* The slot of a page, with its tables made; NULL when memory is out. */
static paddr_t *slot(struct shm *s, uint64_t index)
{
    uint64_t top = index / FANOUT / FANOUT, mid = index / FANOUT % FANOUT;
    if (!s->tables && !(s->tables = table_new(s)))
        return NULL;
    if (!s->tables[top] && !(s->tables[top] = table_new(s)))
        return NULL;
    if (!s->tables[top][mid] && !(s->tables[top][mid] = table_new(s)))
        return NULL;
    return &s->tables[top][mid][index % FANOUT];
}

static paddr_t anon_page(struct shm *s, uint64_t index)
{
    spin_lock(&s->lock);
    paddr_t *p = slot(s, index), at = 0;
    if (p && !*p)
        *p = page_new(s);
    if (p)
        at = *p;
    spin_unlock(&s->lock);
    return at;
}

static void anon_release(struct shm *s)
{
    account_uncharge(s->obj.account, JOB_MEMORY, s->paid);
    if (!s->tables)
        return;
    for (uint64_t first = 0; first < s->pages; first += FANOUT) {
        paddr_t **mid = s->tables[first / FANOUT / FANOUT];
        paddr_t *leaf = mid ? mid[first / FANOUT % FANOUT] : NULL;
        for (uint64_t i = 0; leaf && i < FANOUT && first + i < s->pages; i++)
            if (leaf[i])
                frame_free(leaf[i]);
        kfree(leaf);
    }
    for (uint64_t first = 0; first < s->pages; first += FANOUT * FANOUT)
        kfree(s->tables[first / FANOUT / FANOUT]);
    kfree(s->tables);
}

static const struct shm_ops anon_ops = { anon_page, anon_release };

struct shm *shm_create(uint64_t size)
{
    if (size == 0 || size > SHM_MAX_PAGES << PAGE_SHIFT)
        return NULL;
    return make(align_up(size, PAGE_SIZE) >> PAGE_SHIFT, &anon_ops);
}

/* ---- contiguous ---- */

static paddr_t contiguous_page(struct shm *s, uint64_t index)
{
    return s->base + (index << PAGE_SHIFT);
}

static void contiguous_release(struct shm *s)
{
    (void)s;
}

static const struct shm_ops contiguous_ops = { contiguous_page, contiguous_release };

struct shm *shm_create_contiguous(paddr_t base, uint64_t size)
{
    ASSERT(!(base & PAGE_MASK) && size > 0);
    struct shm *s = make(align_up(size, PAGE_SIZE) >> PAGE_SHIFT, &contiguous_ops);
    if (s)
        s->base = base;
    return s;
}
