/* The driver of virtio entropy devices: what they send is mixed into the kernel's random numbers. */
#ifndef DEV_VIRTIO_RNG_H
#define DEV_VIRTIO_RNG_H

#include "dev/pci.h"

/* Bring the device into service if it is one, and ask it; nobody waits for its answer. One is enough. */
void virtio_rng_probe(const struct pci_device *pci);

#endif
