/* Stands for kernel/x86/clock.h: under the explorer time stands still. */
#ifndef X86_CLOCK_H
#define X86_CLOCK_H

#include "klib/types.h"

uint64_t clock_ns(void);

#endif
