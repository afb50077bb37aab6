/* Local APIC and I/O APIC (apic.h). */
#include "x86/apic.h"
#include "klib/assert.h"
#include "x86/cpu.h"
#include "x86/trapframe.h"

enum { /* byte offsets of LAPIC registers */
       LAPIC_ID = 0x20,
       LAPIC_TPR = 0x80,
       LAPIC_EOI = 0xb0,
       LAPIC_SVR = 0xf0,
       LAPIC_ISR = 0x100,
       LAPIC_ESR = 0x280,
       LAPIC_LVT_CMCI = 0x2f0,
       LAPIC_ICR_LOW = 0x300,
       LAPIC_ICR_HIGH = 0x310,
       LAPIC_LVT_TIMER = 0x320,
       LAPIC_LVT_THERMAL = 0x330,
       LAPIC_LVT_PERF = 0x340,
       LAPIC_LVT_LINT0 = 0x350,
       LAPIC_LVT_LINT1 = 0x360,
       LAPIC_LVT_ERROR = 0x370,
       LAPIC_TIMER_INITIAL = 0x380,
       LAPIC_TIMER_CURRENT = 0x390,
       LAPIC_TIMER_DIVIDE = 0x3e0,
};
#define ICR_NMI        (4u << 8)
#define ICR_INIT       (5u << 8)
#define ICR_STARTUP    (6u << 8)
#define ICR_PENDING    (1u << 12)
#define ICR_ASSERT     (1u << 14)
#define ICR_ALL_OTHERS (3u << 18)
#define LVT_MASKED     (1u << 16)
#define SVR_ENABLE     (1u << 8)
#define DIVIDE_BY_16   3u
#define APIC_ENABLED   (1u << 11) /* in MSR_APIC_BASE */
#define APIC_X2        (1u << 10)

static volatile uint32_t *lapic;
static uint64_t timer_hz;

static uint32_t lapic_read(unsigned reg)
{
    return lapic[reg / 4];
}
static void lapic_write(unsigned reg, uint32_t v)
{
    lapic[reg / 4] = v;
}

void pic_disable(void)
{
    static const uint8_t init[][2] = { { 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, 0x20 },
                                       { 0xa1, 0x28 }, { 0x21, 0x04 }, { 0xa1, 0x02 },
                                       { 0x21, 0x01 }, { 0xa1, 0x01 }, { 0x21, 0xff },
                                       { 0xa1, 0xff } };
    for (size_t i = 0; i < ARRAY_SIZE(init); i++)
        outb(init[i][0], init[i][1]);
}

static void take_over(void)
{
    static const uint16_t lvts[] = { LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL, LAPIC_LVT_PERF,
                                     LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,   LAPIC_LVT_ERROR };
    uint64_t base = rdmsr(MSR_APIC_BASE);
    ASSERT(!(base &
             APIC_X2)); /* a loader that leaves x2APIC on says so in its protocol; ours may not */
    wrmsr(MSR_APIC_BASE, base | APIC_ENABLED);
    for (size_t i = 0; i < ARRAY_SIZE(lvts); i++)
        lapic_write(lvts[i], LVT_MASKED | VEC_SPURIOUS);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    lapic_write(LAPIC_TPR, 0);
    lapic_write(LAPIC_SVR, SVR_ENABLE | VEC_SPURIOUS);
    lapic_write(LAPIC_ESR, 0);
    for (int i = 0; i < 8;
         i++) /* an interrupt the loader took and never acknowledged would block ours */
        for (int n = 0; n < 32 && lapic_read(LAPIC_ISR + (unsigned)i * 16); n++)
            lapic_eoi();
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
}

void lapic_init(volatile uint32_t *regs)
{
    lapic = regs;
    take_over();
}

void lapic_init_secondary(void)
{
    take_over();
    lapic_write(LAPIC_LVT_TIMER, VEC_TIMER);
}

/* An interrupt handler that sends too must not come between the two halves. */
static void send(uint32_t apic_id, uint32_t command)
{
    uint64_t flags = irq_save();
    while (lapic_read(LAPIC_ICR_LOW) & ICR_PENDING)
        cpu_pause();
    lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
    lapic_write(LAPIC_ICR_LOW, command);
    irq_restore(flags);
}

void lapic_send(uint32_t apic_id, unsigned vector)
{
    send(apic_id, ICR_ASSERT | vector);
}

void lapic_send_init(uint32_t apic_id)
{
    send(apic_id, ICR_ASSERT | ICR_INIT);
}

void lapic_send_startup(uint32_t apic_id, paddr_t page)
{
    send(apic_id, ICR_ASSERT | ICR_STARTUP | (uint32_t)(page >> PAGE_SHIFT));
}

void lapic_send_nmi_others(void)
{
    if (lapic)
        send(0, ICR_ASSERT | ICR_NMI | ICR_ALL_OTHERS);
}

void lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0);
}

uint32_t lapic_id(void)
{
    return lapic_read(LAPIC_ID) >> 24;
}

void lapic_timer_start_raw(void)
{
    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VEC_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
}

uint32_t lapic_timer_elapsed_raw(void)
{
    return UINT32_MAX - lapic_read(LAPIC_TIMER_CURRENT);
}

void lapic_timer_set_frequency(uint64_t hz)
{
    timer_hz = hz;
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    lapic_write(LAPIC_LVT_TIMER, VEC_TIMER);
}

void lapic_timer_oneshot(uint64_t ns)
{
    uint64_t count = ns >= 10000000000ull ? UINT32_MAX : ns * (timer_hz / 1000) / 1000000;
    if (count > UINT32_MAX)
        count = UINT32_MAX;
    if (ns && !count)
        count = 1;
    lapic_write(LAPIC_TIMER_INITIAL, (uint32_t)count);
}

/* ---- I/O APIC ---- */

#define IOAPIC_MAX       4
#define REDIR_MASKED     (1u << 16)
#define REDIR_LEVEL      (1u << 15)
#define REDIR_ACTIVE_LOW (1u << 13)
static struct {
    volatile uint32_t *regs;
    uint32_t first, count;
} ioapics[IOAPIC_MAX];
static unsigned ioapic_count;

static void ioapic_write(volatile uint32_t *regs, uint32_t reg, uint32_t v)
{
    regs[0] = reg;
    regs[4] = v;
}

void ioapic_init(volatile uint32_t *regs, uint32_t first_gsi)
{
    if (ioapic_count == IOAPIC_MAX)
        return;
    regs[0] = 1;
    uint32_t count = (regs[4] >> 16 & 0xff) + 1;
    for (uint32_t i = 0; i < count; i++)
        ioapic_write(regs, 0x10 + 2 * i, REDIR_MASKED);
    ioapics[ioapic_count].regs = regs;
    ioapics[ioapic_count].first = first_gsi;
    ioapics[ioapic_count++].count = count;
}

status_t ioapic_route(uint32_t gsi, unsigned vector, bool level, bool active_low)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        if (gsi < ioapics[i].first || gsi - ioapics[i].first >= ioapics[i].count)
            continue;
        uint32_t reg = 0x10 + 2 * (gsi - ioapics[i].first);
        ioapic_write(ioapics[i].regs, reg + 1, cpus[0].apic_id << 24);
        ioapic_write(ioapics[i].regs, reg,
                     vector | (level ? REDIR_LEVEL : 0) | (active_low ? REDIR_ACTIVE_LOW : 0));
        return OK;
    }
    return -EINVAL;
}
