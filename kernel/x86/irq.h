/* Interrupt vectors and who handles them. Handlers run with interrupts off, on the interrupted thread's kernel stack. */
#ifndef X86_IRQ_H
#define X86_IRQ_H

#include "klib/types.h"

typedef void (*irq_handler)(void *arg);

/* A vector for handler(arg), or -ENOSPC. */
int irq_alloc(irq_handler handler, void *arg);
/* Handle a fixed vector. */
void irq_set(unsigned vector, irq_handler handler, void *arg);
/* Give a vector of irq_alloc back. */
void irq_free(unsigned vector);
/* Called by entry/trap.c. Acknowledges; an interrupt nobody asked for is logged once. */
void irq_dispatch(unsigned vector);

#endif
