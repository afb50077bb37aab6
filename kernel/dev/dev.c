/* Finding the machine's devices (dev.h). */
#include "dev/dev.h"
#include "dev/machine.h"
#include "dev/pci.h"
#include "dev/serial_device.h"
#include "dev/virtio_blk.h"

void dev_init(const struct acpi_info *acpi)
{
    machine_init(acpi);
    serial_device_init(acpi);
    pci_scan(acpi, virtio_blk_probe);
}
