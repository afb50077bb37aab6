/* The few ACPI tables the kernel reads (acpi.h). Every length is checked: firmware tables are input. */
#include "x86/acpi.h"
#include "klib/printf.h"
#include "klib/string.h"

#define IOAPIC_DEFAULT 0xfec00000u

/* The BIOS data area has the extended one's segment here; that one lies at the end of the first 640 KiB. */
#define BDA_EBDA_SEGMENT 0x40eu
#define EBDA_LOWEST      0x80000u
#define EBDA_END         0xa0000u
#define EBDA_SEARCHED    1024u
#define BIOS_AREA        0xe0000u
#define BIOS_AREA_END    0x100000u

struct sdt {
    char signature[4];
    uint32_t length;
    uint8_t rest[28];
} PACKED;

typedef const void *(*map_fn)(paddr_t at, uint64_t length);

static bool sum_is_zero(const void *p, size_t n)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)p)[i]);
    return sum == 0;
}

static const struct sdt *table_at(paddr_t at, map_fn map)
{
    const struct sdt *t = map(at, sizeof *t);
    if (!t || t->length < sizeof *t || t->length > 1u << 20)
        return NULL;
    t = map(at, t->length);
    return t && sum_is_zero(t, t->length) ? t : NULL;
}

static uint64_t le(const void *p, size_t at, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, (const char *)p + at, n);
    return v;
}

/* A processor that is listed again is the same one: it must not be started twice. */
static void add_cpu(struct acpi_info *info, uint8_t apic_id)
{
    for (uint32_t i = 0; i < info->cpu_count && i < MAX_CPUS; i++)
        if (info->apic_ids[i] == apic_id)
            return;
    if (info->cpu_count < MAX_CPUS)
        info->apic_ids[info->cpu_count] = apic_id;
    info->cpu_count++;
}

static void read_madt(struct acpi_info *info, const struct sdt *t)
{
    info->lapic = le(t, 36, 4);
    for (uint32_t at = 44; at + 2 <= t->length;) {
        const uint8_t *e = (const uint8_t *)t + at;
        if (e[1] < 2 || at + e[1] > t->length)
            return;
        if (e[0] == 0 && e[1] >= 8 && (le(e, 4, 4) & 1)) { /* enabled */
            add_cpu(info, e[3]);
        } else if (e[0] == 1 && e[1] >= 12 && info->ioapic_count < ARRAY_SIZE(info->ioapics)) {
            info->ioapics[info->ioapic_count].address = le(e, 4, 4);
            info->ioapics[info->ioapic_count++].first_gsi = (uint32_t)le(e, 8, 4);
        } else if (e[0] == 2 && e[1] >= 10 && e[3] < 16) {
            unsigned flags = (unsigned)le(e, 8, 2);
            info->isa[e[3]].gsi = (uint32_t)le(e, 4, 4);
            info->isa[e[3]].active_low = (flags & 3) == 3;
            info->isa[e[3]].level = (flags >> 2 & 3) == 3;
        } else if (e[0] == 5 && e[1] >= 12) {
            info->lapic = le(e, 4, 8);
        }
        at += e[1];
    }
}

/* \_S5 is a package of two small integers: NameOp "_S5_" PackageOp length count, then each a BytePrefix and byte, Zero or One. */
static void find_s5(struct acpi_info *info, const struct sdt *dsdt)
{
    const uint8_t *p = (const uint8_t *)dsdt, *end = p + dsdt->length;
    for (p += sizeof *dsdt; p + 16 < end; p++) {
        if (memcmp(p, "_S5_", 4) || p[4] != 0x12)
            continue;
        const uint8_t *v = p + 5 + (p[5] >> 6) + 2; /* past PkgLength and the count */
        uint8_t value[2];
        for (int i = 0; i < 2; i++) {
            if (*v == 0x0a)
                v++;
            value[i] = *v++;
        }
        info->s5 = true;
        info->s5_a = value[0] & 7;
        info->s5_b = value[1] & 7;
        return;
    }
}

static void read_fadt(struct acpi_info *info, const struct sdt *t, map_fn map)
{
    if (t->length < 76)
        return;
    info->pm1a = (uint16_t)le(t, 64, 4);
    info->pm1b = (uint16_t)le(t, 68, 4);
    if (t->length >= 129 && (le(t, 112, 4) & 1u << 10) && ((const uint8_t *)t)[116] == 1) {
        info->reset_port = (uint16_t)le(t, 120, 8);
        info->reset_value = ((const uint8_t *)t)[128];
    }
    uint64_t dsdt = t->length >= 148 ? le(t, 140, 8) : 0;
    const struct sdt *d = table_at(dsdt ? dsdt : le(t, 40, 4), map);
    if (d && !memcmp(d->signature, "DSDT", 4))
        find_s5(info, d);
}

static void read_root(struct acpi_info *info, const struct sdt *root, map_fn map)
{
    size_t width = !memcmp(root->signature, "XSDT", 4) ? 8 : 4;
    for (size_t at = 36; at + width <= root->length; at += width) {
        const struct sdt *t = table_at(le(root, at, width), map);
        if (t && !memcmp(t->signature, "APIC", 4) && t->length >= 44)
            read_madt(info, t);
        else if (t && !memcmp(t->signature, "FACP", 4))
            read_fadt(info, t, map);
    }
}

#define RSDP_LENGTH     20u /* of revision 0, and what the first checksum is of */
#define RSDP_LENGTH_2   36u
#define RSDP_LENGTH_MAX 256u

static bool is_rsdp(const uint8_t *r)
{
    return !memcmp(r, "RSD PTR ", 8) && sum_is_zero(r, RSDP_LENGTH);
}

/* The XSDT, if the RSDP is new enough to have one and whole. */
static const struct sdt *find_xsdt(paddr_t rsdp, map_fn map)
{
    const uint8_t *r = map(rsdp, RSDP_LENGTH_2);
    uint64_t length = r ? le(r, 20, 4) : 0;
    if (!r || r[15] < 2 || length < RSDP_LENGTH_2 || length > RSDP_LENGTH_MAX)
        return NULL;
    r = map(rsdp, length);
    return r && sum_is_zero(r, length) ? table_at(le(r, 24, 8), map) : NULL;
}

/* False: there is no RSDP at that place, or it leads to no table. */
static bool read_tables(struct acpi_info *info, paddr_t rsdp, map_fn map)
{
    const uint8_t *r = rsdp ? map(rsdp, RSDP_LENGTH) : NULL;
    if (!r || !is_rsdp(r))
        return false;
    const struct sdt *root = find_xsdt(rsdp, map);
    if (!root)
        root = table_at(le(r, 16, 4), map);
    if (!root)
        return false;
    read_root(info, root, map);
    return true;
}

/* Try each RSDP of an area until one leads to tables; they begin on multiples of 16. */
static bool search(struct acpi_info *info, paddr_t from, uint64_t length, map_fn map)
{
    const uint8_t *area = map(from, length);
    for (uint64_t at = 0; area && at + RSDP_LENGTH <= length; at += 16)
        if (is_rsdp(area + at) && read_tables(info, from + at, map))
            return true;
    return false;
}

/* Where a BIOS has the RSDP (ACPI 6.4, 5.2.5.1): the first KiB of the extended BIOS data area, and the BIOS's read-only memory. */
static bool search_bios(struct acpi_info *info, map_fn map)
{
    const void *segment = map(BDA_EBDA_SEGMENT, 2);
    paddr_t ebda = segment ? le(segment, 0, 2) << 4 : 0;
    if (ebda >= EBDA_LOWEST && ebda + EBDA_SEARCHED <= EBDA_END &&
        search(info, ebda, EBDA_SEARCHED, map))
        return true;
    return search(info, BIOS_AREA, BIOS_AREA_END - BIOS_AREA, map);
}

void acpi_read(struct acpi_info *info, paddr_t rsdp, map_fn map)
{
    *info = (struct acpi_info){ 0 };
    for (uint32_t i = 0; i < 16; i++)
        info->isa[i].gsi = i;
    if (!read_tables(info, rsdp, map)) {
        bool found = search_bios(info, map);
        kprintf_at(found ? LOG_INFO : LOG_WARNING, "ACPI: %s\n",
                   found ? "tables of the BIOS" : "no tables");
    }
    if (info->ioapic_count == 0) { /* where the first one has been since the 82093AA */
        info->ioapics[0].address = IOAPIC_DEFAULT;
        info->ioapic_count = 1;
    }
}
