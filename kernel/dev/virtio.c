/* The virtio transport over PCI (virtio.h). Registers: virtio 1.1, 4.1.4. */
#include "dev/virtio.h"
#include "x86/clock.h"
#include "x86/cpu.h"

/* Common configuration (4.1.4.3). */
struct virtio_common {
    uint32_t device_feature_select;
    uint32_t device_feature;
    uint32_t driver_feature_select;
    uint32_t driver_feature;
    uint16_t config_vector;
    uint16_t queues;
    uint8_t status;
    uint8_t config_generation;
    uint16_t queue_select;
    uint16_t queue_size;
    uint16_t queue_vector;
    uint16_t queue_enable;
    uint16_t queue_notify_offset;
    /* 64-bit registers, written in halves (4.1.3.1) */
    uint32_t queue_desc[2];
    uint32_t queue_driver[2];
    uint32_t queue_device[2];
};
_Static_assert(sizeof(struct virtio_common) == 56, "virtio 1.1, 4.1.4.3");

/* Device status (2.1). */
#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER      2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 64
#define STATUS_FAILED      128

#define ISR_QUEUE  1
#define ISR_CONFIG 2
#define NO_VECTOR  0xffff

/* The capability that says where a group of registers is (4.1.4): offsets in it, and groups. */
enum { CAP_LENGTH = 2, CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_SIZE = 12, CAP_NOTIFY = 16 };
enum { GROUP_COMMON = 1, GROUP_NOTIFY = 2, GROUP_ISR = 3, GROUP_DEVICE = 4 };

#define RESET_NS 1000000000ull

static uint8_t get_status(struct virtio_device *vd)
{
    return vd->common->status;
}

static void add_status(struct virtio_device *vd, unsigned bit)
{
    vd->common->status = (uint8_t)(get_status(vd) | bit);
}

/* Take over the group of registers that a capability describes, unless we have it already. */
static void map_group(struct virtio_device *vd, unsigned cap)
{
    uint32_t offset = pci_read32(&vd->pci, cap + CAP_OFFSET);
    uint32_t size = pci_read32(&vd->pci, cap + CAP_SIZE);
    unsigned bar = pci_read8(&vd->pci, cap + CAP_BAR);
    switch (pci_read8(&vd->pci, cap + CAP_TYPE)) {
    case GROUP_COMMON:
        if (!vd->common && size >= sizeof *vd->common)
            vd->common = pci_map_bar(&vd->pci, bar, offset, size);
        break;
    case GROUP_NOTIFY:
        if (!vd->notify) {
            vd->notify = pci_map_bar(&vd->pci, bar, offset, size);
            vd->notify_length = size;
            vd->notify_multiplier = pci_read32(&vd->pci, cap + CAP_NOTIFY);
        }
        break;
    case GROUP_ISR:
        if (!vd->isr && size >= 1)
            vd->isr = pci_map_bar(&vd->pci, bar, offset, size);
        break;
    case GROUP_DEVICE:
        if (!vd->config) {
            vd->config = pci_map_bar(&vd->pci, bar, offset, size);
            vd->config_length = vd->config ? size : 0;
        }
        break;
    default: /* other groups are none of ours */ break;
    }
}

status_t virtio_open(struct virtio_device *vd, const struct pci_device *pci)
{
    *vd = (struct virtio_device){ .pci = *pci };
    bool modern = false;
    for (unsigned cap = 0; (cap = pci_find_capability(pci, PCI_CAP_VENDOR, cap)) != 0;) {
        modern |= pci_read8(pci, cap + CAP_TYPE) == GROUP_COMMON;
        map_group(vd, cap);
    }
    if (!modern)
        return -EOPNOTSUPP;
    if (!vd->common || !vd->notify || !vd->isr)
        return -ENXIO;
    pci_enable(pci);
    if (!virtio_reset(vd))
        return -ENXIO;
    add_status(vd, STATUS_ACKNOWLEDGE);
    add_status(vd, STATUS_DRIVER);
    return OK;
}

static uint64_t offered_features(struct virtio_device *vd)
{
    vd->common->device_feature_select = 0;
    uint64_t features = vd->common->device_feature;
    vd->common->device_feature_select = 1;
    return features | (uint64_t)vd->common->device_feature << 32;
}

status_t virtio_negotiate(struct virtio_device *vd, uint64_t wanted)
{
    uint64_t offered = offered_features(vd);
    if (!(offered & VIRTIO_F_VERSION_1))
        return -EOPNOTSUPP;
    vd->features = offered & (wanted | VIRTIO_F_VERSION_1);
    for (uint32_t half = 0; half < 2; half++) {
        vd->common->driver_feature_select = half;
        vd->common->driver_feature = (uint32_t)(vd->features >> 32 * half);
    }
    add_status(vd, STATUS_FEATURES_OK);
    return get_status(vd) & STATUS_FEATURES_OK ? OK : -EOPNOTSUPP;
}

/* ---- interrupts ---- */

static void queue_interrupt(void *arg)
{
    struct virtio_device *vd = arg;
    vd->queue_event(vd->event_arg);
}

static void config_interrupt(void *arg)
{
    struct virtio_device *vd = arg;
    vd->config_event(vd->event_arg);
}

/* Reading the ISR register tells what happened and lets go of the line (4.1.4.5). */
static void pin_interrupt(void *arg)
{
    struct virtio_device *vd = arg;
    uint8_t isr = *vd->isr;
    if (isr & ISR_CONFIG)
        vd->config_event(vd->event_arg);
    if (isr & ISR_QUEUE)
        vd->queue_event(vd->event_arg);
}

/*
 * Entry 0 is for queues, entry 1 for changes of the configuration. A device with a single entry
 * can't tell about changes then; what it says at the start holds.
 */
static bool msix_interrupts(struct virtio_device *vd)
{
    if (!pci_msix_enable(&vd->pci, &vd->msix))
        return false;
    vd->vectors[0] = irq_alloc(queue_interrupt, vd);
    if (vd->vectors[0] < 0) {
        pci_msix_disable(&vd->pci);
        return false;
    }
    vd->vectors[1] = vd->msix.count > 1 ? irq_alloc(config_interrupt, vd) : -ENOSPC;
    pci_msix_route(&vd->msix, 0, (unsigned)vd->vectors[0]);
    if (vd->vectors[1] >= 0)
        pci_msix_route(&vd->msix, 1, (unsigned)vd->vectors[1]);
    vd->common->config_vector = vd->vectors[1] >= 0 ? 1 : NO_VECTOR;
    return true;
}

status_t virtio_interrupts(struct virtio_device *vd, void (*queue)(void *arg),
                           void (*config)(void *arg), void *arg)
{
    vd->queue_event = queue;
    vd->config_event = config;
    vd->event_arg = arg;
    vd->uses_msix = msix_interrupts(vd);
    return vd->uses_msix ? OK : pci_intx_attach(&vd->pci, pin_interrupt, vd);
}

void virtio_interrupts_off(struct virtio_device *vd)
{
    if (!vd->uses_msix) {
        pci_intx_detach(&vd->pci);
        return;
    }
    pci_msix_disable(&vd->pci);
    for (unsigned i = 0; i < ARRAY_SIZE(vd->vectors); i++)
        if (vd->vectors[i] >= 0)
            irq_free((unsigned)vd->vectors[i]);
}

/* ---- queues ---- */

uint16_t virtio_queue_max(struct virtio_device *vd, uint16_t index)
{
    if (index >= vd->common->queues)
        return 0;
    vd->common->queue_select = index;
    return vd->common->queue_size;
}

/* The register that a queue is notified at (4.1.4.4), or NULL if it lies outside. */
static volatile uint16_t *notify_register(struct virtio_device *vd, uint16_t index)
{
    vd->common->queue_select = index;
    uint64_t offset = (uint64_t)vd->common->queue_notify_offset * vd->notify_multiplier;
    if (offset + sizeof(uint16_t) > vd->notify_length || offset & 1)
        return NULL;
    return (volatile uint16_t *)(vd->notify + offset);
}

static void write_address(volatile uint32_t *reg, paddr_t at)
{
    reg[0] = (uint32_t)at;
    reg[1] = (uint32_t)(at >> 32);
}

status_t virtio_queue_setup(struct virtio_device *vd, uint16_t index, struct virtqueue *vq)
{
    vq->index = index;
    vq->notify = notify_register(vd, index);
    if (!vq->notify)
        return -ENXIO;
    uint16_t vector = vd->uses_msix ? 0 : NO_VECTOR;
    vd->common->queue_size = vq->size;
    vd->common->queue_vector = vector;
    if (vd->common->queue_vector != vector)
        return -ENXIO;
    write_address(vd->common->queue_desc, vq->desc_at);
    write_address(vd->common->queue_driver, vq->avail_at);
    write_address(vd->common->queue_device, vq->used_at);
    vd->common->queue_enable = 1;
    return OK;
}

void virtio_ready(struct virtio_device *vd)
{
    add_status(vd, STATUS_DRIVER_OK);
}

/* ---- state ---- */

bool virtio_reset(struct virtio_device *vd)
{
    uint64_t give_up = clock_ns() + RESET_NS;
    vd->common->status = 0;
    while (get_status(vd) != 0) {
        if (clock_ns() > give_up)
            return false;
        cpu_pause();
    }
    return true;
}

bool virtio_fail(struct virtio_device *vd)
{
    bool stopped = virtio_reset(vd);
    add_status(vd, STATUS_FAILED);
    return stopped;
}

bool virtio_needs_reset(struct virtio_device *vd)
{
    return get_status(vd) & STATUS_NEEDS_RESET;
}

uint32_t virtio_config32(struct virtio_device *vd, uint64_t offset)
{
    if (vd->config_length < 4 || offset > vd->config_length - 4)
        return 0;
    return *(volatile uint32_t *)(vd->config + offset);
}

/* The generation changes when the device changed something between the halves (4.1.4.3.1). */
uint64_t virtio_config64(struct virtio_device *vd, uint64_t offset)
{
    uint64_t v;
    uint8_t generation;
    do {
        generation = vd->common->config_generation;
        v = virtio_config32(vd, offset) | (uint64_t)virtio_config32(vd, offset + 4) << 32;
    } while (generation != vd->common->config_generation);
    return v;
}
