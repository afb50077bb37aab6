/* The first serial port, a 16550 UART at 0x3f8 (National Semiconductor PC16550D data sheet). */
#ifndef X86_SERIAL_H
#define X86_SERIAL_H

#include "klib/types.h"

#define SERIAL_IRQ 4 /* ISA interrupt */

/* 115200 baud, 8N1, FIFOs on, interrupts off. */
void serial_init(void);
/* Send with waiting on the transmitter; "\n" goes out as "\r\n". For the log: short, and works when nothing else does. */
void serial_write_polled(const char *text, size_t n);
/* Send as many of n raw bytes as the transmit FIFO takes now; the number. */
size_t serial_try_write(const char *text, size_t n);
/* One received byte, or -1. */
int serial_try_read(void);
/* Ask for interrupts on received bytes and, if tx, when the transmitter is empty. */
void serial_interrupts(bool rx, bool tx);

#endif
