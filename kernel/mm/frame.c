/* Page frames (frame.h). */
#include "mm/frame.h"
#include "klib/spinlock.h"
#include "klib/string.h"
#include "mm/pagetable.h"
#include "mm/poison.h"

#define RANGES_MAX 600
/* Frames whose entries share a page of the database; the database grows by as many frames at a time. */
#define CHUNK (PAGE_SIZE / sizeof(struct frame))
/* struct frame.users of a frame that was freed while pinned. */
#define NO_OWNER UINT32_MAX

static struct {
    struct spinlock lock;
    struct {
        uint64_t next, end; /* frame numbers never handed out yet */
    } ranges[RANGES_MAX];
    unsigned range_count;
    uint64_t cursor, cursor_end; /* fresh frames whose entries are mapped */
    struct frame *free;
    uint64_t total, free_count;
} frames = { .lock = SPINLOCK_INIT(RANK_FRAME) };

void frame_add_range(paddr_t base, uint64_t length)
{
    spin_lock(&frames.lock);
    ASSERT(frames.range_count < RANGES_MAX);
    frames.ranges[frames.range_count].next = base >> PAGE_SHIFT;
    frames.ranges[frames.range_count++].end = (base + length) >> PAGE_SHIFT;
    frames.total += length >> PAGE_SHIFT;
    frames.free_count += length >> PAGE_SHIFT;
    spin_unlock(&frames.lock);
}

/* Source of frames for the database's own page tables; they have no entries themselves. */
static paddr_t take_from_chunk(void *arg)
{
    (void)arg;
    if (frames.cursor == frames.cursor_end)
        return 0;
    frames.free_count--;
    return frames.cursor++ << PAGE_SHIFT;
}

/* Make [cursor, cursor_end) the next chunk of fresh frames of range r and map its piece of the database. */
static bool open_chunk(unsigned r)
{
    uint64_t first = frames.ranges[r].next;
    uint64_t end = min_u64(align_down(first + CHUNK, CHUNK), frames.ranges[r].end);
    frames.ranges[r].next = end;
    frames.cursor = first;
    frames.cursor_end = end;
    uintptr_t entries = (uintptr_t)FRAMEDB_BASE + align_down(first, CHUNK) * sizeof(struct frame);
    if (pt_lookup(kernel_root(), entries))
        return true;
    pte_t *slot = pt_slot(kernel_root(), entries, 0, take_from_chunk, NULL);
    paddr_t page = slot ? take_from_chunk(NULL) : 0;
    if (!page) {
        frames.free_count -=
            frames.cursor_end - frames.cursor; /* a scrap too small to hold its own entries */
        frames.cursor = frames.cursor_end;
        return false;
    }
    *slot = page | PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_GLOBAL;
    return true;
}

static bool refill(void)
{
    for (unsigned r = 0; r < frames.range_count; r++)
        while (frames.ranges[r].next < frames.ranges[r].end)
            if (open_chunk(r) && frames.cursor < frames.cursor_end)
                return true;
    return false;
}

paddr_t frame_alloc(void)
{
    uint64_t number = 0;
    bool used_before = false;
    spin_lock(&frames.lock);
    if (LIKELY(frames.free_count > this_cpu()->frame_floor)) {
        if (frames.free) {
            number = (uint64_t)(frames.free - (struct frame *)FRAMEDB_BASE);
            frames.free = frames.free->next;
            frames.free_count--;
            used_before = true;
        } else if (frames.cursor < frames.cursor_end || refill()) {
            number = frames.cursor++;
            frames.free_count--;
        }
    }
    spin_unlock(&frames.lock);
    if (used_before)
        poison_frame_taken(number << PAGE_SHIFT);
    if (number)
        *((struct frame *)FRAMEDB_BASE + number) = (struct frame){ 0 };
    return number << PAGE_SHIFT;
}

/* The owner is done with f; the lock is held. */
static void give_up(struct frame *f)
{
    if (UNLIKELY(f->pins)) {
        f->users = NO_OWNER;
        return;
    }
    f->next = frames.free;
    frames.free = f;
    frames.free_count++;
}

void frame_free(paddr_t p)
{
    struct frame *f = frame_of(p);
    ASSERT(p && !(p & PAGE_MASK));
    poison_frame_freed(p);
    spin_lock(&frames.lock);
    give_up(f);
    spin_unlock(&frames.lock);
}

bool frame_pin(paddr_t p)
{
    struct frame *f = frame_of(p);
    spin_lock(&frames.lock);
    bool room = f->pins < UINT16_MAX;
    f->pins += room;
    spin_unlock(&frames.lock);
    return room;
}

void frame_unpin(paddr_t p)
{
    struct frame *f = frame_of(p);
    spin_lock(&frames.lock);
    ASSERT(f->pins);
    if (--f->pins == 0 && f->users == NO_OWNER)
        give_up(f);
    spin_unlock(&frames.lock);
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

void frame_list_free(struct frame_list *l)
{
    if (!l->first)
        return;
    poison_list_freed(l);
    spin_lock(&frames.lock);
    if (UNLIKELY(l->pinned)) {
        for (struct frame *f = l->first, *next; f; f = next) {
            next = f->next;
            give_up(f);
        }
    } else {
        l->last->next = frames.free;
        frames.free = l->first;
        frames.free_count += l->count;
    }
    spin_unlock(&frames.lock);
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
    spin_lock(&frames.lock);
    struct frame_totals t = { frames.total, frames.free_count };
    spin_unlock(&frames.lock);
    return t;
}
