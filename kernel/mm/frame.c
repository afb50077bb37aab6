/* Page frames (frame.h). */
#include "mm/frame.h"
#include "klib/spinlock.h"
#include "klib/string.h"
#include "mm/pagetable.h"
#include "mm/poison.h"
#include "mm/refuse.h"

#define RANGES_MAX 600
/* Frames whose entries share a page of the database; the database grows by as many frames at a time. */
#define CHUNK (PAGE_SIZE / sizeof(struct frame))
/* Frames that go between a CPU's own and the shared ones at a time; a CPU keeps at most twice as many. */
#define BATCH 32u
/* How often to look for frames everywhere when others take them away at the same time. */
#define COLLECT_TRIES 8u

static struct {
    struct spinlock lock;
    struct {
        uint64_t next, end; /* frame numbers never handed out yet */
    } ranges[RANGES_MAX];
    unsigned range_count;
    uint64_t cursor, cursor_end; /* fresh frames whose entries are mapped */
    struct frame *free;
    uint64_t total; /* all there are, but for what the database takes */
    uint64_t given; /* once added and then taken by the database, or lost as scraps */
    uint64_t count; /* [a] on the free list or fresh; written with the lock held */
} shared = { .lock = SPINLOCK_INIT(RANK_FRAME) };

/* What a CPU keeps at hand; mostly it alone takes the lock. */
static struct cache {
    struct spinlock lock;
    struct frame *free;
    uint32_t count; /* of them */
    int64_t
        used; /* [a] frames that this CPU has handed out, less those given back to it; lock held to write */
} ALIGNED(64) caches[MAX_CPUS] = { [0 ... MAX_CPUS -
                                    1] = { .lock = SPINLOCK_INIT(RANK_FRAME_CACHE) } };

static uint64_t number_of(const struct frame *f)
{
    return (uint64_t)(f - (struct frame *)FRAMEDB_BASE);
}

static struct cache *own_cache(void)
{
    return &caches[this_cpu()->id];
}

void frame_add_range(paddr_t base, uint64_t length)
{
    spin_lock(&shared.lock);
    ASSERT(shared.range_count < RANGES_MAX);
    shared.ranges[shared.range_count].next = base >> PAGE_SHIFT;
    shared.ranges[shared.range_count++].end = (base + length) >> PAGE_SHIFT;
    shared.total += length >> PAGE_SHIFT;
    shared.count += length >> PAGE_SHIFT;
    spin_unlock(&shared.lock);
}

/* ---- fresh frames ---- */

/* Source of frames for the database's own page tables; they have no entries themselves. */
static paddr_t take_from_chunk(void *arg)
{
    (void)arg;
    if (shared.cursor == shared.cursor_end)
        return 0;
    shared.count--;
    shared.given++;
    frame_zero(shared.cursor << PAGE_SHIFT);
    return shared.cursor++ << PAGE_SHIFT;
}

/* Make [cursor, cursor_end) the next chunk of fresh frames of range r and map its piece of the database. */
static bool open_chunk(unsigned r)
{
    uint64_t first = shared.ranges[r].next;
    uint64_t end = min_u64(align_down(first + CHUNK, CHUNK), shared.ranges[r].end);
    shared.ranges[r].next = end;
    shared.cursor = first;
    shared.cursor_end = end;
    uintptr_t entries = (uintptr_t)FRAMEDB_BASE + align_down(first, CHUNK) * sizeof(struct frame);
    if (pt_lookup(kernel_root(), entries))
        return true;
    pte_t *slot = pt_slot(kernel_root(), entries, 0, take_from_chunk, NULL);
    paddr_t page = slot ? take_from_chunk(NULL) : 0;
    if (!page) { /* a scrap too small to hold its own entries */
        shared.count -= shared.cursor_end - shared.cursor;
        shared.given += shared.cursor_end - shared.cursor;
        shared.cursor = shared.cursor_end;
        return false;
    }
    *slot = page | PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_GLOBAL;
    return true;
}

static bool open_next_chunk(void)
{
    for (unsigned r = 0; r < shared.range_count; r++)
        while (shared.ranges[r].next < shared.ranges[r].end)
            if (open_chunk(r) && shared.cursor < shared.cursor_end)
                return true;
    return false;
}

/* ---- between the shared ones and a CPU's ---- */

static struct frame *fresh_frame(void)
{
    uint64_t number = shared.cursor++;
    poison_frame_freed(number << PAGE_SHIFT);
    return (struct frame *)FRAMEDB_BASE + number;
}

/* Take a frame from the shared ones, or NULL. The lock is held. */
static struct frame *take_shared(void)
{
    struct frame *f = shared.free;
    if (f)
        shared.free = f->next;
    else if (shared.cursor < shared.cursor_end || open_next_chunk())
        f = fresh_frame();
    else
        return NULL;
    shared.count--;
    return f;
}

static void give_shared(struct frame *first, struct frame *last, uint32_t n)
{
    spin_lock(&shared.lock);
    last->next = shared.free;
    shared.free = first;
    shared.count += n;
    spin_unlock(&shared.lock);
}

/* Take the first n frames out of a cache, whose lock is held. */
static struct frame_list split(struct cache *c, uint32_t n)
{
    struct frame_list l = { .first = c->free, .last = c->free, .count = n };
    for (uint32_t i = 1; i < n; i++)
        l.last = l.last->next;
    c->free = l.last->next;
    c->count -= n;
    return l;
}

/* The frames that all CPUs keep at hand become shared. */
static void drain(void)
{
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        struct frame_list l = { 0 };
        spin_lock(&caches[i].lock);
        if (caches[i].count)
            l = split(&caches[i], caches[i].count);
        spin_unlock(&caches[i].lock);
        if (l.count)
            give_shared(l.first, l.last, l.count);
    }
}

static uint64_t count_free(void)
{
    int64_t n = (int64_t)(shared.total - shared.given) + kstack_spare_frames();
    for (unsigned i = 0; i < MAX_CPUS; i++)
        n -= __atomic_load_n(&caches[i].used, __ATOMIC_RELAXED);
    return n < 0 ? 0 : (uint64_t)n;
}

/* Up to n frames from the shared ones that the running thread may have; more than one only while there are plenty. */
static struct frame_list take_batch(uint32_t n)
{
    struct frame_list l = { 0 };
    uint64_t floor = this_cpu()->frame_floor;
    spin_lock(&shared.lock);
    if (shared.count <= floor + n)
        n = count_free() > floor;
    for (struct frame *f; l.count < n && (f = take_shared()); l.count++) {
        f->next = l.first;
        l.first = f;
        l.last = l.last ? l.last : f;
    }
    spin_unlock(&shared.lock);
    return l;
}

/* Whether there may be frames somewhere that the running thread may have, and are shared now if so. */
static bool collect(void)
{
    if (count_free() <= this_cpu()->frame_floor)
        return false;
    kstack_trim();
    drain();
    return true;
}

/* With interrupts off, so that frames on their way into a cache are nowhere for a moment only. */
static struct frame *alloc_slowly(void)
{
    uint64_t flags = irq_save();
    struct frame_list l = take_batch(BATCH);
    for (unsigned tries = 0; !l.count && tries < COLLECT_TRIES && collect(); tries++)
        l = take_batch(1); /* another CPU may have been faster */
    struct frame *f = l.first;
    if (f) {
        struct cache *c = own_cache();
        spin_lock(&c->lock);
        l.last->next = c->free;
        c->free = f->next;
        c->count += l.count - 1;
        c->used++;
        spin_unlock(&c->lock);
    }
    irq_restore(flags);
    return f;
}

/* ---- for everybody ---- */

paddr_t frame_alloc(void)
{
    if (memory_refused())
        return 0;
    struct cache *c = own_cache();
    struct frame *f = NULL;
    spin_lock(&c->lock);
    if (LIKELY(c->free &&
               __atomic_load_n(&shared.count, __ATOMIC_RELAXED) > this_cpu()->frame_floor)) {
        f = c->free;
        c->free = f->next;
        c->count--;
        c->used++;
    }
    spin_unlock(&c->lock);
    if (UNLIKELY(!f) && !(f = alloc_slowly()))
        return 0;
    paddr_t p = number_of(f) << PAGE_SHIFT;
    poison_frame_taken(p);
    *f = (struct frame){ 0 };
    return p;
}

void frame_free(paddr_t p)
{
    struct frame_list l = { 0 };
    ASSERT(p && !(p & PAGE_MASK));
    frame_list_add(&l, p);
    frame_list_free(&l);
}

void frame_list_add(struct frame_list *l, paddr_t p)
{
    struct frame *f = frame_of(p);
    f->next = l->first;
    l->first = f;
    if (!l->last)
        l->last = f;
    l->count++;
    l->pinned |= __atomic_load_n(&f->pins, __ATOMIC_RELAXED) != 0;
}

void frame_pin(paddr_t p)
{
    __atomic_fetch_add(&frame_of(p)->pins, 1, __ATOMIC_RELAXED);
}

void frame_unpin(paddr_t p)
{
    struct frame *f = frame_of(p);
    if (__atomic_sub_fetch(&f->pins, 1, __ATOMIC_ACQ_REL) != FRAME_FREED)
        return;
    f->pins = 0;
    frame_free(p);
}

/* Leave out the frames that are pinned: the last pin frees them. */
static void leave_pinned(struct frame_list *l)
{
    struct frame_list free = { 0 };
    for (struct frame *f = l->first, *next; f; f = next) {
        next = f == l->last ? NULL : f->next;
        if (!__atomic_load_n(&f->pins, __ATOMIC_ACQUIRE) ||
            !__atomic_fetch_or(&f->pins, FRAME_FREED, __ATOMIC_ACQ_REL)) {
            f->pins = 0;
            frame_list_add(&free, number_of(f) << PAGE_SHIFT);
        }
    }
    *l = free;
}

void frame_list_free(struct frame_list *l)
{
    if (l->pinned)
        leave_pinned(l);
    struct frame_list more = *l;
    if (!l->first)
        return;
    poison_list_freed(l);
    struct cache *c = own_cache();
    spin_lock(&c->lock);
    c->used -= l->count;
    if (LIKELY(l->count <= BATCH)) {
        l->last->next = c->free;
        c->free = l->first;
        c->count += l->count;
        more.count = 0;
        if (c->count > 2 * BATCH)
            more = split(c, BATCH);
    }
    spin_unlock(&c->lock);
    if (more.count)
        give_shared(more.first, more.last, more.count);
    *l = (struct frame_list){ 0 };
}

/*
 * By 16-byte stores, with the one register used kept: half the instructions of 8-byte stores. No interrupt may come
 * in between, as a kernel thread's vector registers are not saved at a switch.
 */
void frame_zero(paddr_t p)
{
    char *at = phys_to_virt(p), *end = at + PAGE_SIZE;
    char saved[16];
    uint64_t flags = irq_save();
    __asm__ volatile("movups %%xmm0, %2\n\t"
                     "xorps %%xmm0, %%xmm0\n"
                     "1:\n\t"
                     ".set off, 0\n\t"
                     ".rept 32\n\t"
                     "movaps %%xmm0, off(%0)\n\t"
                     ".set off, off + 16\n\t"
                     ".endr\n\t"
                     "add $512, %0\n\t"
                     "cmp %1, %0\n\t"
                     "jne 1b\n\t"
                     "movups %2, %%xmm0"
                     : "+r"(at)
                     : "r"(end), "m"(saved)
                     : "memory", "cc");
    irq_restore(flags);
}

paddr_t frame_alloc_zeroed(void)
{
    paddr_t p = frame_alloc();
    if (LIKELY(p))
        frame_zero(p);
    return p;
}

struct frame_totals frame_totals(void)
{
    spin_lock(&shared.lock);
    struct frame_totals t = { shared.total, count_free(), shared.given };
    spin_unlock(&shared.lock);
    return t;
}
