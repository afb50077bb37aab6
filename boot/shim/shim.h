/*
 * The shim: a small loader that `qemu -kernel` (Multiboot 1) or GRUB (Multiboot 2) starts, and
 * that starts the kernel as a Limine boot loader would, so that the kernel has one way in.
 *
 *   multiboot.c   what the loader before us says: memory, modules, command line, ACPI
 *   memory.c      who owns which physical memory; the allocator; the memory map of the answers
 *   elf.c         checks the kernel's ELF file, loads and relocates it
 *   paging.c      the page tables the kernel is entered on
 *   answer.c      finds the kernel's requests and answers them
 *   hostile.c     `shim=hostile`: all that the kernel may not rely on, made different
 *   main.c        the order of it all
 *
 * The shim runs in long mode with the low 4 GiB mapped as they are: physical addresses are
 * pointers. All that it allocates lies below 4 GiB. Nothing returns an error: what cannot go on
 * ends in fail(), which says why and leaves QEMU with a failing status.
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE  UINT64_C(4096)
#define GIB        (UINT64_C(1) << 30)
#define TOP_OF_LOW (4 * GIB) /* what the shim itself can address */

#define CMDLINE_SIZE 4096 /* with the closing 0; the kernel takes no more */

/* ---- console.c ---- */

/* Prints to COM1: %s string, %u decimal, %x hexadecimal (both 64 bits), %% is not known. */
void say(const char *format, ...);

/* The same behind "SHIM: error: ", with an end of line; ends the machine with a failing status. */
_Noreturn void fail(const char *format, ...);

/* ---- multiboot.c ---- */

struct module {
    uint64_t base; /* physical */
    uint64_t size; /* bytes; 0: there is no such module */
};

/* The extended BIOS data area, whose first KiB can be read; 0: there is none. */
uint64_t bios_ebda(void);

/* What the loader before us told, copied out of its memory. */
struct boot_source {
    struct module kernel;
    struct module initrd;
    uint64_t rsdp;              /* physical address; 0: none found */
    bool hostile;               /* shim=hostile is on the command line */
    uint32_t cmdline_length;
    char cmdline[CMDLINE_SIZE]; /* the kernel's, as the user wrote it */
};

/* Fills *source and hands all memory ranges to mem_add(). magic and info as at the entry. */
void multiboot_read(struct boot_source *source, uint32_t magic, uint32_t info);

/* What follows `key` ("seed=") where a word of the command line begins with it; else null. */
const char *cmdline_find(const struct boot_source *source, const char *key);

/* Whether one of the words is `word`. */
bool cmdline_has(const struct boot_source *source, const char *word);

/* ---- memory.c: types are those of the Limine memory map ---- */

struct mem_range {
    uint64_t base; /* physical */
    uint64_t end;
    uint64_t type;
};

/* A range as the firmware gave it. */
void mem_add(uint64_t base, uint64_t length, uint64_t type);

/* Takes [base, base + size), grown to whole pages, out of the free memory. */
void mem_claim(uint64_t base, uint64_t size, uint64_t type);

/* Whole pages of free memory between 1 and 4 GiB, as claimed by `type`; not cleared. */
void *mem_alloc(uint64_t size, uint64_t type);

/* Small things of the loader's, 16-byte aligned (pages: page-aligned); not cleared. */
void *loader_alloc(uint64_t size);

/* The end of the highest range that is not reserved or bad memory. */
uint64_t mem_top(void);

/*
 * The map after all claims, sorted, into out[0..max): free ranges are page-aligned and overlap
 * nothing. Returns the number of entries. Calls to allocate after this would make it wrong.
 */
uint32_t mem_map(struct mem_range *out, uint32_t max);

/* ---- elf.c ---- */

#define MAX_SEGMENTS 16

struct segment {
    uint64_t virt; /* of the link, without the slide; page-aligned */
    uint64_t file_offset;
    uint64_t file_size;
    uint64_t mem_size;
    uint32_t flags; /* ELF's: 1 execute, 2 write, 4 read */
};

struct kernel_image {
    uint64_t phys;   /* where the image lies, contiguous, page-aligned */
    uint64_t virt;   /* its lowest link address */
    uint64_t size;   /* bytes of memory, whole pages */
    uint64_t entry;  /* link address */
    uint64_t slide;  /* virtual minus link address */
    uint64_t dynamic;      /* link address of the dynamic section */
    uint64_t dynamic_size; /* bytes; 0: none */
    bool relocatable;
    uint32_t segment_count;
    struct segment segment[MAX_SEGMENTS]; /* sorted by virt */
};

/* Checks the file and describes it in *image (all but phys and slide); fails by name. */
void elf_check(struct kernel_image *image, const struct module *file);

/* Copies the segments to image->phys and applies the relocations for image->slide. */
void elf_load(const struct kernel_image *image, const struct module *file);

/* ---- paging.c ---- */

/* The kernel's first page tables, with the low 4 GiB also mapped as they are; physical address. */
uint64_t paging_build(const struct kernel_image *image, uint64_t hhdm);

/* ---- answer.c ---- */

/* Answers the requests in the loaded image. The last that allocates. */
void answer_requests(const struct kernel_image *image, const struct boot_source *source,
                     uint64_t hhdm);

/* ---- random.c ---- */

void random_seed(const struct boot_source *source);
uint64_t random_below(uint64_t limit); /* 0 ≤ result < limit; limit > 0 */

/* ---- hostile.c ---- */

/* Splits and shuffles the map in out[0..count), adds overlaps; at most max entries. New count. */
uint32_t hostile_map(struct mem_range *out, uint32_t count, uint32_t max);

/* Puts root pointers of ACPI where the kernel may look for one before it finds the BIOS's: one damaged, one leading nowhere. */
void hostile_firmware(void);

/* Leaves the interrupt controllers as no loader should: unmasked, running, with events pending. */
void hostile_devices(void);

/* ---- start.S ---- */

extern char shim_base[], shim_end[];
extern uint64_t low_pdpt[512], low_pd[4][512];

_Noreturn void enter_kernel(uint64_t entry, uint64_t stack_top, uint64_t pml4, uint64_t hhdm);

#endif
