/* Kernel heap (heap.h). */
#include "mm/heap.h"
#include "klib/list.h"
#include "klib/spinlock.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/poison.h"

static const uint16_t sizes[] = { 16,  32,  48,  64,   96,   128,  192, 256,
                                  384, 512, 672, 1024, 1360, 2048, 4096 };
#define CLASSES ARRAY_SIZE(sizes)

static struct {
    struct spinlock lock;
    struct frame *partial[CLASSES]; /* slabs with a free object, linked by next and prev */
} heap = { .lock = SPINLOCK_INIT(RANK_HEAP) };

static void link_partial(struct frame *f)
{
    struct frame **head = &heap.partial[f->size_class];
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
        heap.partial[f->size_class] = f->next;
    if (f->next)
        f->next->prev = f->prev;
}

static struct frame *new_slab(unsigned class)
{
    paddr_t p = frame_alloc();
    if (!p)
        return NULL;
    struct frame *f = frame_of(p);
    char *page = phys_to_virt(p);
    f->size_class = (uint16_t)class;
    f->free = NULL;
    poison_slab(p);
    for (unsigned at = (PAGE_SIZE / sizes[class]) * sizes[class]; at > 0; at -= sizes[class]) {
        void **o = (void **)(page + at - sizes[class]);
        *o = f->free;
        f->free = o;
    }
    link_partial(f);
    return f;
}

void *kmalloc(size_t n)
{
    unsigned class = 0;
    ASSERT(n > 0 && n <= PAGE_SIZE);
    while (sizes[class] < poison_room(n))
        class ++;
    spin_lock(&heap.lock);
    struct frame *f = heap.partial[class];
    if (!f)
        f = new_slab(class);
    void **o = NULL;
    if (f) {
        o = f->free;
        f->free = *o;
        f->users++;
        if (!f->free)
            unlink_partial(f);
        poison_object_taken(&(struct heap_object){ f, o, sizes[class] }, n);
    }
    spin_unlock(&heap.lock);
    return o;
}

void *kzalloc(size_t n)
{
    void *p = kmalloc(n);
    if (p)
        memset(p, 0, n);
    return p;
}

void kfree(void *p)
{
    if (!p)
        return;
    paddr_t page = align_down(virt_to_phys(p), PAGE_SIZE);
    struct frame *f = frame_of(page);
    spin_lock(&heap.lock);
    bool was_full = !f->free;
    ASSERT(f->users > 0);
    poison_object_freed(&(struct heap_object){ f, p, sizes[f->size_class] });
    *(void **)p = f->free;
    f->free = p;
    f->users--;
    if (was_full)
        link_partial(f);
    if (f->users == 0) {
        unlink_partial(f);
        spin_unlock(&heap.lock);
        frame_free(page);
        return;
    }
    spin_unlock(&heap.lock);
}
