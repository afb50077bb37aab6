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
#define CLASSES   ARRAY_SIZE(sizes)
#define WHOLE     (CLASSES - 1) /* objects that are a frame each */
#define KINDS     16u           /* room for the classes of a CPU */
#define ALL_KINDS (MAX_CPUS * KINDS)
_Static_assert(CLASSES <= KINDS, "classes of a CPU");

/* The class of a size, by sixteenths. */
static const uint8_t classes[PAGE_SIZE / 16 + 1] = {
    [1] = 0,          [2] = 1,          [3] = 2,          [4] = 3,           [5 ... 6] = 4,
    [7 ... 8] = 5,    [9 ... 12] = 6,   [13 ... 16] = 7,  [17 ... 24] = 8,   [25 ... 32] = 9,
    [33 ... 42] = 10, [43 ... 64] = 11, [65 ... 85] = 12, [86 ... 128] = 13, [129 ... 256] = 14,
};

/*
 * A CPU takes objects from slabs of its own, so that CPUs seldom meet at a lock, and what they write to does not lie in the same
 * lines; wherever an object is freed, it goes back to its slab.
 */
static struct class
{
    struct spinlock lock;
    struct frame *partial; /* slabs with a free object, linked by next and prev */
    uint32_t slabs, objects; /* there are; objects in use */
} ALIGNED(64) heap[ALL_KINDS] = { [0 ... ALL_KINDS - 1] = { .lock = SPINLOCK_INIT(RANK_HEAP) } };

/* Objects that each CPU has parked, less those it has taken back. */
static struct {
    int32_t count[CLASSES];
} ALIGNED(64) parked[MAX_CPUS];

/* A slab's kind says whose it is, and the size of its objects. */
static inline uint16_t kind_of(unsigned cpu, unsigned class)
{
    return (uint16_t)(cpu * KINDS | class);
}
static inline unsigned size_class(const struct frame *f)
{
    return f->slab.kind % KINDS;
}
static inline struct class *class_of(const struct frame *f)
{
    return &heap[f->slab.kind];
}

static void link_partial(struct frame *f)
{
    struct frame **head = &class_of(f)->partial;
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
        class_of(f)->partial = f->next;
    if (f->next)
        f->next->prev = f->prev;
}

/* Whether a slab has no free object. */
static bool is_full(const struct frame *f)
{
    return !f->free && f->slab.fresh + sizes[size_class(f)] > PAGE_SIZE;
}

static void *page_of(const struct frame *f)
{
    return phys_to_virt((paddr_t)(f - (struct frame *)FRAMEDB_BASE) << PAGE_SHIFT);
}

static struct frame *new_slab(uint16_t kind)
{
    paddr_t p = frame_alloc();
    if (!p)
        return NULL;
    struct frame *f = frame_of(p);
    f->slab.kind = kind;
    poison_slab(p);
    link_partial(f);
    heap[kind].slabs++;
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
        f->slab.fresh += sizes[size_class(f)];
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
    f->slab.kind = kind_of(0, WHOLE);
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
    uint16_t kind = kind_of(this_cpu()->id, class);
    void *o = NULL;
    spin_lock(&heap[kind].lock);
    struct frame *f = heap[kind].partial;
    if (!f)
        f = new_slab(kind);
    if (f) {
        o = take(f);
        heap[kind].objects++;
        if (is_full(f))
            unlink_partial(f);
        poison_object_taken(&(struct heap_object){ f, o, sizes[class] }, n);
    }
    spin_unlock(&heap[kind].lock);
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
    ASSERT(size_class(f) < CLASSES);
    if (size_class(f) == WHOLE) {
        poison_object_freed(&(struct heap_object){ f, p, PAGE_SIZE });
        frame_free(page);
        return;
    }
    struct class *c = class_of(f);
    spin_lock(&c->lock);
    ASSERT(f->users > 0);
    poison_object_freed(&(struct heap_object){ f, p, sizes[size_class(f)] });
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
    return (struct heap_object){ f, p, sizes[size_class(f)] };
}

void kpark(void *p)
{
    struct heap_object o = object_of(p);
    parked[this_cpu()->id].count[size_class(o.slab)]++;
    if (!POISONS)
        return;
    spin_lock(&class_of(o.slab)->lock);
    poison_object_freed(&o);
    spin_unlock(&class_of(o.slab)->lock);
}

void kunpark(void *p, size_t n)
{
    struct heap_object o = object_of(p);
    parked[this_cpu()->id].count[size_class(o.slab)]--;
    if (!POISONS)
        return;
    spin_lock(&class_of(o.slab)->lock);
    poison_object_taken(&o, n);
    spin_unlock(&class_of(o.slab)->lock);
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
    for (unsigned class = 0; class < WHOLE; class ++) {
        uint32_t room = PAGE_SIZE / sizes[class], slabs = 0, objects = 0;
        for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
            struct class *c = &heap[kind_of(cpu, class)];
            spin_lock(&c->lock);
            slabs += c->slabs;
            objects += c->objects;
            spin_unlock(&c->lock);
        }
        slack += slabs - (objects - parked_in(class) + room - 1) / room;
    }
    return slack;
}
