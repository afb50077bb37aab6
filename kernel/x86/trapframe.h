/*
 * What entry/trap.S and entry/syscall.S have saved on the kernel stack when C runs; lowest address first. Both frames end
 * at the top of the thread's kernel stack when it came from user mode.
 */
#ifndef X86_TRAPFRAME_H
#define X86_TRAPFRAME_H

#include "klib/types.h"

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector; /* or VEC_SYSCALL, VEC_NONE */
    uint64_t
        error; /* from the CPU for some exceptions, else 0; VEC_SYSCALL: as syscall_frame.number */
    uint64_t rip, cs, rflags, rsp, ss;
};

struct syscall_frame {
    uint64_t number; /* minus SYS_BASE */
    uint64_t r9, r8, r10, rdx, rsi, rdi;
    uint64_t rip, rflags, rsp;
};

enum vector {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10,
    VEC_NP = 11,
    VEC_SS = 12,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
    VEC_MC = 18,
    VEC_XM = 19,
    VEC_IRQ_FIRST = 32,
    VEC_TIMER = 0xf0, /* LAPIC timer */
    VEC_RESCHED = 0xf1, /* from another CPU: look at the run queue */
    VEC_CALL = 0xf2, /* from another CPU: run a function */
    VEC_SPURIOUS = 0xff, /* LAPIC spurious interrupt: no EOI */
    VEC_SYSCALL =
        0x100, /* no trap: the frame was made of what a system call left, rax is its result */
    VEC_NONE =
        0x101, /* the frame has nothing to do any more with what brought the thread into the kernel */
};

#define PF_PRESENT 1u /* page-fault error code: a protection fault, not a missing page */
#define PF_WRITE   2u
#define PF_USER    4u
#define PF_FETCH   16u

static inline bool trap_from_user(const struct trap_frame *f)
{
    return f->cs & 3;
}

#endif
