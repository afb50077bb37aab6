/*
 * What the loader before us says, in either form of the Multiboot information:
 * Multiboot 1 (version 0.6.96, section 3.3) from `qemu -kernel`, Multiboot 2 (section 3.6) from
 * GRUB. Everything is copied, so that their memory may be overwritten afterwards.
 *
 * Module 1 is the kernel; its string is the kernel's command line. Module 2 is the initrd.
 */
#include "shim.h"

#include "entry/limine.h"

#define MB1_LOADED 0x2badb002u
#define MB2_LOADED 0x36d76289u

#define MB1_HAS_MODULES    (1u << 3)
#define MB1_HAS_MEMORY_MAP (1u << 6)

struct mb1_info {
    uint32_t flags;
    uint32_t mem_lower, mem_upper;
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t module_count, modules;
    uint32_t symbols[4];
    uint32_t memory_map_length, memory_map;
};

struct mb1_module {
    uint32_t start, end, string, reserved;
};

struct mb1_memory {
    uint32_t size; /* of what follows */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

enum { MB2_END = 0, MB2_MODULE = 3, MB2_MEMORY_MAP = 6, MB2_RSDP_1 = 14, MB2_RSDP_2 = 15 };

struct mb2_tag {
    uint32_t type, size;
};

struct mb2_module {
    struct mb2_tag tag;
    uint32_t start, end;
    char string[];
};

struct mb2_memory {
    uint64_t base, length;
    uint32_t type, reserved;
};

struct mb2_memory_map {
    struct mb2_tag tag;
    uint32_t entry_size, entry_version;
};

/* Through an empty asm: gcc takes a small constant address for a null pointer gone astray. */
static const void *at(uint64_t address)
{
    __asm__("" : "+r"(address));
    return (const void *)address;
}

static void copy_bytes(void *to, const void *from, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        ((char *)to)[i] = ((const char *)from)[i];
}

/* Both versions number the types of memory as the BIOS's E820 does. */
static void add_memory(uint64_t base, uint64_t length, uint32_t type)
{
    static const uint8_t limine_type[] = {
        [1] = LIMINE_MEMMAP_USABLE,           [2] = LIMINE_MEMMAP_RESERVED,
        [3] = LIMINE_MEMMAP_ACPI_RECLAIMABLE, [4] = LIMINE_MEMMAP_ACPI_NVS,
        [5] = LIMINE_MEMMAP_BAD_MEMORY,
    };
    mem_add(base, length, type >= 1 && type <= 5 ? limine_type[type] : LIMINE_MEMMAP_RESERVED);
}

static void cmdline_put(struct boot_source *source, char c)
{
    if (source->cmdline_length == CMDLINE_SIZE - 1)
        fail("the kernel's command line is longer than %u bytes", (uint64_t)CMDLINE_SIZE - 1);
    source->cmdline[source->cmdline_length++] = c;
}

/* QEMU's string is the file name, a space and the user's text as it was. */
static void cmdline_from_qemu(struct boot_source *source, const char *text)
{
    while (*text != '\0' && *text != ' ')
        text++;
    while (*text != '\0' && *++text != '\0')
        cmdline_put(source, *text);
}

/*
 * GRUB's string is its arguments joined by spaces, without a file name. In each it puts a
 * backslash before \, " and ', and double quotes around it if there is a space inside. A quote
 * with no backslash is therefore GRUB's own. (It leaves the backslash of \xHH alone.)
 */
static void cmdline_from_grub(struct boot_source *source, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"')
            continue;
        if (text[0] == '\\' && (text[1] == '\\' || text[1] == '"' || text[1] == '\''))
            text++;
        cmdline_put(source, *text);
    }
}

static struct module module_at(uint32_t start, uint32_t end)
{
    return (struct module){ .base = start, .size = end > start ? end - start : 0 };
}

static void read_mb1(struct boot_source *source, const struct mb1_info *info)
{
    const struct mb1_module *modules = at(info->modules);

    if ((info->flags & MB1_HAS_MEMORY_MAP) == 0)
        fail("Multiboot 1: no memory map");
    for (uint64_t p = info->memory_map, end = p + info->memory_map_length; p < end;) {
        const struct mb1_memory *entry = at(p);
        add_memory(entry->base, entry->length, entry->type);
        p += sizeof entry->size + entry->size;
    }
    if ((info->flags & MB1_HAS_MODULES) != 0 && info->module_count >= 1) {
        source->kernel = module_at(modules[0].start, modules[0].end);
        cmdline_from_qemu(source, at(modules[0].string));
        if (info->module_count >= 2)
            source->initrd = module_at(modules[1].start, modules[1].end);
    }
}

static void read_mb2_module(struct boot_source *source, const struct mb2_module *module)
{
    if (source->kernel.size == 0) {
        source->kernel = module_at(module->start, module->end);
        cmdline_from_grub(source, module->string);
    } else if (source->initrd.size == 0) {
        source->initrd = module_at(module->start, module->end);
    }
}

static void read_mb2_memory(const struct mb2_memory_map *map)
{
    const char *entry = (const char *)(map + 1);
    const char *end = (const char *)map + map->tag.size;

    for (; entry + sizeof(struct mb2_memory) <= end; entry += map->entry_size) {
        const struct mb2_memory *m = (const void *)entry;
        add_memory(m->base, m->length, m->type);
    }
}

/* Returns the tag with the RSDP's copy, the newer one if there are two; null without ACPI. */
static const struct mb2_tag *read_mb2(struct boot_source *source, const uint32_t *info)
{
    const struct mb2_tag *rsdp = NULL;
    const struct mb2_tag *tag = (const void *)(info + 2); /* behind total size and reserved */

    while (tag->type != MB2_END) {
        if (tag->type == MB2_MODULE)
            read_mb2_module(source, (const void *)tag);
        else if (tag->type == MB2_MEMORY_MAP)
            read_mb2_memory((const void *)tag);
        else if (tag->type == MB2_RSDP_2 || (tag->type == MB2_RSDP_1 && rsdp == NULL))
            rsdp = tag;
        tag = (const void *)((const char *)tag + (((uint64_t)tag->size + 7) & -UINT64_C(8)));
    }
    return rsdp;
}

/* ACPI 6.4, section 5.2.5.3: the first 20 bytes, the signature among them, add up to 0. */
static bool is_rsdp(const uint8_t *p)
{
    const uint64_t signature = 0x2052545020445352; /* "RSD PTR " */
    uint8_t sum = 0;

    if (*(const uint64_t *)p != signature)
        return false;
    for (int i = 0; i < 20; i++)
        sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

uint64_t bios_ebda(void)
{
    uint16_t segment;
    copy_bytes(&segment, at(0x40e), sizeof segment);
    uint64_t ebda = (uint64_t)segment << 4;

    return ebda >= 0x80000 && ebda + 1024 <= 0xa0000 ? ebda : 0;
}

/* ACPI 6.4, section 5.2.5.1: on 16-byte boundaries in the BIOS's area or the first KiB of the EBDA. */
static uint64_t find_bios_rsdp(void)
{
    uint64_t ebda = bios_ebda();

    for (uint64_t p = 0xe0000; p < 0x100000; p += 16) {
        if (is_rsdp(at(p)))
            return p;
    }
    for (uint64_t p = ebda; ebda != 0 && p < ebda + 1024; p += 16) {
        if (is_rsdp(at(p)))
            return p;
    }
    return 0;
}

/*
 * Under UEFI the tag is a copy in GRUB's memory: the kernel gets it in a page of its own, of the
 * type that it keeps until ACPI has been read.
 */
static uint64_t keep_rsdp(const struct mb2_tag *tag)
{
    void *page = mem_alloc(PAGE_SIZE, LIMINE_MEMMAP_ACPI_RECLAIMABLE);
    copy_bytes(page, tag + 1, tag->size - sizeof *tag);
    return (uint64_t)page;
}

static void claim_modules(const struct boot_source *source)
{
    const struct module *kernel = &source->kernel, *initrd = &source->initrd;

    if (kernel->size == 0)
        fail("no kernel: the loader gives no module (first the kernel, then the initrd)");
    if ((kernel->base | initrd->base) % PAGE_SIZE != 0)
        fail("the loader put a module at an address that is not page-aligned");
    mem_claim((uint64_t)shim_base, (uint64_t)(shim_end - shim_base),
              LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE);
    mem_claim(kernel->base, kernel->size, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE);
    mem_claim(initrd->base, initrd->size, LIMINE_MEMMAP_KERNEL_AND_MODULES);
}

void multiboot_read(struct boot_source *source, uint32_t magic, uint32_t info)
{
    static uint64_t rsdp_copy[16];
    const struct mb2_tag *rsdp = NULL;

    if (magic == MB1_LOADED)
        read_mb1(source, at(info));
    else if (magic == MB2_LOADED)
        rsdp = read_mb2(source, at(info));
    else
        fail("not started by a Multiboot loader (magic 0x%x)", (uint64_t)magic);

    /* The first allocation may overwrite the tag: it goes through a copy of our own. */
    if (rsdp != NULL && rsdp->size <= sizeof rsdp_copy) {
        copy_bytes(rsdp_copy, rsdp, rsdp->size);
        rsdp = (const struct mb2_tag *)rsdp_copy;
    }
    source->hostile = cmdline_has(source, "shim=hostile");
    claim_modules(source);
    source->rsdp = find_bios_rsdp();
    if (source->rsdp == 0 && rsdp != NULL)
        source->rsdp = keep_rsdp(rsdp);
}

const char *cmdline_find(const struct boot_source *source, const char *key)
{
    const char *word = source->cmdline;

    for (;;) {
        const char *w = word;
        const char *k = key;
        while (*k != '\0' && *w == *k)
            w++, k++;
        if (*k == '\0')
            return w;
        while (*word != '\0' && *word != ' ')
            word++;
        if (*word == '\0')
            return NULL;
        word++;
    }
}

bool cmdline_has(const struct boot_source *source, const char *word)
{
    const char *after = cmdline_find(source, word);
    return after != NULL && (*after == '\0' || *after == ' ');
}
