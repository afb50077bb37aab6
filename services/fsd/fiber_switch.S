/*
 * void fiber_switch(void **save, void *to): go on where `to` stopped; our own place is kept in *save.
 *
 * A stopped fiber's stack holds, from its stack pointer up: r15 r14 r13 r12 rbx rbp, then the return
 * address. These are the registers a C function must leave as they were (System V ABI, 3.2.1); MXCSR
 * and the x87 control word are the same in all fibers.
 */
        .text
        .globl  fiber_switch
        .type   fiber_switch, @function
fiber_switch:
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .size   fiber_switch, . - fiber_switch

        .section .note.GNU-stack, "", @progbits
