/* The machine's devices: serial port, power, and what is found on the PCI buses. */
#ifndef DEV_DEV_H
#define DEV_DEV_H

#include "x86/acpi.h"

/*
 * Find all devices and bring up those that the kernel drives. Once, at boot, with interrupt
 * controllers, clock and scheduler running. acpi is not needed afterwards.
 */
void dev_init(const struct acpi_info *acpi);

#endif
