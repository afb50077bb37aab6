/* Switching between kernel stacks. */
#ifndef X86_SWITCH_H
#define X86_SWITCH_H

#include "klib/types.h"

/*
 * Save where the caller is in *save and go on where `to` was saved. Interrupts are off. A saved context is a stack pointer;
 * on the stack lie the frame pointer and the address to go on at. All other registers are the compiler's to save, which
 * for most of them it has done already when it comes here: hence a piece of the caller, not a function.
 */
static inline __attribute__((always_inline)) void context_switch(uintptr_t *save, uintptr_t to)
{
    __asm__ volatile("lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "push %%rbp\n\t"
                     "mov %%rsp, (%0)\n\t"
                     "mov %1, %%rsp\n\t"
                     "pop %%rbp\n\t"
                     "ret\n"
                     "1:"
                     : "+D"(save), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc");
}

/* A context that starts at entry, which never returns, on the stack with the given top. A zero ends backtraces. */
static inline uintptr_t context_prepare(uintptr_t stack_top, void (*entry)(void))
{
    uintptr_t *at = (uintptr_t *)stack_top - 3;
    at[0] = 0;
    at[1] = (uintptr_t)entry;
    at[2] = 0;
    return (uintptr_t)at;
}

/*
 * Go to user mode for the first time: all registers 0 but these, interrupts on, flags clear. The calling thread's
 * kernel stack is empty from here on.
 */
void user_enter(uintptr_t rip, uintptr_t rsp, uint64_t rdi) __attribute__((noreturn));

#endif
