/*
 * The driver of virtio block devices (virtio_blk.h): one queue; a request is a chain of a header,
 * the data, and a byte for the result.
 */
#include "dev/virtio_blk.h"
#include "dev/blk.h"
#include "dev/virtio.h"
#include "klib/printf.h"
#include "mm/frame.h"
#include "mm/heap.h"

/* Features (5.2.3). */
#define F_SIZE_MAX (1ull << 1)
#define F_SEG_MAX  (1ull << 2)
#define F_RO       (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH    (1ull << 9)
#define FEATURES   (F_SIZE_MAX | F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH)

/* Offsets in the configuration (5.2.4). */
enum { CONFIG_CAPACITY = 0, CONFIG_SIZE_MAX = 8, CONFIG_SEG_MAX = 12, CONFIG_BLK_SIZE = 20 };

/* Types and results of requests (5.2.6). */
enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4 };
enum { RESULT_OK = 0, RESULT_IOERR = 1, RESULT_UNSUPP = 2, RESULT_NONE = 0xff };

#define QUEUE        0
#define SEGMENT_SIZE (1u << 20) /* where the device sets no limit */

/* What the device reads and writes of a request beside its data. */
struct slot {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
    volatile uint8_t result;
    uint8_t unused[15];
};
#define HEADER_SIZE offsetof(struct slot, result)
_Static_assert(HEADER_SIZE == 16, "virtio 1.1, 5.2.6");
_Static_assert(sizeof(struct slot) * BLK_QUEUE_MAX <= PAGE_SIZE, "the slots fit a frame");

struct virtio_blk {
    struct blk blk;
    struct virtio_device vd;
    struct virtqueue vq;   /* [b] */
    struct slot *slots;    /* [I] one per request in flight, in one frame */
    uint8_t free[BLK_QUEUE_MAX]; /* [b] numbers of free slots, a stack */
    unsigned free_count;   /* [b] */
};

static struct virtio_blk *virtio_of(struct blk *b)
{
    return CONTAINER(b, struct virtio_blk, blk);
}

/* ---- requests ---- */

static status_t start(struct blk *b, struct blk_io *io)
{
    static const uint8_t types[] = {
        [BLK_READ] = TYPE_IN, [BLK_WRITE] = TYPE_OUT, [BLK_FLUSH] = TYPE_FLUSH
    };
    struct virtio_blk *v = virtio_of(b);
    if (!v->free_count)
        return -EAGAIN;
    unsigned n = v->free[v->free_count - 1];
    struct slot *slot = &v->slots[n];
    *slot = (struct slot){ .type = types[io->op], .sector = io->sector, .result = RESULT_NONE };
    io->slot = n;
    io->segments[0] = (struct dma_segment){ virt_to_phys(slot), HEADER_SIZE, 0 };
    io->segments[io->count + 1] =
        (struct dma_segment){ virt_to_phys(slot) + HEADER_SIZE, sizeof slot->result, 0 };
    unsigned readable = 1 + (io->op == BLK_WRITE ? io->count : 0);
    status_t st = virtqueue_give(&v->vq, io->segments, readable, io->count + 2 - readable, io);
    if (st != OK)
        return st;
    v->free_count--;
    virtqueue_notify(&v->vq);
    return OK;
}

static status_t status_of(uint8_t result)
{
    switch (result) {
    case RESULT_OK: return OK;
    case RESULT_UNSUPP: return -EOPNOTSUPP;
    default: return -EIO;
    }
}

static void queue_event(void *arg)
{
    struct virtio_blk *v = arg;
    struct blk_io *io;
    spin_lock(&v->blk.lock);
    while (!v->blk.failed && (io = virtqueue_take(&v->vq)) != NULL) {
        v->free[v->free_count++] = (uint8_t)io->slot;
        blk_finish(&v->blk, io, status_of(v->slots[io->slot].result));
    }
    if (v->vq.broken)
        blk_fail(&v->blk);
    spin_unlock(&v->blk.lock);
}

static void config_event(void *arg)
{
    struct virtio_blk *v = arg;
    spin_lock(&v->blk.lock);
    if (virtio_needs_reset(&v->vd))
        blk_fail(&v->blk);
    else
        blk_set_capacity(&v->blk, virtio_config64(&v->vd, CONFIG_CAPACITY));
    spin_unlock(&v->blk.lock);
}

static bool stop(struct blk *b)
{
    return virtio_reset(&virtio_of(b)->vd);
}

static void destroy(struct blk *b)
{
    struct virtio_blk *v = virtio_of(b);
    if (v->vq.size)
        virtqueue_free(&v->vq);
    if (v->slots)
        frame_free(virt_to_phys(v->slots));
    kfree(v);
}

static const struct blk_driver driver = { .start = start, .stop = stop, .destroy = destroy };

/* ---- setting up ---- */

/* The largest power of two that device and rings allow; 0 if the device has no queue. */
static uint16_t queue_size(struct virtio_device *vd)
{
    uint16_t max = virtio_queue_max(vd, QUEUE), size = 1;
    while (size < VIRTQUEUE_MAX && size * 2 <= max)
        size = (uint16_t)(size * 2);
    return max ? size : 0;
}

/* What the device is and can do. -EOPNOTSUPP: sectors of a size that the ABI does not know. */
static status_t read_properties(struct virtio_blk *v)
{
    struct blk *b = &v->blk;
    uint64_t features = v->vd.features;
    b->flags = (features & F_RO ? BLK_READ_ONLY : 0) | (features & F_FLUSH ? BLK_CAN_FLUSH : 0);
    b->sector_size = features & F_BLK_SIZE ? virtio_config32(&v->vd, CONFIG_BLK_SIZE) : BLK_SECTOR;
    if (b->sector_size < BLK_SECTOR || b->sector_size > PAGE_SIZE ||
        b->sector_size & (b->sector_size - 1))
        return -EOPNOTSUPP;
    uint32_t segments = v->vq.size - 2u, size = SEGMENT_SIZE;
    if (features & F_SEG_MAX)
        segments = (uint32_t)min_u64(segments, virtio_config32(&v->vd, CONFIG_SEG_MAX));
    if (features & F_SIZE_MAX)
        size = (uint32_t)min_u64(size, virtio_config32(&v->vd, CONFIG_SIZE_MAX));
    b->max_segments = segments;
    b->segment_size = size - size % BLK_SECTOR;
    b->queue = (uint32_t)min_u64(v->vq.size / 3u, BLK_QUEUE_MAX); /* chains are 3 long or longer */
    blk_set_capacity(b, virtio_config64(&v->vd, CONFIG_CAPACITY));
    return OK;
}

static void name_place(const struct pci_device *pci, char place[BLK_PLACE])
{
    ksnprintf(place, BLK_PLACE, "%02x:%02x.%x", pci->bus, pci->slot, pci->function);
}

/* Bring an open device into service. On an error the caller resets it and drops the object. */
static status_t set_up(struct virtio_blk *v)
{
    status_t st = virtio_negotiate(&v->vd, FEATURES);
    if (st != OK)
        return st;
    uint16_t size = queue_size(&v->vd);
    if (size < 4)
        return -EOPNOTSUPP;
    paddr_t slots = frame_alloc_zeroed();
    if (!slots)
        return -ENOMEM;
    v->slots = phys_to_virt(slots);
    st = virtqueue_init(&v->vq, size);
    if (st == OK)
        st = read_properties(v);
    if (st != OK)
        return st;
    for (unsigned i = 0; i < v->blk.queue; i++)
        v->free[v->free_count++] = (uint8_t)i;
    st = virtio_interrupts(&v->vd, queue_event, config_event, v);
    if (st != OK)
        return st;
    st = virtio_queue_setup(&v->vd, QUEUE, &v->vq);
    name_place(&v->vd.pci, v->blk.place);
    v->blk.interrupt = v->vd.uses_msix ? "msix" : "intx";
    if (st == OK)
        st = blk_add(&v->blk);
    if (st != OK)
        virtio_interrupts_off(&v->vd);
    return st;
}

static const char *reason(status_t st)
{
    switch (st) {
    case -EOPNOTSUPP: return "it lacks what the driver needs";
    case -ENOMEM: return "out of memory";
    case -ENOSPC: return "no interrupt vector is left";
    default: return "registers or interrupt can't be reached";
    }
}

static void refuse(const struct pci_device *pci, const char *why)
{
    char place[BLK_PLACE];
    name_place(pci, place);
    kprintf_at(LOG_WARNING, "BLK: virtio-blk at %s refused: %s\n", place, why);
}

void virtio_blk_probe(const struct pci_device *pci)
{
    if (pci->vendor != VIRTIO_PCI_VENDOR || (pci->device != VIRTIO_PCI_MODERN(VIRTIO_TYPE_BLK) &&
                                             pci->device != VIRTIO_PCI_TRANSITIONAL_BLK))
        return;
    struct virtio_blk *v = kzalloc(sizeof *v);
    if (!v) {
        refuse(pci, reason(-ENOMEM));
        return;
    }
    status_t st = virtio_open(&v->vd, pci);
    if (st != OK) {
        refuse(pci, st == -EOPNOTSUPP ? "legacy only, virtio 1.x is needed" : reason(st));
        kfree(v);
        return;
    }
    blk_init(&v->blk, &driver);
    st = set_up(v);
    if (st == OK) {
        virtio_ready(&v->vd);
        return;
    }
    refuse(pci, reason(st));
    if (virtio_fail(&v->vd)) /* else its memory is given up */
        object_put(&v->blk.obj);
}
