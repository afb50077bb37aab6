/* Message buffers of threads and what travels in them (endpoint.h). */
#include "ipc/futex.h"
#include "ipc/call.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"

struct slot_cell *msg_cells[SLOTS_MAX / SLOTS_CHUNK];

static struct {
    struct spinlock lock;
    uint32_t free_hint; /* [lock] all before the nth are given out */
} slots = { .lock = SPINLOCK_INIT(RANK_WAITQ) };

/*
 * The number that is given out as the nth. Each call writes to its slot's cell: numbers that follow on each other are those of
 * cells in different cache lines.
 */
#define IN_LINE (64 / sizeof(struct slot_cell))
#define LINES   (SLOTS_CHUNK / IN_LINE)
static uint32_t number_of(uint32_t nth)
{
    uint32_t at = nth % SLOTS_CHUNK;
    return (uint32_t)(nth - at + at % LINES * IN_LINE + at / LINES);
}
static uint32_t place_of(uint32_t number)
{
    uint32_t at = number % SLOTS_CHUNK;
    return (uint32_t)(number - at + at % IN_LINE * LINES + at / IN_LINE);
}

/* The cell of a number, made if missing; NULL: out of memory. The lock is held. */
static struct slot_cell *cell_make(uint32_t index)
{
    struct slot_cell **chunk = &msg_cells[index / SLOTS_CHUNK];
    if (!*chunk)
        __atomic_store_n(chunk, kzalloc(PAGE_SIZE), __ATOMIC_RELEASE);
    return msg_cell_of(index);
}

/* Give s a number; index 0, the first, is never used, so that no token is 0. */
static status_t number_slot(struct msg_slot *s)
{
    struct slot_cell *cell = NULL;
    spin_lock(&slots.lock);
    uint32_t i = slots.free_hint ? slots.free_hint : 1;
    while (i < SLOTS_MAX && (cell = cell_make(number_of(i))) && cell->slot)
        i++;
    bool found = i < SLOTS_MAX && cell;
    if (found) {
        s->index = number_of(i);
        s->cell = cell;
        s->token = cell->next_generation << MSG_INDEX_BITS | s->index;
        cell->ep = NULL;
        cell->slot = s;
        slots.free_hint = i + 1;
    }
    spin_unlock(&slots.lock);
    return found ? OK : -ENOMEM;
}

static void unnumber_slot(struct msg_slot *s)
{
    spin_lock(&slots.lock);
    s->cell->slot = NULL;
    s->cell->next_generation = s->token >> MSG_INDEX_BITS;
    if (place_of(s->index) < slots.free_hint)
        slots.free_hint = place_of(s->index);
    spin_unlock(&slots.lock);
}

/* Bytes that are charged to the job of the thread, until the slot goes: the thread may have gone before. */
#define SLOT_COST 1024u
_Static_assert(sizeof(struct msg_slot) <= SLOT_COST, "a slot pays for itself");

/* Free a slot of the calling thread that has no number, and its page. */
static void slot_free(struct msg_slot *s)
{
    /* When no memory is left to take the page out of the address space it stays there until the process ends. */
    if (s->user_addr && !thread_killed(s->thread) &&
        vm_unmap(s->thread->aspace, s->user_addr, PAGE_SIZE) != OK)
        s->user_addr = 0;
    if (s->page)
        object_put(&s->page->obj);
    account_refund(s->payer, SLOT_COST);
    kfree(s);
}

/* Called by a thread that ends; it is in no call any more. */
static void slot_destroy(struct thread *t)
{
    struct msg_slot *s = t->msg;
    if (!s)
        return;
    t->msg = NULL;
    unnumber_slot(s);
    slot_free(s);
}

struct shm *msg_slot_leave(struct msg_slot *s)
{
    struct shm *page = s->page;
    spin_lock(&slots.lock);
    s->thread->msg = NULL;
    s->thread = NULL;
    spin_unlock(&slots.lock);
    s->page = NULL;
    s->buf = NULL;
    return page;
}

/* The thread of that name, if there still is one. The slots are locked: until they are not, it does not end. */
static struct thread *thread_named(const struct server_name *n)
{
    struct msg_slot *s = n->cell ? n->cell->slot : NULL;
    return s && s->thread && s->thread->id == n->thread ? s->thread : NULL;
}

bool msg_slot_lend(const struct server_name *to, uint32_t priority)
{
    spin_lock(&slots.lock);
    struct thread *t = thread_named(to);
    bool lends = t && thread_lend(t, priority);
    spin_unlock(&slots.lock);
    return lends;
}

void msg_slot_take_back(const struct server_name *from, uint32_t priority)
{
    spin_lock(&slots.lock);
    struct thread *t = thread_named(from);
    if (t)
        thread_take_back(t, priority);
    spin_unlock(&slots.lock);
}

void msg_slot_forget(struct msg_slot *s)
{
    unnumber_slot(s);
    account_refund(s->payer, SLOT_COST);
    kfree(s);
}

void ipc_init(void)
{
    process_set_thread_exit_hook(slot_destroy);
    futex_init();
}

status_t msg_slot_make(uintptr_t *user_addr)
{
    struct thread *t = current_thread();
    if (t->msg) {
        *user_addr = t->msg->user_addr;
        return OK;
    }
    struct account *payer = &t->process->job->account;
    if (account_pay(payer, SLOT_COST) != OK)
        return -ENOMEM;
    struct msg_slot *s = kzalloc(sizeof *s);
    if (!s) {
        account_refund(payer, SLOT_COST);
        return -ENOMEM;
    }
    s->payer = payer;
    s->thread = t;
    prio_node_init(&s->item.node);
    list_init(&s->item.session_node);
    list_init(&s->node);
    list_init(&s->ghost_node);
    wait_queue_init(&s->caller);
    s->page = shm_create(PAGE_SIZE);
    status_t st = s->page ? object_charge(&s->page->obj, payer) : -ENOMEM;
    paddr_t frame = st == OK ? shm_page(s->page, 0) : 0;
    st = frame ? OK : -ENOMEM;
    if (st == OK) {
        s->buf = phys_to_virt(frame);
        struct vm_map_args a = { .len = PAGE_SIZE,
                                 .prot = VM_READ | VM_WRITE,
                                 .max_prot = VM_READ | VM_WRITE,
                                 .shm = s->page };
        st = vm_map(t->aspace, &a, &s->user_addr);
    }
    if (st == OK)
        st = number_slot(s);
    if (st != OK) {
        slot_free(s);
        return st;
    }
    t->msg = s;
    *user_addr = s->user_addr;
    return OK;
}

/* ---- cargo ---- */

void cargo_drop(struct ipc_cargo *c)
{
    for (uint32_t i = 0; i < c->nhandles; i++)
        grant_drop(&c->grants[i]);
    c->nhandles = 0;
}

static handle_t deliver(struct grant *g, bool answer)
{
    struct process *p = process_current();
    if (answer && object_adopt(g->obj, &p->job->account) != OK)
        return -EMFILE;
    handle_t h = handle_add_grant(&p->handles, g);
    return h < 0 ? -EMFILE : h;
}

void cargo_deliver(struct ipc_cargo *c, struct ipc_msg *buf, bool answer)
{
    for (uint32_t i = 0; i < c->nhandles; i++)
        buf->handles[i] = deliver(&c->grants[i], answer);
    buf->nhandles = c->nhandles;
    cargo_drop(c);
}

status_t cargo_load(struct ipc_cargo *c, const struct ipc_msg *buf)
{
    uint32_t n = __atomic_load_n(&buf->nhandles, __ATOMIC_RELAXED);
    c->len = __atomic_load_n(&buf->len, __ATOMIC_RELAXED);
    c->move = __atomic_load_n(&buf->move, __ATOMIC_RELAXED);
    c->nhandles = 0;
    if (c->len > IPC_DATA_MAX || n > IPC_HANDLE_MAX)
        return -E2BIG;
    if (c->move >> n)
        return -EINVAL;
    for (uint32_t i = 0; i < n; i++) {
        struct grant *g = &c->grants[i];
        c->source[i] = __atomic_load_n(&buf->handles[i], __ATOMIC_RELAXED);
        status_t st = handle_get_grant(c->source[i], 0, RIGHT_TRANSFER, g);
        /* An endpoint in its own queue would keep itself alive, without rights just the same. */
        if (st == OK && g->obj->type == OBJ_ENDPOINT) {
            grant_drop(g);
            st = -EPERM;
        }
        if (st != OK) {
            cargo_drop(c);
            return st;
        }
        c->nhandles++;
    }
    return OK;
}
