/*
 * The kernel's questions to the boot loader, and how the answers become one struct boot_info.
 *
 * The requests lie between two markers in the data segment; the loader finds them there and
 * writes the address of its answer into each. Everything needed is copied: afterwards no pointer
 * into the loader's memory is left.
 */
#include "entry/limine.h"

#include "klib/boot_info.h"
#include "klib/panic.h"

/* Volatile: a loader wrote them behind the compiler's back, before the first instruction. */
#define REQUEST(section_name) \
    __attribute__((used, section(section_name), aligned(8))) static volatile

REQUEST(".limine_requests_start")
uint64_t start_marker[] = LIMINE_START_MARKER;

REQUEST(".limine_requests")
uint64_t base_revision[] = { LIMINE_BASE_MAGIC0, LIMINE_BASE_MAGIC1, LIMINE_BASE_REVISION };

REQUEST(".limine_requests")
struct limine_request hhdm_request = { .id = LIMINE_HHDM_ID };
REQUEST(".limine_requests")
struct limine_request memmap_request = { .id = LIMINE_MEMMAP_ID };
REQUEST(".limine_requests")
struct limine_request file_request = { .id = LIMINE_KERNEL_FILE_ID };
REQUEST(".limine_requests")
struct limine_request address_request = { .id = LIMINE_KERNEL_ADDRESS_ID };
REQUEST(".limine_requests")
struct limine_request module_request = { .id = LIMINE_MODULE_ID };
REQUEST(".limine_requests")
struct limine_request rsdp_request = { .id = LIMINE_RSDP_ID };
REQUEST(".limine_requests")
struct limine_request time_request = { .id = LIMINE_BOOT_TIME_ID };

REQUEST(".limine_requests_end")
uint64_t end_marker[] = LIMINE_END_MARKER;

#define REFUSE(why) panic(PANIC_BOOT, "boot loader: " why)

static const void *at(uint64_t address)
{
    return (const void *)(uintptr_t)address;
}

/* The answer to a mandatory request; `what` names it when there is none. */
static const void *answer(const volatile struct limine_request *request, const char *what)
{
    uint64_t response = request->response;
    if (response == 0)
        panic(PANIC_BOOT, "boot loader: it gives no %s", what);
    return at(response);
}

/* Pointers of the protocol carry the offset of the direct map; take it off. */
static uint64_t to_phys(const struct boot_info *bi, uint64_t address)
{
    return address >= bi->hhdm ? address - bi->hhdm : address;
}

static void collect_addresses(struct boot_info *bi)
{
    const struct limine_hhdm_response *hhdm = answer(&hhdm_request, "direct map (HHDM)");
    const struct limine_kernel_address_response *kernel =
        answer(&address_request, "address of the kernel");

    bi->hhdm = hhdm->offset;
    bi->kernel_phys = kernel->physical_base;
    bi->kernel_virt = kernel->virtual_base;
    if ((bi->hhdm | bi->kernel_phys | bi->kernel_virt) % PAGE_SIZE != 0)
        REFUSE("it gives addresses that are not page-aligned");
}

static void collect_cmdline(struct boot_info *bi)
{
    const struct limine_kernel_file_response *response =
        answer(&file_request, "kernel file (command line)");
    const struct limine_file *file = at(response->kernel_file);
    const char *text = at(file->cmdline);
    uint32_t length = 0;

    for (; text != NULL && text[length] != '\0'; length++) {
        if (length == BOOT_CMDLINE_SIZE - 1)
            REFUSE("the command line is longer than 4095 bytes");
        bi->cmdline[length] = text[length];
    }
    bi->cmdline[length] = '\0';
    bi->cmdline_length = length;
}

static void collect_initrd(struct boot_info *bi)
{
    const struct limine_module_response *response =
        answer(&module_request, "initrd (no module beside the kernel)");
    if (response->module_count == 0)
        REFUSE("it gives no initrd (0 modules beside the kernel)");

    const uint64_t *modules = at(response->modules);
    const struct limine_file *initrd = at(modules[0]);
    bi->initrd_phys = to_phys(bi, initrd->address);
    bi->initrd_size = initrd->size;
    if (bi->initrd_phys % PAGE_SIZE != 0)
        REFUSE("the initrd is not page-aligned");
}

/* What a machine may lack, or a loader may not know. */
static void collect_optional(struct boot_info *bi)
{
    bi->rsdp_phys = 0;
    bi->boot_time = 0;
    if (rsdp_request.response != 0) {
        const struct limine_rsdp_response *rsdp = at(rsdp_request.response);
        bi->rsdp_phys = to_phys(bi, rsdp->address);
    }
    if (time_request.response != 0) {
        const struct limine_boot_time_response *time = at(time_request.response);
        bi->boot_time = time->boot_time;
    }
}

/* Types that the protocol may get later are memory that we must not touch. */
static enum boot_mem_type mem_type(uint64_t limine_type)
{
    switch (limine_type) {
    case LIMINE_MEMMAP_USABLE: return BOOT_MEM_USABLE;
    case LIMINE_MEMMAP_ACPI_RECLAIMABLE: return BOOT_MEM_ACPI_RECLAIM;
    case LIMINE_MEMMAP_ACPI_NVS: return BOOT_MEM_ACPI_NVS;
    case LIMINE_MEMMAP_BAD_MEMORY: return BOOT_MEM_BAD;
    case LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE: return BOOT_MEM_LOADER;
    case LIMINE_MEMMAP_KERNEL_AND_MODULES: return BOOT_MEM_KERNEL;
    case LIMINE_MEMMAP_FRAMEBUFFER: return BOOT_MEM_FRAMEBUFFER;
    default: return BOOT_MEM_RESERVED;
    }
}

struct mem_range {
    uint64_t base;
    uint64_t end;
    enum boot_mem_type type;
};

/*
 * Entry i of the loader's map, on page boundaries: free memory shrinks to them, all else grows.
 * False if nothing is left of it. A range that wraps around ends at the top of the address space.
 */
static bool range_read(const struct limine_memmap_response *map, uint64_t i, struct mem_range *out)
{
    const uint64_t *entries = at(map->entries);
    const struct limine_memmap_entry *entry = at(entries[i]);
    const uint64_t top = align_down(UINT64_MAX, PAGE_SIZE);
    uint64_t end = entry->base + entry->length;

    if (end < entry->base || end > top)
        end = top;
    out->type = mem_type(entry->type);
    if (out->type <= BOOT_MEM_LOADER) {
        out->base = align_up(entry->base, PAGE_SIZE);
        out->end = align_down(end, PAGE_SIZE);
    } else {
        out->base = align_down(entry->base, PAGE_SIZE);
        out->end = align_up(end, PAGE_SIZE);
    }
    return entry->length != 0 && out->base < out->end;
}

/*
 * The next stretch at or after `pos` in which nothing changes: out is its extent and the highest
 * type among the entries that cover it. False after the last entry. One pass over the loader's
 * unsorted entries per stretch: a few dozen of them, and no memory for a copy.
 */
static bool next_stretch(const struct limine_memmap_response *map, uint64_t pos,
                         struct mem_range *out)
{
    struct mem_range r;
    uint64_t start = UINT64_MAX;

    for (uint64_t i = 0; i < map->entry_count; i++) {
        if (range_read(map, i, &r) && r.end > pos) {
            uint64_t from = r.base > pos ? r.base : pos;
            start = from < start ? from : start;
        }
    }
    if (start == UINT64_MAX)
        return false;

    *out = (struct mem_range){ .base = start, .end = UINT64_MAX, .type = BOOT_MEM_USABLE };
    for (uint64_t i = 0; i < map->entry_count; i++) {
        if (!range_read(map, i, &r) || r.end <= start)
            continue;
        if (r.base > start) {
            out->end = r.base < out->end ? r.base : out->end;
        } else {
            out->end = r.end < out->end ? r.end : out->end;
            out->type = r.type > out->type ? r.type : out->type;
        }
    }
    return true;
}

static void memmap_add(struct boot_info *bi, const struct mem_range *r)
{
    struct boot_mem *last = bi->memmap_count > 0 ? &bi->memmap[bi->memmap_count - 1] : NULL;

    if (last != NULL && last->type == r->type && last->base + last->length == r->base) {
        last->length += r->end - r->base;
    } else if (bi->memmap_count == BOOT_MEMMAP_MAX) {
        bi->memmap_dropped++;
    } else {
        bi->memmap[bi->memmap_count++] =
            (struct boot_mem){ .base = r->base, .length = r->end - r->base, .type = r->type };
    }
}

static void collect_memmap(struct boot_info *bi)
{
    const struct limine_memmap_response *map = answer(&memmap_request, "memory map");
    struct mem_range r = { 0 };

    bi->memmap_count = 0;
    bi->memmap_dropped = 0;
    while (next_stretch(map, r.end, &r))
        memmap_add(bi, &r);
    if (bi->memmap_count == 0)
        REFUSE("its memory map is empty");
}

void limine_collect(struct boot_info *bi)
{
    if (base_revision[2] != 0)
        REFUSE("it does not speak base revision 2 of the Limine protocol");
    collect_addresses(bi);
    collect_cmdline(bi);
    collect_initrd(bi);
    collect_optional(bi);
    collect_memmap(bi);
}
