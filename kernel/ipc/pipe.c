/* Pipes (pipe.h). */
#include "ipc/pipe.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "object/account.h"

struct pipe {
    struct spinlock lock;             /* p */
    struct pipe_end ends[2];          /* by pipe_side */
    uint64_t read, written, reserved; /* [p] positions, counted from the first byte ever written */
    char *pages
        [PIPE_PAGES]; /* [p]; of a range that is somebody's turn its own. Page n is in slot n % PIPE_PAGES. */
};
_Static_assert(PIPE_SIZE % PAGE_SIZE == 0 && PIPE_BUF <= PIPE_SIZE, "a ring of pages");

static uint64_t page_of(uint64_t position)
{
    return position >> PAGE_SHIFT;
}

static char **slot_of(struct pipe *p, uint64_t page)
{
    return &p->pages[page % PIPE_PAGES];
}

static uint64_t room(const struct pipe *p)
{
    return PIPE_SIZE - (p->written - p->read);
}

/* ---- pages; the lock is held ---- */

/* Who pays: as long as there are pages the read end is there. */
static struct account *payer(const struct pipe *p)
{
    return p->ends[PIPE_READER].obj.account;
}

static bool page_get(struct pipe *p, uint64_t page)
{
    char **slot = slot_of(p, page);
    if (*slot)
        return true;
    if (!account_charge(payer(p), JOB_MEMORY, PAGE_SIZE))
        return false;
    paddr_t frame = frame_alloc();
    if (frame)
        *slot = phys_to_virt(frame);
    else
        account_uncharge(payer(p), JOB_MEMORY, PAGE_SIZE);
    return frame != 0;
}

/* Free what is in a page's slot unless [read, reserved) still needs it, in this round of the ring or the next. */
static void page_drop(struct pipe *p, uint64_t page)
{
    char **slot = slot_of(p, page);
    uint64_t first = page_of(p->read);
    uint64_t needed =
        first + (page - first) % PIPE_PAGES; /* the first one from there in that slot */
    if (!*slot || (p->reserved > p->read && needed <= page_of(p->reserved - 1)))
        return;
    frame_free(virt_to_phys(*slot));
    account_uncharge(payer(p), JOB_MEMORY, PAGE_SIZE);
    *slot = NULL;
}

static void pages_drop(struct pipe *p, uint64_t from, uint64_t to)
{
    for (uint64_t page = page_of(from); page <= page_of(to); page++)
        page_drop(p, page);
}

/* ---- making and unmaking ---- */

static struct pipe_end *end_of(struct object *o)
{
    return CONTAINER(o, struct pipe_end, obj);
}

static void destroy(struct object *o)
{
    struct pipe_end *e = end_of(o);
    struct pipe *p = e->pipe;
    if (e->side == PIPE_WRITER) {
        object_put(&p->ends[PIPE_READER].obj);
        return;
    }
    for (unsigned i = 0; i < PIPE_PAGES; i++)
        ASSERT(!p->pages[i]);
    kfree(p);
}

/* Take all that was written out of the pipe. The lock is held, and nobody copies at either end. */
static void discard(struct pipe *p)
{
    uint64_t from = p->read;
    p->read = p->written;
    pages_drop(p, from, p->written);
}

static void last_handle(struct object *o)
{
    struct pipe_end *e = end_of(o);
    struct pipe *p = e->pipe;
    struct pipe_end *other = &p->ends[!e->side];
    spin_lock(&p->lock);
    e->closed = true;
    if (e->side == PIPE_READER && !other->busy)
        discard(p);
    if (!other->closed) {
        wait_wake_all(&other->waiters, OK);
        object_signal(&other->obj, 0,
                      EV_HUP | (other->side == PIPE_READER ? EV_READABLE : EV_WRITABLE));
    }
    spin_unlock(&p->lock);
}

static void describe(struct object *o, struct object_facts *f)
{
    struct pipe_end *e = end_of(o);
    struct pipe *p = e->pipe;
    spin_lock(&p->lock);
    f->peer = p->ends[!e->side].obj.number;
    f->size = p->written - p->read;
    f->detail = e->side;
    spin_unlock(&p->lock);
}

static const struct object_ops ops = { destroy, last_handle, describe };

status_t pipe_create(uint32_t flags, struct pipe_end *ends[2])
{
    struct pipe *p = kzalloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    spin_init(&p->lock, RANK_PIPE);
    for (unsigned side = 0; side < 2; side++) {
        struct pipe_end *e = &p->ends[side];
        object_init(&e->obj, OBJ_PIPE, &ops);
        e->pipe = p;
        e->side = side;
        e->flags = flags;
        wait_queue_init(&e->waiters);
        ends[side] = e;
    }
    object_get(&p->ends[PIPE_READER].obj); /* the write end's */
    object_signal(&p->ends[PIPE_WRITER].obj, 0, EV_WRITABLE);
    return OK;
}

uint32_t pipe_set_flags(struct pipe_end *e, uint32_t clear, uint32_t set)
{
    spin_lock(&e->pipe->lock);
    uint32_t before = e->flags;
    e->flags = (before & ~clear) | set;
    spin_unlock(&e->pipe->lock);
    return before;
}

/* ---- turns; the lock is held ---- */

/* Whether the end can do something useful: `need` bytes are there, or fit, or will never be. */
static bool end_ready(const struct pipe_end *e, uint64_t need)
{
    const struct pipe *p = e->pipe;
    return p->ends[!e->side].closed ||
           (e->side == PIPE_READER ? p->written - p->read : room(p)) >= need;
}

/* Wait until the end is free and ready, and take its turn. -EAGAIN, -EINTR. */
static status_t turn_take(struct pipe_end *e, uint64_t need)
{
    while (e->busy || !end_ready(e, need)) {
        if (!e->busy && (e->flags & PIPE_NONBLOCK))
            return -EAGAIN;
        int st = wait_sleep(&e->waiters, &e->pipe->lock, WAIT_FOREVER);
        if (st < 0)
            return st;
    }
    e->busy = true;
    return OK;
}

/*
 * Who waits for the turn gets it if there is something to do. One that needs more room than there is sleeps on, and the
 * others with it: room is below PIPE_BUF then, and all are woken when it is not any more.
 */
static void turn_give(struct pipe_end *e)
{
    e->busy = false;
    if (end_ready(e, 1))
        (void)wait_wake_one(&e->waiters, OK);
}

/* ---- reading ---- */

static status_t copy_out(struct pipe *p, uint64_t from, struct user_out buf, size_t n)
{
    for (size_t done = 0, piece; done < n; done += piece) {
        uint64_t at = from + done;
        piece = min_u64(n - done, PAGE_SIZE - (at & PAGE_MASK));
        status_t st = copy_to_user(user_out_at(buf, done),
                                   *slot_of(p, page_of(at)) + (at & PAGE_MASK), piece);
        if (st != OK)
            return st;
    }
    return OK;
}

/* n bytes have been read. */
static void consume(struct pipe *p, size_t n)
{
    struct pipe_end *reader = &p->ends[PIPE_READER], *writer = &p->ends[PIPE_WRITER];
    uint64_t from = p->read;
    bool was_full = room(p) < PIPE_BUF;
    p->read += n;
    pages_drop(p, from, p->read);
    if (writer->closed)
        return;
    if (p->read == p->written)
        object_signal(&reader->obj, EV_READABLE, 0);
    if (was_full && room(p) >= PIPE_BUF) {
        object_signal(&writer->obj, 0, EV_WRITABLE);
        wait_wake_all(&writer->waiters, OK);
    }
}

int64_t pipe_read(struct pipe_end *e, struct user_out buf, size_t n)
{
    struct pipe *p = e->pipe;
    if (n == 0)
        return 0;
    spin_lock(&p->lock);
    status_t st = turn_take(e, 1);
    uint64_t from = p->read;
    n = min_u64(n, p->written - from);
    spin_unlock(&p->lock);
    if (st != OK)
        return st;
    st = copy_out(p, from, buf, n);
    spin_lock(&p->lock);
    if (st == OK && n)
        consume(p, n);
    turn_give(e);
    spin_unlock(&p->lock);
    return st != OK ? st : (int64_t)n;
}

/* ---- writing ---- */

static status_t copy_in(struct pipe *p, uint64_t to, struct user_in buf, size_t n)
{
    for (size_t done = 0, piece; done < n; done += piece) {
        uint64_t at = to + done;
        piece = min_u64(n - done, PAGE_SIZE - (at & PAGE_MASK));
        status_t st = copy_from_user(*slot_of(p, page_of(at)) + (at & PAGE_MASK),
                                     user_in_at(buf, done), piece);
        if (st != OK)
            return st;
    }
    return OK;
}

/* Give back what was reserved and not written. */
static void unreserve(struct pipe *p)
{
    uint64_t to = p->reserved;
    p->reserved = p->written;
    pages_drop(p, p->written, to);
}

/* Reserve up to n bytes with their pages, not less than `least`; how many, or -ENOMEM. The caller has the turn. */
static int64_t reserve(struct pipe *p, uint64_t n, uint64_t least)
{
    uint64_t end = p->written + min_u64(n, room(p));
    while (p->reserved < end && page_get(p, page_of(p->reserved)))
        p->reserved = min_u64(end, align_down(p->reserved, PAGE_SIZE) + PAGE_SIZE);
    if (p->reserved - p->written >= least)
        return (int64_t)(p->reserved - p->written);
    unreserve(p);
    return -ENOMEM;
}

/* What was reserved has been written. */
static void commit(struct pipe *p)
{
    struct pipe_end *reader = &p->ends[PIPE_READER], *writer = &p->ends[PIPE_WRITER];
    p->written = p->reserved;
    if (room(p) < PIPE_BUF)
        object_signal(&writer->obj, EV_WRITABLE, 0);
    object_signal(&reader->obj, 0, EV_READABLE);
    (void)wait_wake_one(&reader->waiters, OK);
}

/* How many bytes must fit before some of n are written. */
static uint64_t least_of(const struct pipe_end *e, uint64_t n, bool whole)
{
    return whole ? n : e->flags & PIPE_NONBLOCK ? 1 : min_u64(n, PIPE_BUF);
}

/* Write some of n bytes; all of them, if they are to go in one piece. How many, or an error. */
static int64_t write_some(struct pipe_end *e, struct user_in buf, size_t n, bool whole)
{
    struct pipe *p = e->pipe;
    struct pipe_end *reader = &p->ends[PIPE_READER];
    spin_lock(&p->lock);
    int64_t got = turn_take(e, least_of(e, n, whole));
    if (got == OK) {
        got = reader->closed ? -EPIPE : reserve(p, n, whole ? n : 1);
        if (got < 0)
            turn_give(e);
    }
    uint64_t to = p->written;
    spin_unlock(&p->lock);
    if (got < 0)
        return got;
    status_t st = copy_in(p, to, buf, (size_t)got);
    spin_lock(&p->lock);
    if (st == OK && reader->closed)
        st = -EPIPE;
    if (st == OK)
        commit(p);
    else
        unreserve(p);
    if (reader->closed)
        discard(p);
    turn_give(e);
    spin_unlock(&p->lock);
    return st != OK ? st : got;
}

int64_t pipe_write(struct pipe_end *e, struct user_in buf, size_t n)
{
    size_t done = 0;
    while (done < n) {
        int64_t got = write_some(e, user_in_at(buf, done), n - done, n <= PIPE_BUF);
        if (got < 0)
            return done ? (int64_t)done : got;
        done += (size_t)got;
    }
    return (int64_t)done;
}
