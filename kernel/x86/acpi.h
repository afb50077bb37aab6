/* The few ACPI tables the kernel reads (ACPI 6.4: 5.2.5 RSDP, 5.2.9 FADT, 5.2.12 MADT). No AML is run. */
#ifndef X86_ACPI_H
#define X86_ACPI_H

#include "klib/types.h"
#include "x86/cpu.h"

struct acpi_info {
    paddr_t lapic; /* physical address of the local APICs; 0: no MADT */
    uint32_t cpu_count; /* enabled local APICs found; apic_ids has the first of them */
    uint8_t apic_ids[MAX_CPUS];
    uint32_t ioapic_count;
    struct {
        paddr_t address;
        uint32_t first_gsi;
    } ioapics[4];
    struct {
        uint32_t gsi;
        bool level, active_low;
    } isa[16]; /* where each ISA interrupt arrives */
    uint16_t pm1a, pm1b; /* PM1 control ports; 0: none */
    bool s5; /* sleep types of \_S5 were found */
    uint8_t s5_a, s5_b;
    uint16_t reset_port; /* FADT reset register, if it is an I/O port */
    uint8_t reset_value;
};

/*
 * Read the tables through map(phys, length), which returns a kernel pointer or NULL. rsdp: from the loader; when it is 0 or
 * leads to no tables, those of the BIOS are looked for. Without any, defaults are filled in.
 */
void acpi_read(struct acpi_info *info, paddr_t rsdp,
               const void *(*map)(paddr_t at, uint64_t length));

#endif
