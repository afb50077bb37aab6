/*
 * PCI: finding devices, their registers in memory, and their interrupts (PCI Local Bus 3.0).
 *
 * Configuration space is reached by mechanism 1, which every PC has. The firmware has numbered
 * the buses and placed the BARs; a device whose BAR it left unplaced can't be used.
 */
#ifndef DEV_PCI_H
#define DEV_PCI_H

#include "klib/types.h"
#include "x86/acpi.h"
#include "x86/irq.h"

struct pci_device {
    uint8_t bus, slot, function;
    uint16_t vendor, device; /* ids */
    uint8_t irq_line;        /* ISA interrupt the firmware gave to the pin; 0 or 255: none */
    /* One of several handlers of an interrupt line (pci_intx_attach). */
    irq_handler intx_handler;
    void *intx_arg;
    struct pci_device *intx_next;
};

/* The table that tells a device which vector to send for which of its interrupts. */
struct pci_msix {
    volatile uint32_t *table; /* four words an entry */
    unsigned count;           /* entries; 0: the device has no MSI-X */
};

/* Offsets of configuration registers (3.0, 6.1). */
enum pci_register {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SECONDARY_BUS = 0x19, /* of a bridge */
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
};

enum pci_capability {
    PCI_CAP_VENDOR = 0x09,
    PCI_CAP_MSIX = 0x11,
};

#define PCI_BARS 6

/* Call found for every function of every bus, in the order of bus, slot and function. */
void pci_scan(const struct acpi_info *acpi, void (*found)(const struct pci_device *dev));

uint8_t pci_read8(const struct pci_device *dev, unsigned offset);
uint16_t pci_read16(const struct pci_device *dev, unsigned offset);
uint32_t pci_read32(const struct pci_device *dev, unsigned offset);

/*
 * The offset of the next capability with the id after the one at `after` (0: the first), or 0.
 * A list that runs in a circle ends.
 */
unsigned pci_find_capability(const struct pci_device *dev, enum pci_capability id, unsigned after);

/* Let the device answer at its memory BARs and reach memory by itself. */
void pci_enable(const struct pci_device *dev);

/*
 * Map length bytes from offset of a memory BAR, uncached. NULL: there is no such memory, the
 * firmware gave it no place, or the kernel is out of memory. The mapping stays.
 */
volatile void *pci_map_bar(const struct pci_device *dev, unsigned bar, uint64_t offset,
                           uint64_t length);

/* Turn MSI-X on, all entries masked. False: the device has none, or its table can't be reached. */
bool pci_msix_enable(const struct pci_device *dev, struct pci_msix *msix);
/* Back to the interrupt pin. */
void pci_msix_disable(const struct pci_device *dev);
/* Send an entry's interrupts to a vector of irq_alloc on the boot CPU. index < msix->count. */
void pci_msix_route(const struct pci_msix *msix, unsigned index, unsigned vector);

/*
 * Have handler(arg) called, interrupts off, whenever the device's interrupt line is active; the
 * line may be shared, so the handler must ask its device. dev stays where it is from here on.
 * -ENXIO: the firmware connected the pin to nothing. -ENOSPC: no vector is left.
 */
status_t pci_intx_attach(struct pci_device *dev, irq_handler handler, void *arg) MUST_CHECK;
/* Take the handler away again, at boot, while no interrupt of the line is being handled. */
void pci_intx_detach(struct pci_device *dev);

#endif
