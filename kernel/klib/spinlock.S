/* spin_contend for spin_acquire (spinlock.h), which has only RDI to spare: the other registers are kept. */

    .text
    .globl spin_contend_saving
    .type spin_contend_saving, @function
spin_contend_saving:
    push %rbp
    mov %rsp, %rbp
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %r8
    push %r9
    push %r10
    push %r11
    call spin_contend
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    pop %rbp
    ret
    .size spin_contend_saving, . - spin_contend_saving

    .section .note.GNU-stack, "", @progbits
