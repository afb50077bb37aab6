/*
 * Address spaces under the explorer: regions, page-table entries and who must forget them. Each fiber is a CPU with
 * translations of its own, which it keeps until it is told to forget them; no access may reach a frame that is free.
 *
 * SOURCES: kernel/mm/vm.c kernel/mm/region.c kernel/mm/pages.c kernel/mm/fault.c kernel/mm/protect.c kernel/mm/foreign.c kernel/mm/mappings.c kernel/mm/aspace.c kernel/mm/shm.c
 */
#include <string.h>

#include "explore.h"
#include "mm/aspace.h"
#include "mm/heap.h"
#include "mm/pagetable.h"
#include "mm/region.h"
#include "mm/vm.h"
#include "x86/smp.h"

#define BASE   0x400000ull /* the start of what one page table covers */
#define WINDOW 16u         /* pages in use from there on */

/* ---- frames ---- */

static struct {
    bool used, freed; /* freed: by its owner, while it is pinned */
    unsigned pins;
} frames[HOST_FRAMES];

static unsigned number(paddr_t p)
{
    EXPLORE_EXPECT(p % PAGE_SIZE == 0 && p >> PAGE_SHIFT && p >> PAGE_SHIFT < HOST_FRAMES);
    return (unsigned)(p >> PAGE_SHIFT);
}
static unsigned frames_used(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < HOST_FRAMES; i++)
        n += frames[i].used;
    return n;
}

/* The lowest free one: what was freed is used again at once. Number 0 is none. */
paddr_t frame_alloc(void)
{
    explore_point(__func__, __LINE__);
    for (unsigned i = 1; i < HOST_FRAMES; i++)
        if (!frames[i].used) {
            frames[i].used = true;
            memset(frame_of((paddr_t)i << PAGE_SHIFT), 0, sizeof(struct frame));
            return (paddr_t)i << PAGE_SHIFT;
        }
    return 0;
}
void frame_zero(paddr_t p)
{
    memset(phys_to_virt(p), 0, PAGE_SIZE);
}
paddr_t frame_alloc_zeroed(void)
{
    paddr_t p = frame_alloc();
    if (p)
        frame_zero(p);
    return p;
}
void frame_free(paddr_t p)
{
    unsigned n = number(p);
    explore_point(__func__, __LINE__);
    EXPLORE_EXPECT(frames[n].used && !frames[n].freed);
    frames[n].freed = frames[n].pins;
    frames[n].used = frames[n].pins;
    if (!frames[n].used)
        memset(phys_to_virt(p), 0xdd, PAGE_SIZE);
}
void frame_pin(paddr_t p)
{
    EXPLORE_EXPECT(frames[number(p)].used);
    frames[number(p)].pins++;
}
void frame_unpin(paddr_t p)
{
    unsigned n = number(p);
    EXPLORE_EXPECT(frames[n].pins > 0);
    if (--frames[n].pins == 0 && frames[n].freed)
        frames[n].used = frames[n].freed = false;
}
void frame_list_add(struct frame_list *l, paddr_t p)
{
    struct frame *f = frame_of(p);
    f->next = l->first;
    l->first = f;
    l->last = l->last ? l->last : f;
    l->count++;
}
void frame_list_free(struct frame_list *l)
{
    struct frame *f = l->first;
    for (uint32_t left = l->count; left; left--) {
        struct frame *next = f->next;
        frame_free((paddr_t)(f - (struct frame *)FRAMEDB_BASE) << PAGE_SHIFT);
        f = next;
    }
    *l = (struct frame_list){ 0 };
}

/* ---- page tables: one, with the entries of the window ---- */

static pte_t entries[WINDOW];
static paddr_t table;

paddr_t kernel_root(void)
{
    return 0;
}
void pt_share_kernel(paddr_t root)
{
    (void)root;
}
static pte_t *entry_of(uintptr_t va)
{
    return table && va >= BASE && va < BASE + WINDOW * PAGE_SIZE ? &entries[(va - BASE) / PAGE_SIZE]
                                                                 : NULL;
}
pte_t *pt_slot(paddr_t root, uintptr_t va, int level, frame_source source, void *arg)
{
    (void)root;
    EXPLORE_EXPECT(level == 0);
    if (!table && source)
        table = source(arg);
    return entry_of(va);
}
pte_t *pt_walk(paddr_t root, uintptr_t va, uintptr_t *next)
{
    (void)root;
    *next = align_up(va + 1, level_size(1));
    return entry_of(va);
}
uint64_t pt_free_user(paddr_t root)
{
    uint64_t n = 1;
    for (unsigned i = 0; i < WINDOW; i++)
        EXPLORE_EXPECT(!entries[i]);
    frame_free(root);
    if (table) {
        frame_free(table);
        n++;
    }
    table = 0;
    return n;
}

/* Nothing is mapped where chance would have it. */
uint64_t random_u64(void)
{
    return 0;
}

/* ---- CPUs ---- */

static struct {
    bool valid, write;
    paddr_t frame;
} tlb[EXPLORE_THREADS][WINDOW];

void write_cr3(uint64_t v)
{
    (void)v;
    memset(tlb[explore_cpu()], 0, sizeof tlb[0]);
}
void cpu_flush_tlb(uintptr_t from, uintptr_t to)
{
    for (unsigned i = 0; i < WINDOW; i++)
        if (BASE + i * PAGE_SIZE >= from && BASE + i * PAGE_SIZE < to)
            tlb[explore_cpu()][i].valid = false;
}

struct range {
    uintptr_t from, to;
};
static void forget(void *arg)
{
    const struct range *r = arg;
    cpu_flush_tlb(r->from, r->to);
}
void smp_call(uint32_t mask, void (*fn)(void *arg), void *arg)
{
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        if (mask >> i & 1) {
            explore_point(__func__, __LINE__);
            explore_on_cpu(i, fn, arg);
        }
}
void smp_flush_tlb(uint32_t mask, uintptr_t from, uintptr_t to)
{
    smp_call(mask, forget, &(struct range){ from, to });
}

static struct aspace *as;

/* A program's access to a byte: by what the CPU knows, else by the page tables, else by a fault. */
static status_t access(uintptr_t va, bool write, char *byte)
{
    unsigned page = (unsigned)((va - BASE) / PAGE_SIZE);
    for (;;) {
        explore_point(__func__, __LINE__);
        pte_t *e = entry_of(va);
        if (tlb[explore_cpu()][page].valid && (!write || tlb[explore_cpu()][page].write)) {
            paddr_t p = tlb[explore_cpu()][page].frame;
            EXPLORE_EXPECT(frames[number(p)].used); /* nobody may know a frame that is free */
            char *at = (char *)phys_to_virt(p) + va % PAGE_SIZE;
            *(write ? at : byte) = *(write ? byte : at);
            return OK;
        }
        if (e && (*e & PTE_PRESENT) && (!write || (*e & PTE_WRITE))) {
            *e |= PTE_ACCESSED | (write ? PTE_DIRTY : 0);
            tlb[explore_cpu()][page].frame = *e & PTE_ADDR;
            tlb[explore_cpu()][page].write = *e & PTE_WRITE && write;
            tlb[explore_cpu()][page].valid = true;
            continue;
        }
        status_t st = vm_fault(as, va, write ? VM_WRITE : VM_READ);
        if (st != OK)
            return st;
    }
}

static status_t put(uintptr_t va, char byte)
{
    return access(va, true, &byte);
}

/* ---- scenarios ---- */

static struct shm *object;
static bool taken; /* what was given up or forbidden is so by now */

static void begin(void)
{
    irq_disable();
    aspace_switch(as);
    irq_enable();
}
static void end(void)
{
    irq_disable();
    aspace_switch(NULL);
    irq_enable();
}

static void map(uintptr_t at, unsigned pages, struct shm *s)
{
    struct vm_map_args a = { .addr = at,
                             .len = pages * PAGE_SIZE,
                             .prot = VM_READ | VM_WRITE,
                             .max_prot = VM_READ | VM_WRITE,
                             .fixed = true,
                             .shm = s };
    uintptr_t where;
    EXPLORE_EXPECT(vm_map(as, &a, &where) == OK && where == at);
}

static void setup_empty(void)
{
    memset(frames, 0, sizeof frames);
    memset(tlb, 0, sizeof tlb);
    memset(entries, 0, sizeof entries);
    table = 0;
    taken = false;
    object = NULL;
    as = aspace_create(&explore_job.account);
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        explore_thread(i)->aspace = as;
}
static void setup(void)
{
    setup_empty();
    map(BASE, 4, NULL);
}
static void setup_object(void)
{
    setup_empty();
    object = shm_create(4 * PAGE_SIZE);
    map(BASE, 4, object);
}
static void check(void)
{
    aspace_destroy(as);
    if (object)
        object_put(&object->obj);
    EXPLORE_EXPECT(frames_used() == 0);
}

static void use(void)
{
    begin();
    for (int i = 0; i < 3; i++) {
        bool gone = taken;
        status_t st = put(BASE + PAGE_SIZE, 1);
        EXPLORE_EXPECT(st == OK || st == -EFAULT || st == -EACCES || st == -ENXIO);
        EXPLORE_EXPECT(st != OK || !gone);
    }
    end();
}
/* The CPU runs something else in between, and knows what it knew when it comes back. */
static void use_and_leave(void)
{
    for (int i = 0; i < 3; i++) {
        begin();
        bool gone = taken;
        EXPLORE_EXPECT(put(BASE + PAGE_SIZE, 1) != OK || !gone);
        end();
    }
}
/* What was given up may be given out again. */
static void use_decommitted(void)
{
    begin();
    for (int i = 0; i < 3; i++)
        EXPLORE_EXPECT(put(BASE + PAGE_SIZE, 1) == OK);
    end();
}
static void use_other_byte(void)
{
    begin();
    EXPLORE_EXPECT(put(BASE + PAGE_SIZE + 1, 2) == OK);
    end();
}

/* Gets frames that others give up: what is written there must stay, and be zero before. */
static void reuse(void)
{
    char byte;
    begin();
    map(BASE + 8 * PAGE_SIZE, 2, NULL);
    for (unsigned i = 0; i < 2; i++) {
        uintptr_t va = BASE + (8 + i) * PAGE_SIZE;
        EXPLORE_EXPECT(access(va, false, &byte) == OK && byte == 0);
        EXPLORE_EXPECT(put(va, 2) == OK);
        EXPLORE_EXPECT(access(va, false, &byte) == OK && byte == 2);
    }
    end();
}

static void unmap(void)
{
    begin();
    EXPLORE_EXPECT(vm_unmap(as, BASE, 4 * PAGE_SIZE) == OK);
    taken = true;
    end();
}
static void unmap_middle(void)
{
    begin();
    EXPLORE_EXPECT(vm_unmap(as, BASE + PAGE_SIZE, PAGE_SIZE) == OK);
    end();
}
static void protect(void)
{
    begin();
    EXPLORE_EXPECT(vm_protect(as, BASE + PAGE_SIZE, PAGE_SIZE, VM_READ) == OK);
    taken = true;
    end();
}
static void decommit(void)
{
    begin();
    EXPLORE_EXPECT(vm_decommit(as, BASE, 4 * PAGE_SIZE) == OK);
    end();
}
static void shrink(void)
{
    begin();
    EXPLORE_EXPECT(shm_resize(object, PAGE_SIZE) == OK);
    taken = true;
    end();
}
static void pin(void)
{
    struct vm_pin p;
    begin();
    status_t st = vm_pin(as, BASE + PAGE_SIZE, VM_WRITE, &p);
    if (st == OK) {
        *p.at = 3;
        explore_point(__func__, __LINE__);
        EXPLORE_EXPECT(*p.at == 3);
        vm_unpin(&p);
    }
    end();
}

static void check_bytes(void)
{
    EXPLORE_EXPECT(frames_used() == 3); /* two for tables */
    paddr_t p = entries[1] & PTE_ADDR;
    const char *at = phys_to_virt(p);
    EXPLORE_EXPECT(at[0] == 1 && at[1] == 2);
    check();
}

/* ---- the set of regions, against a model of it ---- */

enum { PLACES = 256, STEPS = 200 }; /* pages that the model knows, from as->base on */

static bool occupied[PLACES];
static uint64_t dice = 1;

static unsigned roll(unsigned n)
{
    dice = dice * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(dice >> 33) % n;
}

/* The rules of the tree from n down, and those of struct region; the black nodes on the way to any leaf. */
static unsigned check_tree(const struct tree_node *n, const struct region **last, uint64_t *room)
{
    uint64_t left = 0, right = 0;
    *room = 0;
    if (!n)
        return 0;
    const struct region *r = CONTAINER(n, struct region, node);
    bool red = n->parent_red & 1;
    EXPLORE_EXPECT(!n->left || tree_parent(n->left) == n);
    EXPLORE_EXPECT(!n->right || tree_parent(n->right) == n);
    EXPLORE_EXPECT(!red || !n->left || !(n->left->parent_red & 1));
    EXPLORE_EXPECT(!red || !n->right || !(n->right->parent_red & 1));
    unsigned black = check_tree(n->left, last, &left);
    EXPLORE_EXPECT(r->prev == *last && (*last ? (*last)->next == r : as->first == r));
    EXPLORE_EXPECT(!*last || (*last)->end <= start_of(r));
    *last = r;
    EXPLORE_EXPECT(check_tree(n->right, last, &right) == black);
    *room = region_room(r);
    *room = *room < left ? left : *room;
    *room = *room < right ? right : *room;
    EXPLORE_EXPECT(r->most_room >= *room);
    EXPLORE_EXPECT(!tree_parent(n) || region_from(tree_parent(n))->most_room >= r->most_room);
    return black + !red;
}

static void check_regions(void)
{
    const struct region *last = NULL;
    uint64_t room;
    (void)check_tree(as->regions.root, &last, &room);
    EXPLORE_EXPECT(last ? !last->next : !as->first);
    for (unsigned i = 0; i < PLACES; i++)
        EXPLORE_EXPECT(occupied[i] == (region_at(as, as->base + i * PAGE_SIZE) != NULL));
}

static void occupy(unsigned first, unsigned n, bool by)
{
    memset(&occupied[first], by, n);
}

static bool all_free(unsigned first, unsigned n)
{
    return first + n <= PLACES && !memchr(&occupied[first], true, n);
}

/* Without an address a mapping comes to lie as low as it can. */
static void map_somewhere(unsigned n)
{
    struct vm_map_args a = { .len = n * PAGE_SIZE, .max_prot = VM_READ };
    uintptr_t at;
    unsigned expected = 0;
    while (!all_free(expected, n) && expected < PLACES)
        expected++;
    if (expected == PLACES)
        return;
    EXPLORE_EXPECT(vm_map(as, &a, &at) == OK && at == as->base + expected * PAGE_SIZE);
    occupy(expected, n, true);
}

static void map_there(unsigned first, unsigned n)
{
    struct vm_map_args a = { .addr = as->base + first * PAGE_SIZE,
                             .len = n * PAGE_SIZE,
                             .max_prot = VM_READ,
                             .fixed = true };
    uintptr_t at;
    bool free = all_free(first, n);
    EXPLORE_EXPECT(vm_map(as, &a, &at) == (free ? OK : -EEXIST));
    if (free)
        occupy(first, n, true);
}

/* Any sequence of mapping, unmapping and changing does what a row of flags does. */
static void follow_model(void)
{
    memset(occupied, 0, sizeof occupied);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned n = 1 + roll(12), first = roll(PLACES - n);
        uintptr_t at = as->base + first * PAGE_SIZE;
        switch (roll(6)) {
        case 0:
        case 1: map_somewhere(n); break;
        case 2: map_there(first, 1 + roll(n)); break;
        case 3: (void)!vm_protect(as, at, n * PAGE_SIZE, roll(2) ? VM_READ : 0); break;
        default: EXPLORE_EXPECT(vm_unmap(as, at, n * PAGE_SIZE) == OK); occupy(first, n, false);
        }
        check_regions();
    }
}

/* Two unmap parts of the same range at once, while a third looks for a place there. */
static uintptr_t half;

static void unmap_half(void)
{
    begin();
    EXPLORE_EXPECT(vm_unmap(as, BASE + 2 * PAGE_SIZE, 4 * PAGE_SIZE) == OK);
    EXPLORE_EXPECT(!region_at(as, BASE + 3 * PAGE_SIZE) ||
                   start_of(region_at(as, BASE + 3 * PAGE_SIZE)) == half);
    end();
}
static void map_in_between(void)
{
    struct vm_map_args a = { .addr = BASE + 3 * PAGE_SIZE,
                             .len = PAGE_SIZE,
                             .prot = VM_READ | VM_WRITE,
                             .max_prot = VM_READ | VM_WRITE };
    begin();
    EXPLORE_EXPECT(vm_map(as, &a, &half) == OK);
    status_t st = half == BASE + 3 * PAGE_SIZE ? put(half, 7) : OK;
    EXPLORE_EXPECT(st == OK || st == -EFAULT); /* one that came later has unmapped it again */
    end();
}
static void commit_across(void)
{
    begin();
    status_t st = vm_commit(as, BASE + PAGE_SIZE, 2 * PAGE_SIZE);
    EXPLORE_EXPECT(st == OK || st == -EINVAL);
    st = vm_decommit(as, BASE, 4 * PAGE_SIZE);
    EXPLORE_EXPECT(st == OK || st == -EINVAL);
    end();
}
static void protect_and_commit(void)
{
    begin();
    status_t st = vm_protect(as, BASE + PAGE_SIZE, 2 * PAGE_SIZE, VM_READ);
    EXPLORE_EXPECT(st == OK || st == -EINVAL);
    st = vm_commit(as, BASE, 4 * PAGE_SIZE);
    EXPLORE_EXPECT(st == OK || st == -EINVAL);
    end();
}

static const struct explore_scenario scenarios[] = {
    { "vm: two faults", setup, { use_decommitted, use_other_byte }, check_bytes },
    { "vm: unmapped while it is used", setup, { use, unmap, reuse }, check },
    { "vm: unmapped while the CPU is away", setup, { use_and_leave, unmap, reuse }, check },
    { "vm: unmapped twice", setup, { use, unmap, unmap_middle }, check },
    { "vm: protected while it is used", setup, { use, protect }, check },
    { "vm: given up while it is used", setup, { use_decommitted, decommit, reuse }, check },
    { "vm: pinned", setup, { pin, unmap, reuse }, check },
    { "vm: an object shrinks", setup_object, { use, shrink, reuse }, check },
    { "vm: changed and unmapped",
      setup,
      { commit_across, unmap_middle, protect_and_commit },
      check },
    { "vm: a place in what is unmapped", setup, { unmap, unmap_half, map_in_between }, check },
    { "vm: regions and a model", setup_empty, { follow_model }, check },
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, ARRAY_SIZE(scenarios));
}
