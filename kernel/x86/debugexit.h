/* QEMU's isa-debug-exit device at port 0xf4: a write of v ends QEMU with status v << 1 | 1. Without it nothing happens. */
#ifndef X86_DEBUGEXIT_H
#define X86_DEBUGEXIT_H

#include "x86/cpu.h"

#define DEBUG_EXIT_PORT    0xf4
#define DEBUG_EXIT_SUCCESS 0x10
#define DEBUG_EXIT_FAILURE 0x01

static inline void debug_exit(uint32_t value)
{
    outl(DEBUG_EXIT_PORT, value);
}

#endif
