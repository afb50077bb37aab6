/* The first serial port (serial.h). Registers are guarded by a lock because log and console share them. */
#include "x86/serial.h"
#include "klib/spinlock.h"

#define COM1 0x3f8
enum { RBR = 0, THR = 0, DLL = 0, IER = 1, DLM = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
#define LSR_DATA 0x01
#define LSR_THRE 0x20
#define IER_RX   0x01
#define IER_TX   0x02
#define FIFO     16
/* Polls before a dead line is given up: far more than 16 bytes take at 115200 baud. */
#define SPIN_MAX 1000000

static struct spinlock lock = SPINLOCK_INIT(RANK_SERIAL);

/* Bytes the transmitter takes at a time. */
static int depth = 1; /* [I] */

void serial_init(void)
{
    outb(COM1 + IER, 0);
    outb(COM1 + LCR, 0x80);
    outb(COM1 + DLL, 1);
    outb(COM1 + DLM, 0);
    outb(COM1 + LCR, 0x03);
    /* Switching the FIFOs on clears what was received: with input waiting (a script in a pipe) they stay off. */
    if (!(inb(COM1 + LSR) & LSR_DATA)) {
        outb(COM1 + FCR, 0x01);
        depth = FIFO;
    }
    outb(COM1 + MCR, 0x0b); /* DTR, RTS, OUT2 (lets interrupts through) */
}

static void wait_empty(void)
{
    for (int i = 0; i < SPIN_MAX && !(inb(COM1 + LSR) & LSR_THRE); i++)
        cpu_pause();
}

void serial_write_polled(const char *text, size_t n)
{
    int room = 0;
    bool returned = false; /* the CR before this LF is out */
    spin_lock(&lock);
    for (size_t i = 0; i < n;) {
        if (room == 0) {
            wait_empty();
            room = depth;
        }
        room--;
        returned = text[i] == '\n' && !returned;
        outb(COM1 + THR, returned ? '\r' : (uint8_t)text[i++]);
    }
    spin_unlock(&lock);
}

size_t serial_try_write(const char *text, size_t n)
{
    size_t sent = 0;
    spin_lock(&lock);
    if (inb(COM1 + LSR) & LSR_THRE)
        for (; sent < n && sent < (size_t)depth; sent++)
            outb(COM1 + THR, (uint8_t)text[sent]);
    spin_unlock(&lock);
    return sent;
}

int serial_try_read(void)
{
    spin_lock(&lock);
    int c = inb(COM1 + LSR) & LSR_DATA ? inb(COM1 + RBR) : -1;
    spin_unlock(&lock);
    return c;
}

void serial_interrupts(bool rx, bool tx)
{
    spin_lock(&lock);
    outb(COM1 + IER, (uint8_t)((rx ? IER_RX : 0) | (tx ? IER_TX : 0)));
    spin_unlock(&lock);
}
