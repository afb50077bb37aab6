/* Switching the machine off and starting it over (machine.h). */
#include "dev/machine.h"
#include "x86/clock.h"
#include "x86/cpu.h"

/* PM1 control register (ACPI 6.4, 4.8.3.2.1). */
#define PM1_SLEEP_TYPE(t) ((unsigned)(t) << 10)
#define PM1_SLEEP_MASK    (7u << 10)
#define PM1_SLEEP_ENABLE  (1u << 13)

#define RESET_CONTROL    0xcf9 /* of PIIX3 and ICH: system reset, then the edge that starts it */
#define RESET_HARD       0x02
#define RESET_START      0x04
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_BUSY    0x02
#define KEYBOARD_RESET   0xfe /* pulse the reset line */

#define PATIENCE_NS 50000000ull /* how long a way to reset gets before the next is tried */

static struct acpi_info how; /* [I] after machine_init */

void machine_init(const struct acpi_info *acpi)
{
    how = *acpi;
}

static void pause_a_moment(void)
{
    uint64_t end = clock_ns() + PATIENCE_NS;
    while (clock_ns() < end)
        cpu_pause();
}

static void enter_s5(uint16_t port, uint8_t type)
{
    if (!port)
        return;
    unsigned v = (inw(port) & ~PM1_SLEEP_MASK) | PM1_SLEEP_TYPE(type);
    outw(port, (uint16_t)(v | PM1_SLEEP_ENABLE));
}

status_t machine_power_off(void)
{
    if (!how.s5 || !how.pm1a)
        return -EOPNOTSUPP;
    enter_s5(how.pm1a, how.s5_a);
    enter_s5(how.pm1b, how.s5_b);
    pause_a_moment();
    return -EIO;
}

/* An exception without a handler, and none for that: the CPU shuts down and the board resets. */
static void triple_fault(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } PACKED nothing = { 0, 0 };
    __asm__ volatile("lidt %0; ud2" ::"m"(nothing));
}

void machine_reset(void)
{
    irq_disable();
    if (how.reset_port) {
        outb(how.reset_port, how.reset_value);
        pause_a_moment();
    }
    outb(RESET_CONTROL, RESET_HARD);
    outb(RESET_CONTROL, RESET_HARD | RESET_START);
    pause_a_moment();
    for (int i = 0; i < 1000 && inb(KEYBOARD_COMMAND) & KEYBOARD_BUSY; i++)
        cpu_pause();
    outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
    pause_a_moment();
    for (;;)
        triple_fault();
}
