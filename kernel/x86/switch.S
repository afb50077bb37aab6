/* Switching between kernel stacks and to user mode (switch.h). */
#include "x86/gdt.h"

    .text
    .globl context_switch
    .type context_switch, @function
context_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size context_switch, . - context_switch

/* Six zero registers, the entry as return address, and a zero above it to end backtraces. */
    .globl context_prepare
    .type context_prepare, @function
context_prepare:
    lea -64(%rdi), %rax
    movq $0, (%rax)
    movq $0, 8(%rax)
    movq $0, 16(%rax)
    movq $0, 24(%rax)
    movq $0, 32(%rax)
    movq $0, 40(%rax)
    mov %rsi, 48(%rax)
    movq $0, 56(%rax)
    ret
    .size context_prepare, . - context_prepare

    .globl user_enter
    .type user_enter, @function
user_enter:
    cli
    mov %gs:16, %rax            /* struct cpu.kernel_rsp */
    mov %rax, %rsp
    push $SEL_USER_DATA
    push %rsi
    push $0x202                 /* RFLAGS: IF and the bit that is always 1 */
    push $SEL_USER_CODE
    push %rdi
    mov %rdx, %rdi
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    swapgs
    iretq
    .size user_enter, . - user_enter

    .section .note.GNU-stack, "", @progbits
