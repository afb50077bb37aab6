/* Split virtqueues (virtqueue.h). Layouts and rules: virtio 1.1, 2.6. */
#include "dev/virtqueue.h"
#include "klib/assert.h"
#include "mm/frame.h"
#include "mm/heap.h"

/* The wire format (2.6.5, 2.6.6, 2.6.8); little-endian, as is the CPU. */
struct virtq_desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
struct virtq_avail {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[];
};
struct virtq_used {
    uint16_t flags;
    uint16_t index;
    struct {
        uint32_t id;
        uint32_t length;
    } ring[];
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.1, 2.6.5");
_Static_assert(sizeof(struct virtq_used) == 4, "virtio 1.1, 2.6.8");

#define DESC_NEXT  1u /* the chain goes on */
#define DESC_WRITE 2u /* the device writes here */

/* The second frame: the ring of available chains, then the ring of used ones. */
#define USED_OFFSET 1024
_Static_assert(sizeof(struct virtq_desc) * VIRTQUEUE_MAX <= PAGE_SIZE, "descriptors fit a frame");
_Static_assert(4 + 2 * VIRTQUEUE_MAX + 2 <= USED_OFFSET, "available ring fits");
_Static_assert(USED_OFFSET + 4 + 8 * VIRTQUEUE_MAX + 2 <= PAGE_SIZE, "used ring fits");

/* What we know of a descriptor, where the device can't change it. */
struct virtqueue_chain {
    void *token;    /* of the chain that begins here; NULL: none is with the device */
    uint16_t next;  /* free: the next free one; else: the next of the chain */
    uint16_t count; /* descriptors of the chain that begins here */
};
_Static_assert(sizeof(struct virtqueue_chain) * VIRTQUEUE_MAX <= PAGE_SIZE, "the heap's limit");

/*
 * x86 keeps stores in order and loads in order, so against a device that shares memory with the
 * CPU the compiler is all that must be held back. A load after a store would need a fence; there is none.
 */
static void order(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

status_t virtqueue_init(struct virtqueue *vq, uint16_t size)
{
    ASSERT(size && size <= VIRTQUEUE_MAX && !(size & (size - 1)));
    paddr_t desc = frame_alloc_zeroed(), rings = frame_alloc_zeroed();
    struct virtqueue_chain *chains = kzalloc(size * sizeof *chains);
    if (!desc || !rings || !chains) {
        if (desc)
            frame_free(desc);
        if (rings)
            frame_free(rings);
        if (chains)
            kfree(chains);
        return -ENOMEM;
    }
    for (uint16_t i = 0; i < size; i++)
        chains[i].next = (uint16_t)(i + 1);
    *vq = (struct virtqueue){
        .size = size,
        .free_count = size,
        .desc = phys_to_virt(desc),
        .avail = phys_to_virt(rings),
        .used = phys_to_virt(rings + USED_OFFSET),
        .chains = chains,
        .desc_at = desc,
        .avail_at = rings,
        .used_at = rings + USED_OFFSET,
    };
    return OK;
}

void virtqueue_free(struct virtqueue *vq)
{
    frame_free(vq->desc_at);
    frame_free(vq->avail_at);
    kfree(vq->chains);
    *vq = (struct virtqueue){ 0 };
}

status_t virtqueue_give(struct virtqueue *vq, const struct dma_segment *segments, unsigned readable,
                        unsigned writable, void *token)
{
    unsigned count = readable + writable;
    ASSERT(count && token);
    if (count > vq->free_count)
        return -EAGAIN;
    uint16_t head = vq->free_head, at = head;
    for (unsigned i = 0; i < count; i++) {
        unsigned flags = (i < readable ? 0 : DESC_WRITE) | (i + 1 < count ? DESC_NEXT : 0);
        vq->desc[at] = (struct virtq_desc){
            .address = segments[i].address,
            .length = segments[i].length,
            .flags = (uint16_t)flags,
            .next = i + 1 < count ? vq->chains[at].next : 0,
        };
        at = vq->chains[at].next;
    }
    vq->free_head = at;
    vq->free_count = (uint16_t)(vq->free_count - count);
    vq->chains[head].token = token;
    vq->chains[head].count = (uint16_t)count;
    vq->avail->ring[vq->avail_index++ & (vq->size - 1)] = head;
    order();
    vq->avail->index = vq->avail_index;
    return OK;
}

void virtqueue_notify(struct virtqueue *vq)
{
    order();
    *vq->notify = vq->index;
}

void *virtqueue_take(struct virtqueue *vq)
{
    uint16_t done = vq->used->index;
    if (vq->broken || done == vq->used_index)
        return NULL;
    order();
    uint32_t head = vq->used->ring[vq->used_index & (vq->size - 1)].id;
    if (head >= vq->size || !vq->chains[head].token) {
        vq->broken = true;
        return NULL;
    }
    struct virtqueue_chain *chain = &vq->chains[head];
    void *token = chain->token;
    uint32_t last = head;
    for (unsigned i = 1; i < chain->count; i++)
        last = vq->chains[last].next;
    vq->chains[last].next = vq->free_head;
    vq->free_head = (uint16_t)head;
    vq->free_count = (uint16_t)(vq->free_count + chain->count);
    vq->used_index++;
    chain->token = NULL;
    return token;
}
