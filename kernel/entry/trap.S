/*
 * How the CPU enters the kernel on exceptions and interrupts.
 *
 * 256 stubs of 16 bytes each push an error code (where the CPU does not) and their number, and meet in trap_common,
 * which saves the registers as a struct trap_frame and calls trap_handle(). GS is the kernel's while in the kernel:
 * it is swapped when the trap came from user mode. NMI, double fault and machine check may come between an entry
 * from user mode and its SWAPGS; they look at the GS base itself. A system call that leaves with upcalls to see to joins
 * the way out at trap_user_return, with a frame made of what it has saved.
 */
#include "sched/thread_offsets.h"
#include "x86/cpu_offsets.h"

    .text
    .balign 16
    .globl trap_stubs
    .type trap_stubs, @object
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    push $0
    .endif
    push $vector
    .if vector == 2 || vector == 8 || vector == 18
    jmp trap_paranoid
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
    .endr
    .balign 16
    .size trap_stubs, . - trap_stubs

    .macro SAVE_REGISTERS
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    .endm
    .macro RESTORE_REGISTERS
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp               /* vector and error code */
    .endm

    .globl trap_common
    .type trap_common, @function
trap_common:
    SAVE_REGISTERS
    cld
    testb $3, 144(%rsp)         /* cs */
    jz 1f
    swapgs
1:  cmpb $0, cpu_features+CPU_FEATURES_SMAP(%rip)
    je 1f
    clac                        /* a program may have set AC, which would switch SMAP off */
1:  mov %rsp, %rdi
    xor %ebp, %ebp
    testb $3, 144(%rsp)
    jnz 2f
    mov 64(%rsp), %rbp          /* from the kernel: its backtrace goes on below the trap */
2:  call trap_handle
    testb $3, 144(%rsp)
    jz 4f
3:  cli
    mov %gs:24, %rax            /* struct cpu.current */
    cmpl $0, THREAD_WORK_OFFSET(%rax)
    jne 5f
    swapgs
4:  RESTORE_REGISTERS
    iretq
    .globl trap_user_return
trap_user_return:               /* RSP: struct trap_frame */
5:  sti
    mov %rsp, %rdi
    call trap_user_work
    jmp 3b
    .size trap_common, . - trap_common

    .type trap_paranoid, @function
trap_paranoid:
    SAVE_REGISTERS
    cld
    mov $0xc0000101, %ecx       /* GS base: the kernel's is in the upper half */
    rdmsr
    xor %ebx, %ebx
    test %edx, %edx
    js 1f
    swapgs
    mov $1, %ebx
1:  mov %rsp, %rdi
    mov 64(%rsp), %rbp
    call trap_handle
    test %ebx, %ebx
    jz 2f
    swapgs
2:  RESTORE_REGISTERS
    iretq
    .size trap_paranoid, . - trap_paranoid

    .section .note.GNU-stack, "", @progbits
