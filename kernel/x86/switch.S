/* Switching to user mode (switch.h). */
#include "x86/gdt.h"

    .text
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
