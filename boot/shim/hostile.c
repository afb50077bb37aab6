/*
 * `shim=hostile`: what a kernel must not rely on, made different. The memory map comes unsorted and
 * in pieces, with entries that overlap; the interrupt controllers are running and have events
 * pending. (Where the kernel and the direct map lie, and which answers are missing, is decided in
 * main.c and answer.c.)
 */
#include "cpu.h"
#include "shim.h"

#include "entry/limine.h"

enum { MAX_SPLITS = 24 };

/* Cuts `range` at a random page boundary; the upper part goes to *rest. False: too short. */
static bool split(struct mem_range *range, struct mem_range *rest)
{
    uint64_t pages = (range->end - range->base) / PAGE_SIZE;

    if (range->type != LIMINE_MEMMAP_USABLE || pages < 2)
        return false;
    uint64_t cut = range->base + (1 + random_below(pages - 1)) * PAGE_SIZE;
    *rest = (struct mem_range){ .base = cut, .end = range->end, .type = range->type };
    range->end = cut;
    return true;
}

static uint32_t fragment(struct mem_range *map, uint32_t count, uint32_t max)
{
    for (uint32_t i = 0; i < MAX_SPLITS && count < max; i++) {
        if (split(&map[random_below(count)], &map[count]))
            count++;
    }
    return count;
}

/* The protocol lets entries that are not free overlap each other: says some of them twice. */
static uint32_t add_overlaps(struct mem_range *map, uint32_t count, uint32_t max)
{
    for (uint32_t i = count; i-- > 0 && count < max;) {
        uint64_t type = map[i].type;
        if (type == LIMINE_MEMMAP_RESERVED || type == LIMINE_MEMMAP_KERNEL_AND_MODULES)
            map[count++] = map[i];
    }
    return count;
}

static void shuffle(struct mem_range *map, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = (uint32_t)random_below(i);
        struct mem_range keep = map[i - 1];
        map[i - 1] = map[j];
        map[j] = keep;
    }
}

uint32_t hostile_map(struct mem_range *map, uint32_t count, uint32_t max)
{
    uint32_t honest = count;

    count = fragment(map, count, max);
    count = add_overlaps(map, count, max);
    shuffle(map, count);
    say("SHIM: hostile memory map: %u entries made of %u, unsorted, some overlap\n",
        (uint64_t)count, (uint64_t)honest);
    return count;
}

/* ACPI 6.4, section 5.2.5.3. */
struct rsdp {
    uint8_t signature[8], checksum, oem[6], revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
};
_Static_assert(offsetof(struct rsdp, xsdt) == 24, "ACPI");

/* What makes the first n bytes add up to 0. */
static uint8_t checksum(const struct rsdp *r, unsigned n)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum = (uint8_t)(sum - ((const uint8_t *)r)[i]);
    return sum;
}

void hostile_firmware(void)
{
    struct rsdp nowhere = { .signature = "RSD PTR ",
                            .revision = 2,
                            .rsdt = 0xd0000000,
                            .length = 36,
                            .xsdt = 0x1ffffffff000 };
    uint64_t ebda = bios_ebda();
    struct rsdp *damaged = (struct rsdp *)(ebda + 0x1c0), *whole = (struct rsdp *)(ebda + 0x200);

    if (ebda == 0)
        return;
    nowhere.checksum = checksum(&nowhere, 20);
    nowhere.extended_checksum = checksum(&nowhere, 36);
    *whole = *damaged = nowhere;
    damaged->checksum++;
    say("SHIM: hostile firmware: RSDP at 0x%x has a wrong checksum, at 0x%x leads nowhere\n",
        (uint64_t)damaged, (uint64_t)whole);
}

static volatile uint32_t *lapic_register(uint32_t offset)
{
    const uint32_t apic_base = 0x1b;
    uint64_t base = rdmsr(apic_base) & 0x000ffffffffff000;
    return (volatile uint32_t *)(base + offset);
}

/* Interrupt vectors that no one announced. They lie where a kernel may have its own. */
enum { VECTOR_TIMER = 0x31, VECTOR_ERROR = 0x32, VECTOR_SPURIOUS = 0x3f };
enum { LVT_PERIODIC = 1 << 17, LVT_EXTINT = 7 << 8, APIC_ENABLE = 1 << 8 };

static void dirty_lapic(void)
{
    *lapic_register(0x0f0) = APIC_ENABLE | VECTOR_SPURIOUS;
    *lapic_register(0x080) = 0x20; /* task priority */
    *lapic_register(0x370) = VECTOR_ERROR;
    *lapic_register(0x350) = LVT_EXTINT; /* LINT0: the PIC gets through */
    *lapic_register(0x3e0) = 0xb;        /* timer: one tick per bus clock */
    *lapic_register(0x320) = LVT_PERIODIC | VECTOR_TIMER;
    *lapic_register(0x380) = 20000; /* initial count: fires while the kernel starts */
}

/* Channel 0 of the PIT at its fastest useful rate, all inputs of both PICs open. */
static void dirty_pic(void)
{
    outb(0x43, 0x34);
    outb(0x40, 0x00);
    outb(0x40, 0x10);
    outb(0x21, 0x00);
    outb(0xa1, 0x00);
}

void hostile_devices(void)
{
    dirty_pic();
    dirty_lapic();
    say("SHIM: hostile devices: LAPIC timer on vector 0x%x, LINT0 and both PICs unmasked\n",
        (uint64_t)VECTOR_TIMER);
}
