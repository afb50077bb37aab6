/* Interrupt vectors and who handles them (irq.h). */
#include "x86/irq.h"
#include "klib/printf.h"
#include "x86/apic.h"
#include "x86/random.h"
#include "x86/trapframe.h"

static struct {
    irq_handler handler; /* [I] while the vector is in use */
    void *arg;
    bool told; /* nobody's, and said so */
} table[256];

int irq_alloc(irq_handler handler, void *arg)
{
    for (unsigned v = VEC_IRQ_FIRST; v < VEC_TIMER; v++)
        if (!table[v].handler) {
            irq_set(v, handler, arg);
            return (int)v;
        }
    return -ENOSPC;
}

void irq_set(unsigned vector, irq_handler handler, void *arg)
{
    table[vector].arg = arg;
    table[vector].handler = handler;
}

void irq_free(unsigned vector)
{
    table[vector].handler = NULL;
}

void irq_dispatch(unsigned vector)
{
    random_stir();
    if (table[vector].handler) {
        table[vector].handler(table[vector].arg);
    } else if (vector != VEC_SPURIOUS && !table[vector].told) {
        table[vector].told = true;
        kprintf_at(LOG_WARNING, "IRQ: unexpected interrupt vector %u\n", vector);
    }
    if (vector != VEC_SPURIOUS)
        lapic_eoi();
}
