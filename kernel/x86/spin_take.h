/* The one step of a spinlock that is worth assembly (klib/spinlock.h). */
#ifndef X86_SPIN_TAKE_H
#define X86_SPIN_TAKE_H

#include "klib/types.h"

struct spinlock;

/* Take the lock, whose first word is 0 while it is free. */
static inline void spin_take(struct spinlock *l)
{
    uint32_t *word = (uint32_t *)l;
    /* Two instructions when the lock is free; all that is for the other case lies elsewhere (spinlock.S). */
    __asm__ volatile("lock btsl $0, %0\n\t"
                     "jc 2f\n"
                     "1:\n\t"
                     ".pushsection .text.unlikely, \"ax\", @progbits\n"
                     "2:\n\t"
                     "lea %0, %%rdi\n\t"
                     "call spin_contend_saving\n\t"
                     "jmp 1b\n\t"
                     ".popsection"
                     : "+m"(*word)
                     :
                     : "rdi", "memory", "cc");
}

#endif
