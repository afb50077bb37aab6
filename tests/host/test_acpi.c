/*
 * Finding and reading ACPI tables, in a physical memory that is written here: where the root pointer may lie, and what
 * is wrong with it or with what it leads to.
 *
 * SOURCES: kernel/x86/acpi.c FLAGS: -Itests/host/fake -Ikernel
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "x86/acpi.h"

enum {
    MEMORY = 0x120000,
    EBDA = 0x9fc00,
    BIOS = 0xf5ac0,
    RSDT = 0x100100,
    XSDT = 0x100200,
    MADT = 0x100300,
    MADT_SHORT = 0x100400, /* with one processor */
};

/* Each range that is asked for is a copy of its own, so that reading past it is seen. */
enum { COPIES = 64 };
static uint8_t memory[MEMORY];
static void *copies[COPIES];
static int ncopies;
static char said[64];

void kprintf_at(uint32_t level, const char *format, ...)
{
    va_list args;

    (void)level;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
}

static const void *map(paddr_t at, uint64_t length)
{
    if (at == 0 || at >= MEMORY || length > MEMORY - at)
        return NULL;
    CHECK(ncopies < COPIES);
    copies[ncopies] = malloc(length);
    return memcpy(copies[ncopies++], memory + at, length);
}

static void sum(size_t at, size_t length, size_t checksum)
{
    uint8_t s = 0;

    memory[at + checksum] = 0;
    for (size_t i = 0; i < length; i++)
        s = (uint8_t)(s - memory[at + i]);
    memory[at + checksum] = s;
}

static void put(size_t at, uint64_t value, size_t n)
{
    memcpy(memory + at, &value, n);
}

static void put_table(size_t at, const char *signature, uint32_t length)
{
    memcpy(memory + at, signature, 4);
    put(at + 4, length, 4);
}

static void put_madt(size_t at, unsigned ncpus)
{
    uint32_t length = 44 + 8 * ncpus;

    put_table(at, "APIC", length);
    put(at + 36, 0xfee00000, 4);
    for (unsigned i = 0; i < ncpus; i++)
        put(at + 44 + 8 * i, 0x0000000100000800 | (uint64_t)i << 24, 8);
    sum(at, length, 9);
}

static void put_rsdp(size_t at, unsigned revision)
{
    memcpy(memory + at, "RSD PTR ", 8);
    memory[at + 15] = (uint8_t)revision;
    put(at + 16, RSDT, 4);
    sum(at, 20, 8);
    put(at + 20, 36, 4);
    put(at + 24, XSDT, 8);
    sum(at, 36, 32);
}

/* Tables of four processors by the XSDT and of one by the RSDT; no root pointer. */
static void fresh(void)
{
    memset(memory, 0, sizeof memory);
    put(0x40e, EBDA >> 4, 2);
    put_madt(MADT, 4);
    put_madt(MADT_SHORT, 1);
    put_table(XSDT, "XSDT", 44);
    put(XSDT + 36, MADT, 8);
    sum(XSDT, 44, 9);
    put_table(RSDT, "RSDT", 40);
    put(RSDT + 36, MADT_SHORT, 4);
    sum(RSDT, 40, 9);
}

/* How many processors are found; what is said about it. */
static unsigned found(paddr_t rsdp)
{
    struct acpi_info info;

    said[0] = '\0';
    acpi_read(&info, rsdp, map);
    while (ncopies > 0)
        free(copies[--ncopies]);
    CHECK(info.ioapic_count == 1);
    return info.cpu_count;
}

static void where_it_may_lie(void)
{
    fresh();
    CHECK(found(0) == 0 && strcmp(said, "ACPI: no tables\n") == 0);
    put_rsdp(BIOS, 2);
    CHECK(found(0) == 4 && strcmp(said, "ACPI: tables of the BIOS\n") == 0);
    CHECK(found(BIOS) == 4 && said[0] == '\0');
    const size_t good[] = { EBDA, EBDA + 0x3e0, 0xe0000, 0xfffd0 };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        fresh();
        put_rsdp(good[i], 2);
        CHECK(found(0) == 4);
    }
    const size_t bad[] = { BIOS + 8, EBDA + 0x400, 0xdfff0, 0x100000, 0x1000 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fresh();
        put_rsdp(bad[i], 2);
        CHECK(found(0) == 0);
    }
}

/* A segment that no extended BIOS data area has is not followed. */
static void wrong_segments(void)
{
    static const uint16_t segments[] = { 0, 0x100, 0x7fff, 0x9fc1, 0xa000, 0xffff };

    for (size_t i = 0; i < sizeof segments / sizeof segments[0]; i++) {
        fresh();
        put(0x40e, segments[i], 2);
        if (segments[i] != 0)
            put_rsdp((size_t)segments[i] << 4, 2);
        CHECK(found(0) == 0);
        put_rsdp(BIOS, 2);
        CHECK(found(0) == 4);
    }
}

static void checksums(void)
{
    fresh();
    put_rsdp(BIOS, 2);
    memory[BIOS + 8]++;
    CHECK(found(0) == 0);
    put_rsdp(BIOS + 0x100, 2); /* the next one counts */
    CHECK(found(0) == 4);
    fresh();
    put_rsdp(BIOS, 2);
    memory[BIOS + 33]++; /* of the whole structure: then the part of revision 0 holds */
    CHECK(found(0) == 1);
    fresh();
    put_rsdp(BIOS, 0);
    CHECK(found(0) == 1);
    fresh();
    put_rsdp(BIOS, 2);
    memory[XSDT + 10]++;
    CHECK(found(0) == 1);
    memory[RSDT + 10]++;
    CHECK(found(0) == 0 && strcmp(said, "ACPI: no tables\n") == 0);
    fresh();
    put_rsdp(BIOS, 2);
    memory[MADT + 10]++;
    CHECK(found(0) == 0 && strcmp(said, "ACPI: tables of the BIOS\n") == 0);
}

/* Change bytes of the root pointer and make its checksums right again. */
static void repoint(size_t at, uint64_t rsdt, uint64_t xsdt, uint32_t length)
{
    put(at + 16, rsdt, 4);
    sum(at, 20, 8);
    put(at + 20, length, 4);
    put(at + 24, xsdt, 8);
    sum(at, 36, 32);
}

static void leading_nowhere(void)
{
    static const uint64_t places[] = { 0, 1, MEMORY - 10, MEMORY, 0xffffff00, UINT64_MAX };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        fresh();
        put_rsdp(EBDA + 0x100, 2);
        repoint(EBDA + 0x100, places[i], places[i], 36);
        CHECK(found(0) == 0);
        CHECK(found(EBDA + 0x100) == 0);
        put_rsdp(BIOS, 2);
        CHECK(found(0) == 4);
        CHECK(found(EBDA + 0x100) == 4); /* the loader's is no good */
        CHECK(found(places[i]) == 4);
    }
    static const uint32_t lengths[] = { 0, 35, 257, UINT32_MAX };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        fresh();
        put_rsdp(BIOS, 2);
        repoint(BIOS, RSDT, XSDT, lengths[i]);
        CHECK(found(0) == 1);
    }
}

/* Tables whose lengths are wrong: nothing behind them is read, which the copies would show. */
static void lengths(void)
{
    static const uint32_t bad[] = { 0, 7, 35, 36, 37, 43, 45, MEMORY, UINT32_MAX };
    static const size_t tables[] = { XSDT, MADT };

    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            fresh();
            put_rsdp(BIOS, 2);
            put(tables[t] + 4, bad[i], 4);
            if (bad[i] >= 36 && bad[i] < MEMORY)
                sum(tables[t], bad[i], 9);
            CHECK(found(0) <= 4);
        }
    for (unsigned entry = 0; entry < 256;
         entry++) { /* the length of the second entry of the MADT */
        fresh();
        put_rsdp(BIOS, 2);
        memory[MADT + 44 + 8 + 1] = (uint8_t)entry;
        sum(MADT, 44 + 32, 9);
        CHECK(found(0) >= 1 && found(0) <= 4);
    }
}

int main(void)
{
    where_it_may_lie();
    wrong_segments();
    checksums();
    leading_nowhere();
    lengths();
    return check_done("acpi");
}
