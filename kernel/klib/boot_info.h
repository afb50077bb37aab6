/*
 * What the kernel knows about the machine before it has looked at it: the boot loader's
 * answers, in the kernel's own words and in the kernel's own memory.
 *
 * entry/limine.c fills one of these from the Limine responses. Nothing in it points to memory
 * of the boot loader, so everything of type BOOT_MEM_LOADER may be reused once the kernel
 * runs on its own page tables, GDT and stack.
 */
#ifndef KLIB_BOOT_INFO_H
#define KLIB_BOOT_INFO_H

#include <stdint.h>

#define BOOT_CMDLINE_SIZE 4096 /* bytes, with the closing 0 */
#define BOOT_MEMMAP_MAX   512

/*
 * What a range of physical memory is. The order is the precedence: where a loader's entries
 * overlap, the higher type holds (a page that is both usable and reserved is reserved).
 */
enum boot_mem_type {
    BOOT_MEM_USABLE,       /* free RAM */
    BOOT_MEM_LOADER,       /* RAM of the boot loader: its page tables, GDT, stack, responses */
    BOOT_MEM_ACPI_RECLAIM, /* RAM with ACPI tables; free once they have been read */
    BOOT_MEM_KERNEL,       /* RAM with the kernel image and the boot modules */
    BOOT_MEM_FRAMEBUFFER,
    BOOT_MEM_ACPI_NVS,
    BOOT_MEM_RESERVED,
    BOOT_MEM_BAD,
};

struct boot_mem {
    uint64_t base;   /* physical, a multiple of 4096 */
    uint64_t length; /* bytes, a multiple of 4096, never 0 */
    enum boot_mem_type type;
};

struct boot_info {
    uint64_t hhdm; /* the loader's direct map: virtual = physical + hhdm, until CR3 changes */
    uint64_t kernel_phys; /* physical address of kernel_start; the image is contiguous */
    uint64_t kernel_virt; /* virtual address of kernel_start (the link address plus the slide) */
    uint64_t initrd_phys; /* physical address of the initrd (cpio newc), page-aligned */
    uint64_t initrd_size; /* bytes, not rounded */
    uint64_t rsdp_phys; /* physical address of the ACPI RSDP; 0: the loader knows none */
    int64_t boot_time; /* seconds since 1970 UTC at boot; 0: the loader did not say */

    /*
     * Sorted by base, page-aligned, not overlapping, neighbours of equal type merged. What is
     * in no entry is not memory. Entries past the capacity are left out and counted.
     */
    uint32_t memmap_count;
    uint32_t memmap_dropped;
    struct boot_mem memmap[BOOT_MEMMAP_MAX];

    uint32_t cmdline_length; /* bytes before the closing 0 */
    char cmdline[BOOT_CMDLINE_SIZE]; /* as the user wrote it; a longer one is refused, not cut */
};

#endif
