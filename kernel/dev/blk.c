/* Block devices, requests and who waits for them (blk.h). */
#include "dev/blk.h"
#include "klib/printf.h"
#include "mm/heap.h"

#define DEVICES_MAX 16

/* A process that uses a device. */
struct blk_client {
    struct list node;           /* [b] of the device */
    const struct object *owner; /* [I] the process; only compared, and only while not dead */
    struct watch watch;         /* [owner's watch lock] for its end */
    bool dead;                  /* [a] the owner has ended */
    uint32_t open;              /* [b] requests submitted and not reaped */
    uint32_t sleepers;          /* [b] threads in blk_reap */
    struct list done;           /* [b] struct blk_io.node */
    struct wait_queue waiters;  /* [b] for done */
};

static struct blk *devices[DEVICES_MAX]; /* [I] after boot */
static unsigned device_count;

/* ---- the janitor ---- */

static struct {
    struct spinlock lock;
    struct wait_queue queue;
    bool asked; /* something is to be cleaned up */
    struct thread *thread;
} janitor = { .lock = SPINLOCK_INIT(RANK_WAITQ) };

/* May be called with locks up to RANK_PORT held. */
static void janitor_ask(void)
{
    spin_lock(&janitor.lock);
    janitor.asked = true;
    wait_wake_all(&janitor.queue, 0);
    spin_unlock(&janitor.lock);
}

static bool client_dead(const struct blk_client *c)
{
    return __atomic_load_n(&c->dead, __ATOMIC_ACQUIRE);
}

/* The oldest finished request of a client, or NULL. */
static struct blk_io *take_done(struct blk *b, struct blk_client *c)
{
    ASSERT(spin_held(&b->lock));
    struct list *n = list_pop(&c->done);
    if (!n)
        return NULL;
    if (--b->done_count == 0)
        object_signal(&b->obj, EV_READABLE, 0);
    return LIST_ENTRY(n, struct blk_io, node);
}

static void free_io(struct blk_io *io)
{
    if (io->shm) {
        shm_unpin(io->shm, io->op == BLK_READ);
        object_put(&io->shm->obj);
    }
    kfree(io);
}

/*
 * Let go of one thing a dead client left: a finished request, or the client itself once nothing
 * of it is under way. False: there is nothing.
 */
static bool bury_one(struct blk *b)
{
    struct blk_io *io = NULL;
    struct blk_client *gone = NULL;
    spin_lock(&b->lock);
    LIST_FOR (n, &b->clients) {
        struct blk_client *c = LIST_ENTRY(n, struct blk_client, node);
        if (!client_dead(c))
            continue;
        io = take_done(b, c);
        if (io)
            c->open--;
        else if (!c->open && !c->sleepers)
            gone = c;
        if (io || gone)
            break;
    }
    if (gone)
        list_del(&gone->node);
    if (gone)
        wait_wake_all(&b->drained, 0);
    spin_unlock(&b->lock);
    if (io)
        free_io(io);
    if (gone)
        kfree(gone);
    return io || gone;
}

/*
 * Stop a device that failed and end its requests. If it does not let itself be stopped, the memory
 * it may still write to is given up for good.
 */
static void stop_failed(struct blk *b)
{
    bool stopped = b->driver->stop(b);
    kprintf_at(LOG_ERR, "BLK: %s failed and was %s\n", b->place,
               stopped ? "stopped" : "not stopped");
    spin_lock(&b->lock);
    b->stopped = true;
    LIST_FOR (n, &b->inflight) {
        struct blk_io *io = LIST_ENTRY(n, struct blk_io, node);
        if (!stopped)
            io->shm = NULL;
        blk_finish(b, io, -EIO);
    }
    spin_unlock(&b->lock);
}

static void clean_up(struct blk *b)
{
    spin_lock(&b->lock);
    bool stop = b->failed && !b->stopped;
    spin_unlock(&b->lock);
    if (stop)
        stop_failed(b);
    while (bury_one(b))
        ;
}

static void janitor_run(void *arg)
{
    (void)arg;
    for (;;) {
        status_t st = OK;
        spin_lock(&janitor.lock);
        while (!janitor.asked && st == OK)
            st = wait_sleep(&janitor.queue, &janitor.lock, WAIT_FOREVER);
        janitor.asked = false;
        spin_unlock(&janitor.lock);
        for (unsigned i = 0; i < device_count; i++)
            clean_up(devices[i]);
    }
}

static status_t janitor_start(void)
{
    if (janitor.thread)
        return OK;
    wait_queue_init(&janitor.queue);
    janitor.thread = thread_create_kernel("blk", janitor_run, NULL);
    if (!janitor.thread)
        return -ENOMEM;
    thread_start(janitor.thread);
    return OK;
}

/* ---- devices ---- */

struct blk *blk_device(unsigned index)
{
    return index < device_count ? devices[index] : NULL;
}

void blk_announce(const char *suffix)
{
    for (unsigned i = 0; i < device_count; i++) {
        const struct blk *b = devices[i];
        kprintf("BLK: found virtio-blk capacity=%lu sectors (%lu MiB) %s at %s %s%s\n", b->sectors,
                b->sectors >> 11, b->flags & BLK_READ_ONLY ? "ro" : "rw", b->place, b->interrupt,
                suffix);
    }
    if (!device_count)
        kprintf("BLK: no disk%s\n", suffix);
}

static void destroy(struct object *o)
{
    struct blk *b = CONTAINER(o, struct blk, obj);
    b->driver->destroy(b);
}

static const struct object_ops ops = { .destroy = destroy };

void blk_init(struct blk *b, const struct blk_driver *driver)
{
    *b = (struct blk){ .driver = driver };
    object_init(&b->obj, OBJ_BLK, &ops);
    spin_init(&b->lock, RANK_DEVICE);
    list_init(&b->clients);
    list_init(&b->inflight);
    wait_queue_init(&b->drained);
}

/* Most pieces that the part of a request in one page comes in. */
static uint32_t pieces_per_page(const struct blk *b)
{
    return (PAGE_SIZE + b->segment_size - 1) / b->segment_size;
}

status_t blk_add(struct blk *b)
{
    if (b->segment_size < BLK_SECTOR || b->max_segments > BLK_SEGMENTS_MAX || !b->queue)
        return -EOPNOTSUPP;
    uint32_t pages = b->max_segments / pieces_per_page(b);
    if (pages < 2)
        return -EOPNOTSUPP;
    if (device_count == DEVICES_MAX || janitor_start() != OK)
        return -ENOMEM;
    /* Pages need not be neighbours, and data that begins within a page touches one page more. */
    b->max_sectors = (pages - 1) * (PAGE_SIZE / BLK_SECTOR);
    devices[device_count++] = b;
    return OK;
}

void blk_set_capacity(struct blk *b, uint64_t sectors)
{
    b->sectors = sectors - sectors % (b->sector_size / BLK_SECTOR);
}

void blk_describe(struct blk *b, struct blk_info *info)
{
    *info = (struct blk_info){
        .sector_size = b->sector_size,
        .max_sectors = b->max_sectors,
        .flags = b->flags,
        .queue = b->queue,
    };
    spin_lock(&b->lock);
    info->sectors = b->sectors;
    spin_unlock(&b->lock);
}

/* ---- clients ---- */

/* Called with the owner's watch lock held, once: a process ends once. */
static void owner_event(struct watch *w, uint32_t events)
{
    struct blk_client *c = CONTAINER(w, struct blk_client, watch);
    if (!(events & EV_EXITED))
        return;
    list_del(&w->node);
    __atomic_store_n(&c->dead, true, __ATOMIC_RELEASE);
    janitor_ask();
}

/* The client of the calling process, made at its first use; NULL when memory is out. */
static struct blk_client *client_of(struct blk *b, struct object *owner)
{
    ASSERT(spin_held(&b->lock));
    LIST_FOR (n, &b->clients) {
        struct blk_client *c = LIST_ENTRY(n, struct blk_client, node);
        if (c->owner == owner && !client_dead(c))
            return c;
    }
    struct blk_client *c = kzalloc(sizeof *c);
    if (!c)
        return NULL;
    c->owner = owner;
    c->watch = (struct watch){ .events = EV_EXITED, .fire = owner_event };
    list_init(&c->done);
    wait_queue_init(&c->waiters);
    list_add_tail(&b->clients, &c->node);
    object_watch(owner, &c->watch);
    return c;
}

/* ---- submitting ---- */

static status_t check_data(struct blk *b, const struct blk_request *req, const struct shm *s)
{
    uint32_t unit = b->sector_size / BLK_SECTOR;
    uint64_t bytes = (uint64_t)req->count * BLK_SECTOR, size = shm_size_of(s);
    if (!req->count || req->count > b->max_sectors || req->count % unit || req->sector % unit)
        return -EINVAL;
    if (req->offset % BLK_SECTOR || req->offset > size || bytes > size - req->offset)
        return -EINVAL;
    spin_lock(&b->lock);
    bool inside = req->sector <= b->sectors && req->count <= b->sectors - req->sector;
    spin_unlock(&b->lock);
    if (!inside)
        return -EINVAL;
    return req->op == BLK_WRITE && b->flags & BLK_READ_ONLY ? -EROFS : OK;
}

static status_t check(struct blk *b, const struct blk_request *req, const struct shm *s)
{
    if (req->flags || req->reserved)
        return -EINVAL;
    switch (req->op) {
    case BLK_READ:
    case BLK_WRITE: return check_data(b, req, s);
    case BLK_FLUSH: return req->sector || req->count || req->offset || s ? -EINVAL : OK;
    default: return -EINVAL;
    }
}

/* Append a piece of memory that lies within a page, joined to the last one where it fits. */
static void add_piece(const struct blk *b, struct blk_io *io, paddr_t at, uint32_t length)
{
    struct dma_segment *last = &io->segments[io->count];
    if (io->count && last->address + last->length == at &&
        length <= b->segment_size - last->length) {
        last->length += length;
        return;
    }
    while (length) {
        uint32_t part = length < b->segment_size ? length : b->segment_size;
        ASSERT(io->count < b->max_segments);
        io->segments[++io->count] = (struct dma_segment){ .address = at, .length = part };
        at += part;
        length -= part;
    }
}

/* Find the pages of the data; they are made where nobody has touched them yet. */
static status_t add_data(const struct blk *b, struct blk_io *io, const struct blk_request *req)
{
    uint64_t at = req->offset, end = at + (uint64_t)req->count * BLK_SECTOR;
    while (at < end) {
        paddr_t page;
        status_t st = shm_get_page(io->shm, at >> PAGE_SHIFT, &page);
        if (st != OK)
            return st == -ENXIO ? -EINVAL : st;
        uint32_t length = (uint32_t)min_u64(end - at, PAGE_SIZE - (at & PAGE_MASK));
        add_piece(b, io, page + (at & PAGE_MASK), length);
        at += length;
    }
    return OK;
}

/* Most pieces that the data can come in, when no two pages are neighbours. */
static size_t pieces_of(const struct blk *b, const struct blk_request *req)
{
    uint64_t bytes = (req->offset & PAGE_MASK) + (uint64_t)req->count * BLK_SECTOR;
    return (align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT) * pieces_per_page(b);
}

/* Sleep until no process that has ended has requests under way. */
static status_t wait_drained(struct blk *b)
{
    ASSERT(spin_held(&b->lock));
    bool ghosts = true;
    status_t st = OK;
    while (ghosts && st == OK) {
        ghosts = false;
        LIST_FOR (n, &b->clients) {
            struct blk_client *c = LIST_ENTRY(n, struct blk_client, node);
            ghosts |= client_dead(c) && c->open;
        }
        if (ghosts)
            st = wait_sleep(&b->drained, &b->lock, WAIT_FOREVER);
    }
    return st;
}

/* Give a complete request to the device. */
static status_t start(struct blk *b, struct object *owner, struct blk_io *io)
{
    spin_lock(&b->lock);
    status_t st = wait_drained(b);
    struct blk_client *c = st == OK ? client_of(b, owner) : NULL;
    st = st != OK ? st : !c ? -ENOMEM : b->failed ? -EIO : c->open >= b->queue ? -EAGAIN : OK;
    io->client = c;
    bool nothing_to_do = io->op == BLK_FLUSH && !(b->flags & BLK_CAN_FLUSH);
    if (st == OK && !nothing_to_do)
        st = b->driver->start(b, io);
    if (st == OK) {
        c->open++;
        list_add_tail(&b->inflight, &io->node);
        if (nothing_to_do)
            blk_finish(b, io, OK);
    }
    spin_unlock(&b->lock);
    return st;
}

/* The request keeps the object and its pages until it is freed. */
static status_t hold_data(struct blk_io *io, struct shm *s)
{
    status_t st = shm_pin(s, io->op == BLK_READ);
    if (st != OK)
        return st;
    object_get(&s->obj);
    io->shm = s;
    return OK;
}

status_t blk_submit(struct blk *b, struct object *owner, const struct blk_request *req,
                    struct shm *s)
{
    status_t st = check(b, req, s);
    if (st != OK)
        return st;
    struct blk_io *io = kzalloc(sizeof *io);
    struct dma_segment *segments = kmalloc((pieces_of(b, req) + 2) * sizeof *segments);
    st = io && segments ? OK : -ENOMEM;
    if (st == OK) {
        *io = (struct blk_io){
            .op = req->op, .sector = req->sector, .cookie = req->cookie, .segments = segments
        };
        st = s ? hold_data(io, s) : OK;
    }
    if (st == OK)
        st = add_data(b, io, req);
    if (st == OK)
        st = start(b, owner, io); /* on success io is not ours any more */
    if (st != OK && io)
        free_io(io);
    if (segments)
        kfree(segments);
    return st;
}

/* ---- completing ---- */

void blk_finish(struct blk *b, struct blk_io *io, status_t status)
{
    ASSERT(spin_held(&b->lock));
    struct blk_client *c = io->client;
    io->status = status;
    list_del(&io->node);
    list_add_tail(&c->done, &io->node);
    b->done_count++;
    if (client_dead(c)) {
        janitor_ask();
        return;
    }
    (void)wait_wake_one(&c->waiters, 0);
    object_signal(&b->obj, 0, EV_READABLE);
}

void blk_fail(struct blk *b)
{
    ASSERT(spin_held(&b->lock));
    if (b->failed)
        return;
    b->failed = true;
    object_signal(&b->obj, 0, EV_ERR);
    janitor_ask();
}

/* ---- reaping ---- */

status_t blk_reap(struct blk *b, struct object *owner, size_t n, uint64_t deadline,
                  struct blk_batch *batch)
{
    status_t st = OK;
    list_init(&batch->ios);
    batch->count = 0;
    spin_lock(&b->lock);
    struct blk_client *c = client_of(b, owner);
    if (!c)
        st = -ENOMEM;
    while (st == OK && list_empty(&c->done)) {
        c->sleepers++;
        st = deadline ? wait_sleep(&c->waiters, &b->lock, deadline) : -ETIMEDOUT;
        c->sleepers--;
    }
    while (st == OK && batch->count < n) {
        struct blk_io *io = take_done(b, c);
        if (!io)
            break;
        list_add_tail(&batch->ios, &io->node);
        batch->done[batch->count++] =
            (struct blk_completion){ .cookie = io->cookie, .status = io->status };
    }
    spin_unlock(&b->lock);
    return st;
}

void blk_reap_accept(struct blk *b, struct blk_batch *batch)
{
    struct list *n;
    while ((n = list_pop(&batch->ios)) != NULL) {
        struct blk_io *io = LIST_ENTRY(n, struct blk_io, node);
        spin_lock(&b->lock);
        io->client->open--;
        spin_unlock(&b->lock);
        free_io(io);
    }
}

void blk_reap_return(struct blk *b, struct blk_batch *batch)
{
    spin_lock(&b->lock);
    while (!list_empty(&batch->ios)) {
        struct list *n = batch->ios.prev;
        struct blk_io *io = LIST_ENTRY(n, struct blk_io, node);
        list_del(n);
        list_add_head(&io->client->done, n);
        b->done_count++;
        (void)wait_wake_one(&io->client->waiters, 0);
    }
    object_signal(&b->obj, 0, EV_READABLE);
    spin_unlock(&b->lock);
}
