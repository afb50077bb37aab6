/*
 * The driver of virtio entropy devices (virtio_rng.h; virtio 1.1, 5.4): one queue, in which one buffer at a time lies
 * for the device to fill. It is asked at boot and then now and then.
 */
#include "dev/virtio_rng.h"
#include "dev/virtio.h"
#include "klib/printf.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "sched/thread.h"
#include "x86/clock.h"
#include "x86/random.h"

#define QUEUE     0
#define BYTES     64u
#define PERIOD_NS 300000000000ull /* from an answer to the next question */

struct virtio_rng {
    struct virtio_device vd;
    struct spinlock lock; /* r */
    struct virtqueue vq;  /* [r] */
    uint8_t *buffer; /* [r] BYTES of a frame of its own; the device's while it is in the queue */
    struct timer timer;
    bool answered; /* [r] it has been */
};

static bool present; /* set at boot, by the one thread that looks for devices */

static void ask(struct virtio_rng *v)
{
    const struct dma_segment segment = { virt_to_phys(v->buffer), BYTES, 0 };
    if (virtqueue_give(&v->vq, &segment, 0, 1, v) == OK)
        virtqueue_notify(&v->vq);
}

static void ask_again(struct timer *t)
{
    struct virtio_rng *v = CONTAINER(t, struct virtio_rng, timer);
    spin_lock(&v->lock);
    ask(v);
    spin_unlock(&v->lock);
}

static void queue_event(void *arg)
{
    struct virtio_rng *v = arg;
    spin_lock(&v->lock);
    if (virtqueue_take(&v->vq)) {
        random_add(v->buffer, BYTES);
        memset(v->buffer, 0, BYTES);
        if (!v->answered)
            kprintf("RANDOM: virtio-rng answers\n");
        v->answered = true;
        timer_arm(&v->timer, clock_ns() + PERIOD_NS);
    }
    spin_unlock(&v->lock);
}

/* It has no configuration; should it want a reset, it is asked no more. */
static void config_event(void *arg)
{
    (void)arg;
}

static status_t set_up(struct virtio_rng *v)
{
    status_t st = virtio_negotiate(&v->vd, 0);
    if (st != OK)
        return st;
    if (!virtio_queue_max(&v->vd, QUEUE))
        return -EOPNOTSUPP;
    paddr_t frame = frame_alloc_zeroed();
    if (!frame)
        return -ENOMEM;
    v->buffer = phys_to_virt(frame);
    st = virtqueue_init(&v->vq, 1);
    if (st == OK)
        st = virtio_interrupts(&v->vd, queue_event, config_event, v);
    if (st != OK)
        return st;
    st = virtio_queue_setup(&v->vd, QUEUE, &v->vq);
    if (st != OK)
        virtio_interrupts_off(&v->vd);
    return st;
}

static void give_up(struct virtio_rng *v)
{
    if (!virtio_fail(&v->vd)) /* it may still touch the memory, which is given up with it */
        return;
    if (v->vq.size)
        virtqueue_free(&v->vq);
    if (v->buffer)
        frame_free(virt_to_phys(v->buffer));
    kfree(v);
}

void virtio_rng_probe(const struct pci_device *pci)
{
    if (present || pci->vendor != VIRTIO_PCI_VENDOR ||
        (pci->device != VIRTIO_PCI_MODERN(VIRTIO_TYPE_RNG) &&
         pci->device != VIRTIO_PCI_TRANSITIONAL_RNG))
        return;
    struct virtio_rng *v = kzalloc(sizeof *v);
    if (!v)
        return;
    spin_init(&v->lock, RANK_DEVICE);
    timer_init(&v->timer, ask_again);
    if (virtio_open(&v->vd, pci) != OK) {
        kfree(v);
        return;
    }
    if (set_up(v) != OK) {
        kprintf_at(LOG_WARNING, "RANDOM: a virtio-rng device can't be used\n");
        give_up(v);
        return;
    }
    present = true;
    virtio_ready(&v->vd);
    spin_lock(&v->lock);
    ask(v);
    spin_unlock(&v->lock);
}
