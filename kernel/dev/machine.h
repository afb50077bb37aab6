/* Switching the machine off and starting it over. */
#ifndef DEV_MACHINE_H
#define DEV_MACHINE_H

#include "klib/types.h"
#include "x86/acpi.h"

/* Remember how this machine is switched off and reset. acpi stays the caller's. */
void machine_init(const struct acpi_info *acpi);
/* Enter ACPI state S5. Returns only if that did not work: -EOPNOTSUPP (no ACPI), -EIO. */
status_t machine_power_off(void);
/* Reset: by the ACPI reset register, the chip set, the keyboard controller, or a triple fault. */
void machine_reset(void) NORETURN;

#endif
