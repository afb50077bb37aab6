/* Kernel heap (heap.h). */
#include "mm/heap.h"
#include "klib/list.h"
#include "klib/spinlock.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/poison.h"
#include "mm/refuse.h"

static const uint16_t sizes[] = { 16,  32,  48,  64,   96,   128,  192, 256,
                                  384, 512, 672, 1024, 1360, 2048, 4096 };
#define CLASSES ARRAY_SIZE(sizes)
#define WHOLE   (CLASSES - 1) /* objects that are a frame each */

/* The class of a size, by sixteenths. */
static const uint8_t classes[PAGE_SIZE / 16 + 1] = {
    [1] = 0,          [2] = 1,          [3] = 2,          [4] = 3,           [5 ... 6] = 4,
    [7 ... 8] = 5,    [9 ... 12] = 6,   [13 ... 16] = 7,  [17 ... 24] = 8,   [25 ... 32] = 9,
    [33 ... 42] = 10, [43 ... 64] = 11, [65 ... 85] = 12, [86 ... 128] = 13, [129 ... 256] = 14,
};

static struct class
{
    struct spinlock lock;
    struct frame *partial; /* slabs with a free object, linked by next and prev */
    uint32_t slabs, objects; /* there are; objects in use */
} ALIGNED(64) heap[CLASSES] = { [0 ... CLASSES - 1] = { .lock = SPINLOCK_INIT(RANK_HEAP) } };

/* Objects that each CPU has parked, less those it has taken back. */
static struct {
    int32_t count[CLASSES];
} ALIGNED(64) parked[MAX_CPUS];

static void link_partial(struct frame *f)
{
    struct frame **head = &heap[f->slab.size_class].partial;
    f->prev = NULL;
    f->next = *head;
    if (*head)
        (*head)->prev = f;
    *head = f;
}

static void unlink_partial(struct frame *f)
{
    if (f->prev)
        f->prev->next = f->next;
    else
        heap[f->slab.size_class].partial = f->next;
    if (f->next)
        f->next->prev = f->prev;
}

/* Whether a slab has no free object. */
static bool is_full(const struct frame *f)
{
    return !f->free && f->slab.fresh + sizes[f->slab.size_class] > PAGE_SIZE;
}

static void *page_of(const struct frame *f)
{
    return phys_to_virt((paddr_t)(f - (struct frame *)FRAMEDB_BASE) << PAGE_SHIFT);
}

static struct frame *new_slab(unsigned class)
{
    paddr_t p = frame_alloc();
    if (!p)
        return NULL;
    struct frame *f = frame_of(p);
    f->slab.size_class = (uint16_t)class;
    poison_slab(p);
    link_partial(f);
    heap[class].slabs++;
    return f;
}

/* Take a free object of a slab that has one. */
static void *take(struct frame *f)
{
    void **o = f->free;
    if (o) {
        f->free = *o;
    } else {
        o = (void **)((char *)page_of(f) + f->slab.fresh);
        f->slab.fresh += sizes[f->slab.size_class];
    }
    f->users++;
    return o;
}

/* An object that is a frame needs no slab. */
static void *take_frame(size_t n)
{
    paddr_t p = frame_alloc();
    if (!p)
        return NULL;
    struct frame *f = frame_of(p);
    f->slab.size_class = WHOLE;
    poison_slab(p);
    poison_object_taken(&(struct heap_object){ f, phys_to_virt(p), PAGE_SIZE }, n);
    return phys_to_virt(p);
}

void *kmalloc(size_t n)
{
    ASSERT(n > 0 && n <= PAGE_SIZE);
    if (memory_refused())
        return NULL;
    unsigned class = classes[(poison_room(n) + 15) / 16];
    if (class == WHOLE)
        return take_frame(n);
    void *o = NULL;
    spin_lock(&heap[class].lock);
    struct frame *f = heap[class].partial;
    if (!f)
        f = new_slab(class);
    if (f) {
        o = take(f);
        heap[class].objects++;
        if (is_full(f))
            unlink_partial(f);
        poison_object_taken(&(struct heap_object){ f, o, sizes[class] }, n);
    }
    spin_unlock(&heap[class].lock);
    return o;
}

void *kzalloc(size_t n)
{
    void *p = kmalloc(n);
    if (p && n == PAGE_SIZE)
        frame_zero(virt_to_phys(p));
    else if (p)
        memset(p, 0, n);
    return p;
}

void kfree(void *p)
{
    if (!p)
        return;
    paddr_t page = align_down(virt_to_phys(p), PAGE_SIZE);
    struct frame *f = frame_of(page);
    ASSERT(f->slab.size_class < CLASSES);
    if (f->slab.size_class == WHOLE) {
        poison_object_freed(&(struct heap_object){ f, p, PAGE_SIZE });
        frame_free(page);
        return;
    }
    struct class *c = &heap[f->slab.size_class];
    spin_lock(&c->lock);
    ASSERT(f->users > 0);
    poison_object_freed(&(struct heap_object){ f, p, sizes[f->slab.size_class] });
    if (is_full(f))
        link_partial(f);
    *(void **)p = f->free;
    f->free = p;
    c->objects--;
    bool empty = --f->users == 0;
    if (empty) {
        unlink_partial(f);
        c->slabs--;
    }
    spin_unlock(&c->lock);
    if (empty)
        frame_free(page);
}

static struct heap_object object_of(void *p)
{
    struct frame *f = frame_of(align_down(virt_to_phys(p), PAGE_SIZE));
    return (struct heap_object){ f, p, sizes[f->slab.size_class] };
}

void kpark(void *p)
{
    struct heap_object o = object_of(p);
    parked[this_cpu()->id].count[o.slab->slab.size_class]++;
    if (!POISONS)
        return;
    spin_lock(&heap[o.slab->slab.size_class].lock);
    poison_object_freed(&o);
    spin_unlock(&heap[o.slab->slab.size_class].lock);
}

void kunpark(void *p, size_t n)
{
    struct heap_object o = object_of(p);
    parked[this_cpu()->id].count[o.slab->slab.size_class]--;
    if (!POISONS)
        return;
    spin_lock(&heap[o.slab->slab.size_class].lock);
    poison_object_taken(&o, n);
    spin_unlock(&heap[o.slab->slab.size_class].lock);
}

static uint32_t parked_in(unsigned class)
{
    int32_t n = 0;
    for (unsigned i = 0; i < MAX_CPUS; i++)
        n += __atomic_load_n(&parked[i].count[class], __ATOMIC_RELAXED);
    return n < 0 ? 0 : (uint32_t)n;
}

uint64_t heap_slack_frames(void)
{
    uint64_t slack = 0;
    for (unsigned i = 0; i < WHOLE; i++) {
        struct class *c = &heap[i];
        uint32_t room = PAGE_SIZE / sizes[i];
        spin_lock(&c->lock);
        slack += c->slabs - (c->objects - parked_in(i) + room - 1) / room;
        spin_unlock(&c->lock);
    }
    return slack;
}
