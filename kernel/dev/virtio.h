/*
 * The virtio transport over PCI (virtio 1.1, 4.1): finding a device's registers, agreeing on
 * features, setting up queues, interrupts. Only the modern interface is spoken; a transitional
 * device is used through its modern side, and one that has none is refused.
 */
#ifndef DEV_VIRTIO_H
#define DEV_VIRTIO_H

#include "dev/pci.h"
#include "dev/virtqueue.h"

#define VIRTIO_PCI_VENDOR           0x1af4
#define VIRTIO_PCI_MODERN(type)     (0x1040 + (type))
#define VIRTIO_PCI_TRANSITIONAL_BLK 0x1001
#define VIRTIO_PCI_TRANSITIONAL_RNG 0x1005

enum virtio_type {
    VIRTIO_TYPE_BLK = 2,
    VIRTIO_TYPE_RNG = 4,
};

#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtio_common;

struct virtio_device {
    struct pci_device pci;
    volatile struct virtio_common *common;
    volatile uint8_t *isr;
    volatile uint8_t *config;    /* registers of the device type */
    uint64_t config_length;      /* bytes */
    volatile uint8_t *notify;
    uint64_t notify_length;      /* bytes */
    uint32_t notify_multiplier;
    uint64_t features;           /* agreed on */
    struct pci_msix msix;
    bool uses_msix;
    int vectors[2]; /* MSI-X: of queues and of configuration changes; negative: none */
    void (*queue_event)(void *arg); /* of virtio_interrupts */
    void (*config_event)(void *arg);
    void *event_arg;
};

/*
 * Find the registers of the device, reset it and tell it that a driver came. -EOPNOTSUPP: it has
 * no virtio 1.x interface. -ENXIO: its registers can't be reached, or it doesn't answer.
 */
status_t virtio_open(struct virtio_device *vd, const struct pci_device *pci) MUST_CHECK;

/*
 * Agree on those of the wanted features that the device has, and on VERSION_1.
 * -EOPNOTSUPP: it is not of version 1, or does not want to work with what was chosen.
 */
status_t virtio_negotiate(struct virtio_device *vd, uint64_t wanted) MUST_CHECK;

/*
 * Have the functions called, interrupts off: queue(arg) after the device used a queue, config(arg)
 * after its configuration changed. Both may come without cause. By MSI-X where possible, else by
 * the interrupt pin. Before virtio_queue_setup. -ENXIO, -ENOSPC: no interrupt can be had.
 */
status_t virtio_interrupts(struct virtio_device *vd, void (*queue)(void *arg),
                           void (*config)(void *arg), void *arg) MUST_CHECK;
/* Take them back, at boot, before vd goes away. The device has been reset. */
void virtio_interrupts_off(struct virtio_device *vd);

/* Most descriptors the device allows in a queue; 0: it has no such queue. */
uint16_t virtio_queue_max(struct virtio_device *vd, uint16_t index);
/* Tell the device where the rings are. -ENXIO: it can't be notified or gives no interrupt. */
status_t virtio_queue_setup(struct virtio_device *vd, uint16_t index,
                            struct virtqueue *vq) MUST_CHECK;
/* Begin work. */
void virtio_ready(struct virtio_device *vd);

/*
 * Stop the device; all queues and features are forgotten, and it touches no memory of ours any
 * more. False: it did not say so within a second. Polls: only where nothing waits for it.
 */
bool virtio_reset(struct virtio_device *vd);
/* Reset a device that the driver can't use, and tell it so. False: it may still touch memory. */
bool virtio_fail(struct virtio_device *vd);
/* Whether the device asks to be reset because of an error of its own. */
bool virtio_needs_reset(struct virtio_device *vd);

/* Registers of the device type at a byte offset, as they were at one moment; 0 past their end. */
uint32_t virtio_config32(struct virtio_device *vd, uint64_t offset);
uint64_t virtio_config64(struct virtio_device *vd, uint64_t offset);

#endif
