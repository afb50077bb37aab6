/*
 * Where a program begins. The kernel or the loader left argc, argv, envp and auxv on the stack (System V ABI, 3.4.1).
 * C code takes over at once; it is given the stack and, to relocate the image, its own dynamic section and load address.
 */
        .globl  _start
        .type   _start, @function
        .hidden _DYNAMIC
        .hidden __ehdr_start
        .section .text._start, "ax"
_start:
        xorl    %ebp, %ebp
        movq    %rsp, %rdi
        leaq    _DYNAMIC(%rip), %rsi
        leaq    __ehdr_start(%rip), %rdx
        andq    $-16, %rsp
        call    __start
        ud2
        .size   _start, . - _start
        .section .note.GNU-stack, "", @progbits
