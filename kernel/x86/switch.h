/* Switching between kernel stacks. */
#ifndef X86_SWITCH_H
#define X86_SWITCH_H

#include "klib/types.h"

/* Save the callee-saved registers and the stack pointer in *save and go on where `to` was saved. Interrupts are off. */
void context_switch(uintptr_t *save, uintptr_t to);
/* A context that starts at entry, which never returns, on the stack with the given top. */
uintptr_t context_prepare(uintptr_t stack_top, void (*entry)(void));
/*
 * Go to user mode for the first time: all registers 0 but these, interrupts on, flags clear. The calling thread's
 * kernel stack is empty from here on.
 */
void user_enter(uintptr_t rip, uintptr_t rsp, uint64_t rdi) __attribute__((noreturn));

#endif
