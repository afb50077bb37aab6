/* First instruction of a thread made by thread_start: RDI is its struct thread, RSP 16-aligned. */
        .globl  __thread_entry
        .hidden __thread_entry
        .type   __thread_entry, @function
        .section .text.__thread_entry, "ax"
__thread_entry:
        xorl    %ebp, %ebp
        call    __thread_main
        ud2
        .size   __thread_entry, . - __thread_entry
        .section .note.GNU-stack, "", @progbits
