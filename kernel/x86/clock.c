/* Time (clock.h). Sources: Intel 8254 data sheet (PIT), Motorola MC146818 data sheet (RTC). */
#include "x86/clock.h"
#include "x86/apic.h"
#include "x86/cpu.h"

#define PIT_HZ        1193182ull
#define PIT_CH2       0x42
#define PIT_MODE      0x43
#define PIT_GATE      0x61
#define MEASURE_TICKS 1200u /* of the PIT: about 1 ms */

struct clock_scale clock_scale;
static int64_t wall_base;  /* [I] wall clock at clock_init, ns */

/* Programs map this page: nothing else may lie in it. */
static union {
    struct clock_page
        page; /* written by the boot CPU, and by who finds that a TSC can't be trusted */
    uint8_t whole[PAGE_SIZE];
} ALIGNED(PAGE_SIZE) shared;

static uint16_t pit_read(void)
{
    outb(PIT_MODE, 0x80); /* latch channel 2 */
    uint8_t lo = inb(PIT_CH2);
    return (uint16_t)(lo | inb(PIT_CH2) << 8);
}

/* Count down channel 2 from 65535 (mode 0, gate on, speaker off). */
static void pit_start(void)
{
    outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~2u) | 1u));
    outb(PIT_MODE, 0xb0);
    outb(PIT_CH2, 0xff);
    outb(PIT_CH2, 0xff);
}

/*
 * Both ends are taken at a change of the PIT's count, so the error is the time of one read, not of one PIT tick.
 */
static void measure(void)
{
    uint16_t first, last;
    pit_start();
    lapic_timer_start_raw();
    for (first = last = pit_read(); last == first; last = pit_read())
        ;
    uint64_t t0 = rdtsc();
    uint32_t l0 = lapic_timer_elapsed_raw();
    first = last;
    uint16_t before;
    do {
        before = last;
        last = pit_read();
    } while ((uint16_t)(first - last) < MEASURE_TICKS || last == before);
    uint64_t tsc = rdtsc() - t0;
    uint32_t lapic = lapic_timer_elapsed_raw() - l0;
    uint64_t ticks = (uint16_t)(first - last);
    uint64_t tsc_hz = tsc * PIT_HZ / ticks;
    lapic_timer_set_frequency((uint64_t)lapic * PIT_HZ / ticks);
    clock_scale.mult = (uint64_t)(((__uint128_t)1000000000 << CLOCK_SHIFT) / tsc_hz);
}

static unsigned cmos(unsigned reg)
{
    outb(0x70, (uint8_t)(reg | 0x80)); /* NMI stays masked while the index is ours */
    return inb(0x71);
}

static unsigned bcd(unsigned v, bool binary)
{
    return binary ? v : (v >> 4) * 10 + (v & 15);
}

/* Days since 1970-01-01 of a Gregorian date. */
static int64_t days_from_date(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = y / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

/* The RTC in UTC; read twice until no update fell in between. */
static int64_t rtc_seconds(void)
{
    static const uint8_t regs[6] = { 0, 2, 4, 7, 8, 9 };
    unsigned a[6], b[6];
    for (int tries = 0; tries < 10; tries++) {
        bool same = true;
        for (int i = 0; i < 6; i++)
            a[i] = cmos(regs[i]);
        for (int i = 0; i < 6; i++) {
            b[i] = cmos(regs[i]);
            same &= a[i] == b[i];
        }
        if (same && !(cmos(10) & 0x80))
            break;
    }
    unsigned status = cmos(11);
    bool binary = status & 4;
    unsigned hour = bcd(a[2] & 0x7f, binary);
    if (!(status & 2))
        hour = hour % 12 + (a[2] & 0x80 ? 12 : 0);
    int64_t days = days_from_date(2000 + bcd(a[5], binary), bcd(a[4], binary), bcd(a[3], binary));
    return ((days * 24 + hour) * 60 + bcd(a[1], binary)) * 60 + bcd(a[0], binary);
}

void clock_init(int64_t boot_time)
{
    wall_base = (boot_time ? boot_time : rtc_seconds()) * 1000000000;
    measure();
    clock_scale.base =
        rdtsc() - ((1ull << CLOCK_SHIFT) / clock_scale.mult + 1); /* the first time told is not 0 */
    shared.page.tsc_base = clock_scale.base;
    shared.page.mult = clock_scale.mult;
    shared.page.shift = CLOCK_SHIFT;
    shared.page.wall_offset = wall_base;
    clock_page_set_mode(CLOCK_MODE_TSC);
}

const struct clock_page *clock_page(void)
{
    return &shared.page;
}

/* Its readers have copied nothing, or will look again. Two writers at once both write the same. */
void clock_page_set_mode(uint32_t mode)
{
    struct clock_page *p = &shared.page;
    __atomic_fetch_or(&p->seq, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&p->mode, mode, __ATOMIC_SEQ_CST);
    __atomic_store_n(&p->seq, (__atomic_load_n(&p->seq, __ATOMIC_RELAXED) | 1) + 1,
                     __ATOMIC_SEQ_CST);
}

/* ---- several CPUs ---- */

#define CHECK_MEETINGS 64u /* how often the CPUs must have taken turns */
#define CHECK_ROUNDS   20000u /* or how often each tries */
#define CHECK_NS       5000000ull

static struct {
    uint64_t word; /* [a] TSC read last, bit 0: by the secondary CPU */
    uint32_t done; /* [a] the secondary CPU has looked often enough */
    uint64_t last; /* [a] greatest time given out, when distrusted */
} tsc;

/* One look: what the other left must not be later than what is read here after it. */
static bool compare(unsigned side)
{
    uint64_t before = __atomic_load_n(&tsc.word, __ATOMIC_SEQ_CST);
    __asm__ volatile("lfence" ::: "memory");
    uint64_t now = (rdtsc() & ~1ull) | side;
    bool met = (before & 1) != side && before;
    if (met && (before | 1) > (now | 1))
        clock_distrust_tsc();
    __atomic_compare_exchange_n(&tsc.word, &before, now, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    return met;
}

void clock_check_secondary(void)
{
    unsigned met = 0;
    for (unsigned i = 0; i < CHECK_ROUNDS && met < CHECK_MEETINGS; i++)
        met += compare(1);
    __atomic_store_n(&tsc.done, 1, __ATOMIC_RELEASE);
}

void clock_check_boot(void)
{
    uint64_t end = clock_ns() + CHECK_NS;
    while (!__atomic_load_n(&tsc.done, __ATOMIC_ACQUIRE) && clock_ns() < end)
        (void)compare(0);
    __atomic_store_n(&tsc.done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&tsc.word, 0, __ATOMIC_RELAXED);
}

bool clock_tsc_usable(void)
{
    return !__atomic_load_n(&clock_scale.distrust, __ATOMIC_ACQUIRE);
}

void clock_distrust_tsc(void)
{
    __atomic_store_n(&clock_scale.distrust, true, __ATOMIC_RELEASE);
    clock_page_set_mode(CLOCK_MODE_SYSCALL);
}

/* The time, but no earlier than any that was given out before. */
uint64_t clock_common(uint64_t now)
{
    uint64_t last = __atomic_load_n(&tsc.last, __ATOMIC_ACQUIRE);
    do {
        if (last >= now)
            return last;
    } while (!__atomic_compare_exchange_n(&tsc.last, &last, now, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE));
    return now;
}

int64_t clock_wall_ns(void)
{
    return wall_base + (int64_t)clock_ns();
}
