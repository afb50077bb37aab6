/*
 * The kernel's Limine requests, found in the loaded image and answered. A request that the shim
 * does not know keeps its null response, as the protocol has it.
 */
#include "cpu.h"
#include "shim.h"

#include "entry/limine.h"

#define MAX_MAP 512

enum { ELF_W = 2 };

/* What is being answered, and from what. */
struct answering {
    const struct kernel_image *image;
    const struct boot_source *source;
    uint64_t hhdm;
};

/* What a search through the image has found. */
struct found {
    uint64_t *base_revision; /* the tag */
    bool began, ended;       /* the markers were seen */
    uint32_t count;
    struct limine_request *request[32];
};

static uint64_t virt(const struct answering *a, const void *p)
{
    return (uint64_t)p + a->hhdm;
}

static struct limine_file *file_answer(const struct answering *a, const struct module *module,
                                       const char *path, const char *cmdline)
{
    struct limine_file *file = loader_alloc(sizeof *file);

    *file = (struct limine_file){ .address = module->base + a->hhdm,
                                  .size = module->size,
                                  .path = virt(a, path),
                                  .cmdline = virt(a, cmdline) };
    return file;
}

static void *answer_hhdm(const struct answering *a)
{
    struct limine_hhdm_response *r = loader_alloc(sizeof *r);
    *r = (struct limine_hhdm_response){ .offset = a->hhdm };
    return r;
}

static void *answer_kernel_address(const struct answering *a)
{
    struct limine_kernel_address_response *r = loader_alloc(sizeof *r);
    *r = (struct limine_kernel_address_response){
        .physical_base = a->image->phys,
        .virtual_base = a->image->virt + a->image->slide,
    };
    return r;
}

static void *answer_kernel_file(const struct answering *a)
{
    struct limine_kernel_file_response *r = loader_alloc(sizeof *r);
    struct limine_file *file =
        file_answer(a, &a->source->kernel, "/boot/rugo.elf", a->source->cmdline);
    *r = (struct limine_kernel_file_response){ .kernel_file = virt(a, file) };
    return r;
}

static void *answer_module(const struct answering *a)
{
    if (a->source->initrd.size == 0)
        return NULL;
    struct limine_module_response *r = loader_alloc(sizeof *r);
    uint64_t *list = loader_alloc(sizeof *list);
    list[0] = virt(a, file_answer(a, &a->source->initrd, "/boot/initrd.cpio", ""));
    *r = (struct limine_module_response){ .module_count = 1, .modules = virt(a, list) };
    return r;
}

static void *answer_rsdp(const struct answering *a)
{
    if (a->source->rsdp == 0 || a->source->hostile)
        return NULL;
    struct limine_rsdp_response *r = loader_alloc(sizeof *r);
    *r = (struct limine_rsdp_response){ .address = a->source->rsdp + a->hhdm };
    return r;
}

static uint64_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era_day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1; /* since 1 March */
    return 365 * y + y / 4 - y / 100 + y / 400 + era_day - 719468;
}

/* The real-time clock, which QEMU and PCs under us keep in UTC; 20xx. Packed, to be compared. */
static uint64_t read_clock(void)
{
    static const uint8_t registers[] = { 9, 8, 7, 4, 2, 0 }; /* year … second */
    uint64_t packed = 0;

    for (int i = 0; i < 100000 && (cmos(10) & 0x80) != 0; i++)
        ; /* an update is under way */
    for (uint32_t i = 0; i < sizeof registers; i++)
        packed = packed << 8 | cmos(registers[i]);
    return packed;
}

static int64_t clock_field(uint64_t packed, int byte, bool binary)
{
    int64_t value = (int64_t)(packed >> (8 * byte) & 0xff);
    return binary ? value : (value >> 4) * 10 + (value & 15);
}

static void *answer_boot_time(const struct answering *a)
{
    if (a->source->hostile)
        return NULL;
    struct limine_boot_time_response *r = loader_alloc(sizeof *r);
    uint64_t now = read_clock();
    for (uint64_t again = read_clock(); again != now; again = read_clock())
        now = again;

    bool binary = (cmos(11) & 4) != 0;
    bool hours_of_24 = (cmos(11) & 2) != 0;
    int64_t hour = clock_field(hours_of_24 ? now : now & ~(UINT64_C(0x80) << 16), 2, binary);
    if (!hours_of_24)
        hour = hour % 12 + ((now >> 16 & 0x80) != 0 ? 12 : 0);
    int64_t days = days_since_1970(2000 + clock_field(now, 5, binary), clock_field(now, 4, binary),
                                   clock_field(now, 3, binary));
    *r = (struct limine_boot_time_response){
        .boot_time = days * 86400 + hour * 3600 + clock_field(now, 1, binary) * 60 +
                     clock_field(now, 0, binary),
    };
    return r;
}

/* Must be the last answer: what is allocated later is not in the map. */
static void *answer_memmap(const struct answering *a)
{
    struct limine_memmap_response *r = loader_alloc(sizeof *r);
    struct mem_range *map = loader_alloc(MAX_MAP * sizeof *map);
    uint64_t *list = loader_alloc(MAX_MAP * sizeof *list);
    uint32_t count = mem_map(map, MAX_MAP);

    if (a->source->hostile)
        count = hostile_map(map, count, MAX_MAP);
    for (uint32_t i = 0; i < count; i++) {
        struct limine_memmap_entry *entry = (void *)&map[i];
        *entry = (struct limine_memmap_entry){ .base = map[i].base,
                                               .length = map[i].end - map[i].base,
                                               .type = map[i].type };
        list[i] = virt(a, entry);
    }
    *r = (struct limine_memmap_response){ .entry_count = count, .entries = virt(a, list) };
    return r;
}

static const struct feature {
    uint64_t id[4];
    void *(*answer)(const struct answering *a); /* null: there is none */
} features[] = {
    { LIMINE_HHDM_ID, answer_hhdm },
    { LIMINE_KERNEL_ADDRESS_ID, answer_kernel_address },
    { LIMINE_KERNEL_FILE_ID, answer_kernel_file },
    { LIMINE_MODULE_ID, answer_module },
    { LIMINE_RSDP_ID, answer_rsdp },
    { LIMINE_BOOT_TIME_ID, answer_boot_time },
    { LIMINE_MEMMAP_ID, answer_memmap },
};

static bool same_words(const uint64_t *p, const uint64_t *magic, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) {
        if (p[i] != magic[i])
            return false;
    }
    return true;
}

static void found_request(struct found *found, struct limine_request *request)
{
    for (uint32_t i = 0; i < found->count; i++) {
        if (same_words(request->id, found->request[i]->id, 4))
            fail("the kernel makes a request twice (0x%x)", request->id[2]);
    }
    if (found->count == sizeof found->request / sizeof found->request[0])
        fail("the kernel makes too many requests");
    found->request[found->count++] = request;
}

/* Looks at what [p, end) has in the file, on 8-byte boundaries, up to the end marker. */
static void search(struct found *found, uint64_t *p, const uint64_t *end)
{
    static const uint64_t start_marker[] = LIMINE_START_MARKER;
    static const uint64_t end_marker[] = LIMINE_END_MARKER;

    for (; p + 2 <= end && !found->ended; p++) {
        if (*p == LIMINE_MAGIC0 && p[1] == LIMINE_MAGIC1) {
            if (p + sizeof(struct limine_request) / 8 <= end)
                found_request(found, (struct limine_request *)p);
        } else if (*p == LIMINE_BASE_MAGIC0 && p[1] == LIMINE_BASE_MAGIC1) {
            if (p + 3 <= end)
                found->base_revision = p;
        } else if (*p == start_marker[0] && p + 4 <= end && same_words(p, start_marker, 4)) {
            found->count = 0; /* what came before only looked like requests */
            found->base_revision = NULL;
        } else if (*p == end_marker[0] && p[1] == end_marker[1]) {
            found->ended = true;
        }
    }
}

/* The data comes last in the image and is where a kernel has its requests: begin there. */
static void search_image(struct found *found, const struct kernel_image *image)
{
    for (uint32_t i = image->segment_count; i-- > 0 && !found->ended;) {
        const struct segment *s = &image->segment[i];
        uint64_t start = image->phys + (s->virt - image->virt);
        search(found, (uint64_t *)start, (const uint64_t *)(start + s->file_size / 8 * 8));
    }
}

void answer_requests(const struct kernel_image *image, const struct boot_source *source,
                     uint64_t hhdm)
{
    struct answering a = { .image = image, .source = source, .hhdm = hhdm };
    struct found found = { .count = 0 };

    search_image(&found, image);
    if (found.base_revision == NULL)
        fail("the kernel has no Limine base revision tag");
    if (found.base_revision[2] != LIMINE_BASE_REVISION)
        fail("the kernel wants base revision %u of the Limine protocol, the shim speaks %u",
             found.base_revision[2], (uint64_t)LIMINE_BASE_REVISION);
    found.base_revision[2] = 0;

    for (uint32_t f = 0; f < sizeof features / sizeof features[0]; f++) {
        for (uint32_t i = 0; i < found.count; i++) {
            if (!same_words(found.request[i]->id, features[f].id, 4))
                continue;
            const void *answer = features[f].answer(&a);
            if (answer != NULL)
                found.request[i]->response = virt(&a, answer);
        }
    }
}
