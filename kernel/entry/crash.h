/* Reports of programs that are ended by a fault. */
#ifndef ENTRY_CRASH_H
#define ENTRY_CRASH_H

#include "x86/trapframe.h"

/*
 * Report the fault f of the running thread, which came from user mode; cause names the exception, address is that of a
 * page fault; note says more, in parentheses, or is empty. Interrupts are off.
 */
void crash_report(const struct trap_frame *f, uintptr_t address, const char *cause, uint32_t signal,
                  const char *note);

#endif
