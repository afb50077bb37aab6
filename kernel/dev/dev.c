/* Finding the machine's devices (dev.h). */
#include "dev/dev.h"
#include "dev/machine.h"
#include "dev/pci.h"
#include "dev/serial_device.h"
#include "dev/virtio_blk.h"
#include "dev/virtio_rng.h"

static void probe(const struct pci_device *pci)
{
    virtio_blk_probe(pci);
    virtio_rng_probe(pci);
}

void dev_init(const struct acpi_info *acpi)
{
    machine_init(acpi);
    serial_device_init(acpi);
    pci_scan(acpi, probe);
}
