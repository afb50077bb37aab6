/* The driver of virtio block devices (virtio 1.1, 5.2). */
#ifndef DEV_VIRTIO_BLK_H
#define DEV_VIRTIO_BLK_H

#include "dev/pci.h"

/* Take the device into use if it is a virtio block device; a line says why if it can't be used. */
void virtio_blk_probe(const struct pci_device *pci);

#endif
