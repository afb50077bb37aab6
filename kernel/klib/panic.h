/*
 * The end of the machine, for a broken invariant of the kernel.
 *
 * Prints `RUGO: panic code=0x… <text>`, a symbolised backtrace, and ends a test run with failure; with no test
 * device the machine resets when `panic=reboot` is on the command line and else stops.
 */
#ifndef KLIB_PANIC_H
#define KLIB_PANIC_H

#include "klib/types.h"

enum panic_code {
    PANIC_ASSERT = 0x1,
    PANIC_TRAP = 0x2,         /* unexpected CPU exception in the kernel */
    PANIC_DOUBLE_FAULT = 0x3,
    PANIC_BOOT = 0x4,         /* the loader gave something unusable */
    PANIC_MEMORY = 0x5,       /* no memory for what the kernel can't do without */
    PANIC_SVCMAN = 0x6,       /* the first process ended */
    PANIC_NMI = 0x7,
    PANIC_MACHINE_CHECK = 0x8,
    PANIC_UNDEFINED = 0x9,    /* undefined behaviour, found by a check that the compiler put in */
    PANIC_STACK = 0xe,        /* a function found that its frame was written over */
    /* Found by a kernel with DEBUG: */
    PANIC_USE_AFTER_FREE = 0xa,
    PANIC_DOUBLE_FREE = 0xb,
    PANIC_OVERRUN = 0xc,      /* an object of the heap was written past its end */
    PANIC_REFERENCES =
        0xd,   /* more references or handles dropped than taken, or far too many taken */
};

void panic(uint64_t code, const char *fmt, ...) NORETURN PRINTF(2, 3);
/* The same with the registers of a trap: the backtrace starts there. */
void panic_at(uint64_t code, uintptr_t rip, uintptr_t rbp, const char *fmt, ...) NORETURN
    PRINTF(4, 5);
/* Another CPU panics: its NMI came, or a fault that was the consequence. The calling CPU then stops for good. */
bool panic_elsewhere(void);
void panic_halt(void) NORETURN;
/* Reset the machine after a panic instead of stopping. */
void panic_set_reboot(void (*reset)(void));

/* Print `  #N name+0xoffset` lines from the frame-pointer chain that starts at rbp, rip first. */
void backtrace_print(uintptr_t rip, uintptr_t rbp);
/* The function that holds address a: its name and the offset in it, or NULL. */
const char *symbol_find(uintptr_t a, uintptr_t *offset);

#endif
