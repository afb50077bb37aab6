/*
 * Split virtqueues (virtio 1.1, 2.6): a ring in memory through which a device is given chains of
 * buffers and gives them back when it is done.
 *
 * The device is not trusted with our pointers: it returns numbers, which are checked against what
 * it was given. Whoever owns the queue guards it with a lock; none of these functions sleeps.
 */
#ifndef DEV_VIRTQUEUE_H
#define DEV_VIRTQUEUE_H

#include "klib/types.h"

#define VIRTQUEUE_MAX 256 /* most descriptors; the three rings of such a queue fill two frames */

/* A piece of memory that is contiguous for the device. */
struct dma_segment {
    paddr_t address;
    uint32_t length; /* bytes, not 0 */
    uint32_t reserved;
};

struct virtqueue_chain;

struct virtqueue {
    uint16_t size;            /* [I] descriptors, a power of two */
    uint16_t index;           /* [I] number at the device, set by the transport */
    volatile uint16_t *notify; /* [I] register to notify the device at, set by the transport */
    uint16_t free_head;       /* first free descriptor */
    uint16_t free_count;
    uint16_t avail_index;     /* chains given to the device so far, modulo 2^16 */
    uint16_t used_index;      /* chains taken back so far */
    bool broken;              /* the device returned what it never had */
    struct virtq_desc *desc;  /* [I] what the device reads: never read back */
    volatile struct virtq_avail *avail; /* [I] */
    volatile struct virtq_used *used;   /* [I] written by the device */
    struct virtqueue_chain *chains;     /* [I] our own record of each descriptor */
    paddr_t desc_at, avail_at, used_at; /* [I] physical addresses */
};

/* Make a queue with size descriptors (a power of two, at most VIRTQUEUE_MAX). -ENOMEM. */
status_t virtqueue_init(struct virtqueue *vq, uint16_t size) MUST_CHECK;
/* Free the rings. The device must have been reset. */
void virtqueue_free(struct virtqueue *vq);

/*
 * Hand over a chain: segments the device reads, then segments it writes (readable + writable is
 * not 0). token, not NULL, comes back from virtqueue_take. The memory must stay until then.
 * -EAGAIN: too few free descriptors. The device looks at it after the next notification.
 */
status_t virtqueue_give(struct virtqueue *vq, const struct dma_segment *segments, unsigned readable,
                        unsigned writable, void *token) MUST_CHECK;
/*
 * Tell the device that it was given something. It is told even while it says that it need not be (a hint: virtio 1.2, 2.7.10): to
 * look at that takes a fence after the store of the index, and QEMU before 8.1 leaves fences out when it emulates one CPU, so
 * that a request now and then stayed there for ever.
 */
void virtqueue_notify(struct virtqueue *vq);
/*
 * The token of a chain that the device is done with, or NULL: there is none, or the device
 * returned something it does not have and vq->broken is set.
 */
void *virtqueue_take(struct virtqueue *vq);

#endif
