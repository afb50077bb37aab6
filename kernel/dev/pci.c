/* PCI configuration space, BARs and interrupts (pci.h). */
#include "dev/pci.h"
#include "klib/spinlock.h"
#include "mm/pagetable.h"
#include "x86/apic.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  (1u << 31)

#define NO_DEVICE            0xffff
#define HEADER_MULTIFUNCTION 0x80
#define HEADER_BRIDGE        1
#define STATUS_CAPABILITIES  (1u << 4)

#define COMMAND_MEMORY   (1u << 1)
#define COMMAND_MASTER   (1u << 2)
#define COMMAND_INTX_OFF (1u << 10)

#define BAR_IO    1u
#define BAR_TYPE  6u
#define BAR_64BIT 4u
#define BAR_FLAGS 0xfull

#define MSIX_CONTROL    2 /* offsets in the capability */
#define MSIX_TABLE      4
#define MSIX_ENABLE     (1u << 15)
#define MSIX_MASK_ALL   (1u << 14)
#define MSIX_SIZE       0x7ffu
#define MSIX_ENTRY_SIZE 16
#define MSIX_ENTRY_MASK 1u

#define ISA_LINES 16

/* The address register names what the data register shows: the two go together. */
static struct spinlock config_lock = SPINLOCK_INIT(RANK_DEVICE);

/* Interrupt lines. A line is routed once and then calls all who share it. Set up at boot only. */
static struct {
    uint32_t gsi;
    bool active_low, routed;
    struct pci_device *users; /* linked by intx_next; a handler may run while one is added */
} lines[ISA_LINES];

/* ---- configuration space ---- */

static void config_select(const struct pci_device *dev, unsigned offset)
{
    uint32_t function =
        (uint32_t)dev->bus << 16 | (uint32_t)dev->slot << 11 | (uint32_t)dev->function << 8;
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | function | (offset & 0xfc));
}

uint32_t pci_read32(const struct pci_device *dev, unsigned offset)
{
    spin_lock(&config_lock);
    config_select(dev, offset);
    uint32_t v = inl(CONFIG_DATA);
    spin_unlock(&config_lock);
    return v;
}

uint16_t pci_read16(const struct pci_device *dev, unsigned offset)
{
    return (uint16_t)(pci_read32(dev, offset) >> 8 * (offset & 2));
}

uint8_t pci_read8(const struct pci_device *dev, unsigned offset)
{
    return (uint8_t)(pci_read32(dev, offset) >> 8 * (offset & 3));
}

static void pci_write16(const struct pci_device *dev, unsigned offset, unsigned v)
{
    spin_lock(&config_lock);
    config_select(dev, offset);
    outw((uint16_t)(CONFIG_DATA + (offset & 2)), (uint16_t)v);
    spin_unlock(&config_lock);
}

static void pci_write32(const struct pci_device *dev, unsigned offset, uint32_t v)
{
    spin_lock(&config_lock);
    config_select(dev, offset);
    outl(CONFIG_DATA, v);
    spin_unlock(&config_lock);
}

static void change_command(const struct pci_device *dev, unsigned clear, unsigned set)
{
    pci_write16(dev, PCI_COMMAND, (pci_read16(dev, PCI_COMMAND) & ~clear) | set);
}

void pci_enable(const struct pci_device *dev)
{
    change_command(dev, 0, COMMAND_MEMORY | COMMAND_MASTER);
}

unsigned pci_find_capability(const struct pci_device *dev, enum pci_capability id, unsigned after)
{
    if (!(pci_read16(dev, PCI_STATUS) & STATUS_CAPABILITIES))
        return 0;
    unsigned at = pci_read8(dev, after ? after + 1 : PCI_CAPABILITIES) & 0xfc;
    /* A capability takes at least 4 bytes behind the header's 64: a longer list is a circle. */
    for (int left = (256 - 64) / 4; at >= 64 && left; left--) {
        if (pci_read8(dev, at) == id)
            return at;
        at = pci_read8(dev, at + 1) & 0xfc;
    }
    return 0;
}

/* ---- finding devices ---- */

/* Buses to look at. A bridge leads to a higher number than its own, so one pass sees all. */
struct bus_set {
    uint64_t bits[4];
};

static void bus_add(struct bus_set *set, unsigned bus)
{
    set->bits[bus / 64] |= 1ull << bus % 64;
}

static bool bus_listed(const struct bus_set *set, unsigned bus)
{
    return set->bits[bus / 64] >> bus % 64 & 1;
}

/* Look at one function; its header type, or -1 if there is none. */
static int scan_function(struct bus_set *buses, unsigned bus, unsigned slot, unsigned function,
                         void (*found)(const struct pci_device *dev))
{
    struct pci_device dev = {
        .bus = (uint8_t)bus,
        .slot = (uint8_t)slot,
        .function = (uint8_t)function,
    };
    uint32_t id = pci_read32(&dev, PCI_VENDOR);
    dev.vendor = (uint16_t)id;
    if (dev.vendor == NO_DEVICE)
        return -1;
    dev.device = (uint16_t)(id >> 16);
    uint8_t header = pci_read8(&dev, PCI_HEADER_TYPE);
    if ((header & ~HEADER_MULTIFUNCTION) == HEADER_BRIDGE) {
        unsigned below = pci_read8(&dev, PCI_SECONDARY_BUS);
        if (below > bus)
            bus_add(buses, below);
    } else {
        dev.irq_line = pci_read8(&dev, PCI_INTERRUPT_LINE);
        found(&dev);
    }
    return header;
}

void pci_scan(const struct acpi_info *acpi, void (*found)(const struct pci_device *dev))
{
    struct bus_set buses = { { 0 } };
    for (unsigned i = 0; i < ISA_LINES; i++) {
        lines[i].gsi = acpi->isa[i].gsi;
        /* Where the tables don't tell, a PCI line is as PCI has it: level, active low. */
        lines[i].active_low = acpi->isa[i].level ? acpi->isa[i].active_low : true;
    }
    bus_add(&buses, 0);
    for (unsigned bus = 0; bus < 256; bus++) {
        for (unsigned slot = 0; bus_listed(&buses, bus) && slot < 32; slot++) {
            int header = scan_function(&buses, bus, slot, 0, found);
            if (header < 0 || !(header & HEADER_MULTIFUNCTION))
                continue;
            for (unsigned function = 1; function < 8; function++)
                (void)scan_function(&buses, bus, slot, function, found);
        }
    }
}

/* ---- memory ---- */

/*
 * Where a memory BAR lies and how long it is (3.0, 6.2.5.1): of all ones written to it the device
 * keeps those above its size. It must not answer at that place meanwhile.
 */
static bool bar_range(const struct pci_device *dev, unsigned bar, uint64_t *base, uint64_t *size)
{
    unsigned at = PCI_BAR0 + 4 * bar;
    uint32_t low = pci_read32(dev, at), high = 0;
    bool wide = (low & BAR_TYPE) == BAR_64BIT;
    if ((low & BAR_IO) || (wide && bar + 1 == PCI_BARS))
        return false;
    uint16_t command = pci_read16(dev, PCI_COMMAND);
    change_command(dev, COMMAND_MEMORY, 0);
    pci_write32(dev, at, ~0u);
    uint64_t mask = 0xffffffff00000000ull | pci_read32(dev, at);
    pci_write32(dev, at, low);
    if (wide) {
        high = pci_read32(dev, at + 4);
        pci_write32(dev, at + 4, ~0u);
        mask = (mask & 0xffffffff) | (uint64_t)pci_read32(dev, at + 4) << 32;
        pci_write32(dev, at + 4, high);
    }
    pci_write16(dev, PCI_COMMAND, command);
    *base = ((uint64_t)high << 32 | low) & ~BAR_FLAGS;
    *size = -(mask & ~BAR_FLAGS);
    return *base != 0;
}

volatile void *pci_map_bar(const struct pci_device *dev, unsigned bar, uint64_t offset,
                           uint64_t length)
{
    uint64_t base, size;
    if (bar >= PCI_BARS || !bar_range(dev, bar, &base, &size))
        return NULL;
    if (!length || offset > size || length > size - offset)
        return NULL;
    return kmap_device(base + offset, length);
}

/* ---- interrupts ---- */

bool pci_msix_enable(const struct pci_device *dev, struct pci_msix *msix)
{
    *msix = (struct pci_msix){ 0 };
    unsigned cap = pci_find_capability(dev, PCI_CAP_MSIX, 0);
    if (!cap)
        return false;
    uint16_t control = pci_read16(dev, cap + MSIX_CONTROL);
    uint32_t where = pci_read32(dev, cap + MSIX_TABLE);
    unsigned count = (control & MSIX_SIZE) + 1;
    volatile uint32_t *table = pci_map_bar(dev, where & 7, where & ~7u, count * MSIX_ENTRY_SIZE);
    if (!table)
        return false;
    pci_write16(dev, cap + MSIX_CONTROL, control | MSIX_ENABLE | MSIX_MASK_ALL);
    for (unsigned i = 0; i < count; i++)
        table[4 * i + 3] = MSIX_ENTRY_MASK;
    change_command(dev, 0, COMMAND_INTX_OFF);
    pci_write16(dev, cap + MSIX_CONTROL, (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
    *msix = (struct pci_msix){ .table = table, .count = count };
    return true;
}

void pci_msix_disable(const struct pci_device *dev)
{
    unsigned cap = pci_find_capability(dev, PCI_CAP_MSIX, 0);
    if (cap)
        pci_write16(dev, cap + MSIX_CONTROL, pci_read16(dev, cap + MSIX_CONTROL) & ~MSIX_ENABLE);
}

void pci_msix_route(const struct pci_msix *msix, unsigned index, unsigned vector)
{
    volatile uint32_t *entry = msix->table + 4 * index;
    uint64_t address = msi_address(cpus[0].apic_id);
    entry[0] = (uint32_t)address;
    entry[1] = (uint32_t)(address >> 32);
    entry[2] = vector;
    entry[3] = 0;
}

static void line_interrupt(void *arg)
{
    struct pci_device *const *users = arg;
    struct pci_device *dev = __atomic_load_n(users, __ATOMIC_ACQUIRE);
    for (; dev; dev = dev->intx_next)
        dev->intx_handler(dev->intx_arg);
}

/* Send an interrupt line to a vector of its own. It stays so: handlers come and go. */
static status_t route_line(unsigned line)
{
    int vector = irq_alloc(line_interrupt, &lines[line].users);
    if (vector < 0)
        return vector;
    status_t st = ioapic_route(lines[line].gsi, (unsigned)vector, true, lines[line].active_low);
    if (st != OK)
        irq_free((unsigned)vector);
    lines[line].routed = st == OK;
    return st == OK ? OK : -ENXIO;
}

status_t pci_intx_attach(struct pci_device *dev, irq_handler handler, void *arg)
{
    unsigned line = dev->irq_line;
    if (!line || line >= ISA_LINES)
        return -ENXIO;
    status_t st = lines[line].routed ? OK : route_line(line);
    if (st != OK)
        return st;
    dev->intx_handler = handler;
    dev->intx_arg = arg;
    dev->intx_next = lines[line].users;
    __atomic_store_n(&lines[line].users, dev, __ATOMIC_RELEASE);
    change_command(dev, COMMAND_INTX_OFF, 0);
    return OK;
}

void pci_intx_detach(struct pci_device *dev)
{
    change_command(dev, 0, COMMAND_INTX_OFF);
    struct pci_device **at = &lines[dev->irq_line].users;
    while (*at && *at != dev)
        at = &(*at)->intx_next;
    if (*at)
        __atomic_store_n(at, dev->intx_next, __ATOMIC_RELEASE);
}
