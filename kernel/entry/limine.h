/*
 * The part of the Limine boot protocol (base revision 2) that Rugo uses: identifiers and
 * layouts of requests and responses. Read by the kernel, which asks (entry/limine.c), and by
 * boot/shim, which answers. Names of sections and features are those of the protocol text.
 *
 * All pointers in responses are virtual addresses in the loader's higher-half direct map.
 */
#ifndef ENTRY_LIMINE_H
#define ENTRY_LIMINE_H

#include <stdint.h>

#define LIMINE_BASE_REVISION 2

/* Base revision tag: two magic words, then the revision; a loader that has it writes 0 there. */
#define LIMINE_BASE_MAGIC0 0xf9562b2d5c95a6c8
#define LIMINE_BASE_MAGIC1 0x6a7b384944536bdc

/* Requests are sought between these two markers only, where a kernel has them. */
#define LIMINE_START_MARKER \
    { 0xf6b8f4b39de7d1ae, 0xfab91a6940fcb9cf, 0x785c6ed015d3e316, 0x181e920a7852b9d9 }
#define LIMINE_END_MARKER { 0xadc0e0531bb10d03, 0x9572709f31764c62 }

#define LIMINE_MAGIC0 0xc7b1dd30df4c8b88
#define LIMINE_MAGIC1 0x0a82e883a194f07b

#define LIMINE_HHDM_ID   { LIMINE_MAGIC0, LIMINE_MAGIC1, 0x48dcf1cb8ad2b852, 0x63984e959a98244b }
#define LIMINE_MEMMAP_ID { LIMINE_MAGIC0, LIMINE_MAGIC1, 0x67cf3d9d378a806f, 0xe304acdfc50c3c62 }
#define LIMINE_KERNEL_FILE_ID \
    { LIMINE_MAGIC0, LIMINE_MAGIC1, 0xad97e90e83f1ed67, 0x31eb5d1c5ff23b69 }
#define LIMINE_KERNEL_ADDRESS_ID \
    { LIMINE_MAGIC0, LIMINE_MAGIC1, 0x71ba76863cc55f63, 0xb2644a48c516a487 }
#define LIMINE_MODULE_ID    { LIMINE_MAGIC0, LIMINE_MAGIC1, 0x3e7e279702be32af, 0xca1c4f3bd1280cee }
#define LIMINE_RSDP_ID      { LIMINE_MAGIC0, LIMINE_MAGIC1, 0xc5e77b6b397e7b43, 0x27637845accdcf3c }
#define LIMINE_BOOT_TIME_ID { LIMINE_MAGIC0, LIMINE_MAGIC1, 0x502746e184c088aa, 0xfbc5ec83e6327893 }

/* The head that all requests share; `response` stays null when the loader has no answer. */
struct limine_request {
    uint64_t id[4];
    uint64_t revision;
    uint64_t response; /* virtual address of the response below, or 0 */
};

struct limine_hhdm_response {
    uint64_t revision;
    uint64_t offset; /* virtual minus physical address of the direct map */
};

enum limine_memmap_type {
    LIMINE_MEMMAP_USABLE = 0,
    LIMINE_MEMMAP_RESERVED = 1,
    LIMINE_MEMMAP_ACPI_RECLAIMABLE = 2,
    LIMINE_MEMMAP_ACPI_NVS = 3,
    LIMINE_MEMMAP_BAD_MEMORY = 4,
    LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE = 5,
    LIMINE_MEMMAP_KERNEL_AND_MODULES = 6,
    LIMINE_MEMMAP_FRAMEBUFFER = 7,
};

struct limine_memmap_entry {
    uint64_t base; /* physical */
    uint64_t length;
    uint64_t type; /* enum limine_memmap_type; newer loaders may know more */
};

struct limine_memmap_response {
    uint64_t revision;
    uint64_t entry_count;
    uint64_t entries; /* address of entry_count addresses of struct limine_memmap_entry */
};

struct limine_file {
    uint64_t revision;
    uint64_t address; /* of the contents, 4 KiB-aligned */
    uint64_t size;
    uint64_t path;    /* address of a string */
    uint64_t cmdline; /* address of a string */
    uint32_t media_type;
    uint32_t unused;
    uint32_t tftp_ip;
    uint32_t tftp_port;
    uint32_t partition_index;
    uint32_t mbr_disk_id;
    uint8_t gpt_disk_uuid[16];
    uint8_t gpt_part_uuid[16];
    uint8_t part_uuid[16];
};

struct limine_kernel_file_response {
    uint64_t revision;
    uint64_t kernel_file; /* address of a struct limine_file */
};

struct limine_kernel_address_response {
    uint64_t revision;
    uint64_t physical_base;
    uint64_t virtual_base;
};

struct limine_module_response {
    uint64_t revision;
    uint64_t module_count;
    uint64_t modules; /* address of module_count addresses of struct limine_file */
};

struct limine_rsdp_response {
    uint64_t revision;
    uint64_t address; /* virtual up to base revision 2, physical in 3 */
};

struct limine_boot_time_response {
    uint64_t revision;
    int64_t boot_time; /* seconds since 1970 UTC */
};

_Static_assert(sizeof(struct limine_request) == 48, "Limine request head");
_Static_assert(sizeof(struct limine_file) == 112, "Limine file");

struct boot_info;

/*
 * Turns the loader's answers into *bi (all of it is written). Must run on the loader's page
 * tables, once, before anything of the loader's memory is reused. Does not return when a
 * mandatory answer is missing or senseless: it panics (PANIC_BOOT) and says which.
 */
void limine_collect(struct boot_info *bi);

#endif
