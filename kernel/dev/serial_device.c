/* The first serial port as a kernel object (serial_device.h). */
#include "dev/serial_device.h"
#include "klib/panic.h"
#include "sched/thread.h"
#include "x86/apic.h"
#include "x86/clock.h"
#include "x86/irq.h"
#include "x86/serial.h"

#define RING 4096u /* a power of two */

static struct {
    struct object obj;
    struct spinlock lock;       /* s */
    char ring[RING];            /* [s] */
    uint32_t head, tail; /* [s] bytes ever put in and taken out; modulo RING their places */
    uint64_t lost; /* [s] received bytes that found the ring full */
    struct wait_queue writers; /* [s] for the transmitter */
    uint64_t
        heard; /* [s] when the interrupt came whose bytes nothing was sent after yet, ns; 0: none */
    uint64_t reaction,
        slowest; /* [s] ns from there to the first byte sent: the last time, the most */
} port;

/* Bytes have gone out. */
static void note_reaction(void)
{
    if (!port.heard)
        return;
    port.reaction = clock_ns() - port.heard;
    port.slowest = port.reaction > port.slowest ? port.reaction : port.slowest;
    port.heard = 0;
}

static bool receive(void)
{
    bool any = false;
    int c;
    while ((c = serial_try_read()) >= 0) {
        any = true;
        if (port.head - port.tail == RING)
            port.lost++;
        else
            port.ring[port.head++ % RING] = (char)c;
    }
    return any;
}

/*
 * The line is edge-triggered: the next interrupt comes only after the port has let go of it. So the
 * transmitter's is switched off first, and then everything received is taken.
 */
static void interrupt(void *arg)
{
    (void)arg;
    uint64_t now = clock_ns();
    spin_lock(&port.lock);
    serial_interrupts(true, false);
    if (receive()) {
        port.heard = port.heard ? port.heard : now;
        object_signal(&port.obj, 0, EV_READABLE);
    }
    wait_wake_all(&port.writers, 0);
    spin_unlock(&port.lock);
}

static void destroy(struct object *o)
{
    panic(PANIC_ASSERT, "serial device: too many references dropped, type %u", o->type);
}

static void describe(struct object *o, struct object_facts *f)
{
    (void)o;
    spin_lock(&port.lock);
    f->size = port.reaction;
    f->detail = port.slowest;
    spin_unlock(&port.lock);
}

static const struct object_ops ops = { .destroy = destroy, .describe = describe };

void serial_device_init(const struct acpi_info *acpi)
{
    object_init(&port.obj, OBJ_SERIAL, &ops);
    spin_init(&port.lock, RANK_DEVICE);
    wait_queue_init(&port.writers);
    int vector = irq_alloc(interrupt, NULL);
    if (vector < 0 ||
        ioapic_route(acpi->isa[SERIAL_IRQ].gsi, (unsigned)vector, acpi->isa[SERIAL_IRQ].level,
                     acpi->isa[SERIAL_IRQ].active_low) != OK)
        panic(PANIC_BOOT, "no interrupt for the serial port");
    spin_lock(&port.lock);
    serial_interrupts(true, false);
    if (receive()) /* what came before there was an interrupt */
        object_signal(&port.obj, 0, EV_READABLE);
    spin_unlock(&port.lock);
}

struct object *serial_device(void)
{
    return &port.obj;
}

size_t serial_device_read(char *buf, size_t n)
{
    size_t taken = 0;
    spin_lock(&port.lock);
    while (taken < n && port.tail != port.head)
        buf[taken++] = port.ring[port.tail++ % RING];
    if (port.tail == port.head)
        object_signal(&port.obj, EV_READABLE, 0);
    spin_unlock(&port.lock);
    return taken;
}

void serial_device_unread(const char *buf, size_t n)
{
    spin_lock(&port.lock);
    while (n)
        port.ring[--port.tail % RING] = buf[--n];
    if (port.head - port.tail > RING) { /* the oldest are kept */
        port.lost += port.head - port.tail - RING;
        port.head = port.tail + RING;
    }
    object_signal(&port.obj, 0, EV_READABLE);
    spin_unlock(&port.lock);
}

size_t serial_device_write(const char *buf, size_t n)
{
    size_t sent = 0;
    status_t st = OK;
    spin_lock(&port.lock);
    while (sent < n && st == OK) {
        size_t now = serial_try_write(buf + sent, n - sent);
        sent += now;
        if (now)
            note_reaction();
        if (now || sent == n)
            continue;
        serial_interrupts(true, true); /* fires at once if the transmitter has become free */
        st = wait_sleep(&port.writers, &port.lock, WAIT_FOREVER);
    }
    spin_unlock(&port.lock);
    return sent;
}
