/* Memory objects (shm.h). */
#include "mm/shm.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/vm.h"

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

/* n pages less; those from before the object had an account were never paid for. */
static void refund(struct shm *s, uint64_t n)
{
    uint64_t bytes = min_u64(n << PAGE_SHIFT, s->paid);
    if (!s->obj.account)
        return;
    account_uncharge(s->obj.account, JOB_MEMORY, bytes);
    s->paid -= bytes;
}

static void *table_new(struct shm *s)
{
    if (!pay(s))
        return NULL;
    void *t = kzalloc(PAGE_SIZE);
    if (!t)
        refund(s, 1);
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
        refund(s, 1);
    return p;
}

/* The slot of a page, with its tables made; NULL when memory is out. */
static paddr_t *slot(struct shm *s, uint64_t index)
{
    uint64_t top = index / FANOUT / FANOUT, mid = index / FANOUT % FANOUT;
    if (s->reach <= index)
        s->reach = index + 1; /* also of tables, when only some of them can be had */
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
    paddr_t *p = index < s->pages ? slot(s, index) : NULL, at = 0;
    if (p && !*p)
        *p = page_new(s);
    if (p)
        at = *p;
    spin_unlock(&s->lock);
    return at;
}

static void release_leaf(paddr_t *leaf, uint64_t count)
{
    struct frame_list frames = { 0 };
    for (uint64_t i = 0; i < count; i++)
        if (leaf[i])
            frame_list_add(&frames, leaf[i]);
    frame_list_free(&frames);
    kfree(leaf);
}

static void anon_release(struct shm *s)
{
    account_uncharge(s->obj.account, JOB_MEMORY, s->paid);
    if (!s->tables)
        return;
    for (uint64_t first = 0; first < s->reach; first += FANOUT) {
        paddr_t **mid = s->tables[first / FANOUT / FANOUT];
        if (mid && mid[first / FANOUT % FANOUT])
            release_leaf(mid[first / FANOUT % FANOUT], min_u64(FANOUT, s->reach - first));
    }
    for (uint64_t first = 0; first < s->reach; first += FANOUT * FANOUT)
        kfree(s->tables[first / FANOUT / FANOUT]);
    kfree(s->tables);
}

/* The table of the pages around index, or NULL. */
static paddr_t **leaf_of(struct shm *s, uint64_t index)
{
    uint64_t top = index / FANOUT / FANOUT;
    return s->tables && s->tables[top] ? &s->tables[top][index / FANOUT % FANOUT] : NULL;
}

/* Free the pages of one table from index first on, and the table when none is left below. */
static void shrink_leaf(struct shm *s, uint64_t first)
{
    struct frame_list frames = { 0 };
    paddr_t *empty = NULL;
    spin_lock(&s->lock);
    paddr_t **leaf = leaf_of(s, first);
    for (uint64_t i = first % FANOUT; leaf && *leaf && i < FANOUT; i++) {
        if (!(*leaf)[i])
            continue;
        frame_list_add(&frames, (*leaf)[i]);
        (*leaf)[i] = 0;
    }
    s->resident -= frames.count;
    if (leaf && *leaf && first % FANOUT == 0) {
        empty = *leaf;
        *leaf = NULL;
    }
    refund(s, frames.count + (empty != NULL));
    spin_unlock(&s->lock);
    frame_list_free(&frames);
    kfree(empty);
}

/* Tables of tables stay for when it grows again. */
static void anon_shrink(struct shm *s, uint64_t first, uint64_t end)
{
    for (; first < end; first = align_down(first, FANOUT) + FANOUT)
        shrink_leaf(s, first);
}

static const struct shm_ops anon_ops = { anon_page, anon_release, anon_shrink };

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

static const struct shm_ops contiguous_ops = { contiguous_page, contiguous_release, NULL };

struct shm *shm_create_contiguous(paddr_t base, uint64_t size)
{
    ASSERT(!(base & PAGE_MASK) && size > 0);
    struct shm *s = make(align_up(size, PAGE_SIZE) >> PAGE_SHIFT, &contiguous_ops);
    if (s)
        s->base = base;
    return s;
}

/* ---- size, seals, pins ---- */

/* Be the only one who changes the object, or tell why it can't be changed. */
static status_t begin_change(struct shm *s, uint32_t forbidding)
{
    ASSERT(spin_held(&s->lock));
    if (s->seals & forbidding)
        return -EPERM;
    if (s->busy)
        return -EBUSY;
    s->busy = true;
    return OK;
}

static void end_change(struct shm *s)
{
    spin_lock(&s->lock);
    s->busy = false;
    spin_unlock(&s->lock);
}

status_t shm_resize(struct shm *s, uint64_t size)
{
    uint64_t pages = align_up(size, PAGE_SIZE) >> PAGE_SHIFT;
    if (size == 0 || size > SHM_MAX_PAGES << PAGE_SHIFT)
        return -EINVAL;
    if (!s->ops->shrink)
        return -EOPNOTSUPP;
    spin_lock(&s->lock);
    uint64_t before = s->pages;
    status_t st =
        pages == before ? OK : begin_change(s, pages < before ? SHM_SEAL_SHRINK : SHM_SEAL_GROW);
    if (st == OK && pages < before && s->pins) {
        s->busy = false;
        st = -EBUSY;
    }
    if (st == OK)
        __atomic_store_n(&s->pages, pages, __ATOMIC_RELAXED);
    spin_unlock(&s->lock);
    if (st != OK || pages == before)
        return st;
    if (pages < before) {
        vm_object_cut(s, pages);
        s->ops->shrink(s, pages, before);
    }
    end_change(s);
    return OK;
}

static void stop_writes(struct shm *s, bool stop)
{
    spin_lock(&s->maps_lock);
    __atomic_store_n(&s->write_stop, stop, __ATOMIC_RELAXED);
    spin_unlock(&s->maps_lock);
}

/* The object is busy. From here on nobody becomes a writer; see that nobody is one. */
static status_t seal_writes(struct shm *s)
{
    stop_writes(s, true);
    spin_lock(&s->lock);
    bool pinned = s->write_pins;
    spin_unlock(&s->lock);
    if (!pinned && vm_object_stop_writes(s))
        return OK;
    stop_writes(s, false);
    return -EBUSY;
}

status_t shm_seal(struct shm *s, uint32_t seals)
{
    spin_lock(&s->lock);
    bool known = !(seals & ~s->seals);
    bool writes = seals & ~s->seals & SHM_SEAL_WRITE;
    status_t st = known ? OK : begin_change(s, SHM_SEAL_SEAL);
    spin_unlock(&s->lock);
    if (known || st != OK)
        return st;
    if (writes)
        st = seal_writes(s);
    spin_lock(&s->lock);
    if (st == OK)
        s->seals |= seals;
    s->busy = false;
    spin_unlock(&s->lock);
    return st;
}

void shm_describe(struct shm *s, struct shm_info *info)
{
    *info = (struct shm_info){ 0 };
    spin_lock(&s->maps_lock);
    info->mappings = s->mapping_count;
    spin_unlock(&s->maps_lock);
    spin_lock(&s->lock);
    info->size = s->pages << PAGE_SHIFT;
    info->resident = s->resident;
    info->seals = s->seals;
    spin_unlock(&s->lock);
}

status_t shm_pin(struct shm *s, bool write)
{
    spin_lock(&s->lock);
    status_t st = write && __atomic_load_n(&s->write_stop, __ATOMIC_RELAXED) ? -EPERM : OK;
    if (st == OK) {
        s->pins++;
        s->write_pins += write;
    }
    spin_unlock(&s->lock);
    return st;
}

void shm_unpin(struct shm *s, bool write)
{
    spin_lock(&s->lock);
    ASSERT(s->pins);
    s->pins--;
    s->write_pins -= write;
    spin_unlock(&s->lock);
}
