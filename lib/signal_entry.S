/* Where the kernel sends a thread that has a signal to handle (docs/upcalls.md): RDI, RSI, RDX as __signal_handle wants them. */
#include <rugo/abi.h>

        .globl  __signal_entry
        .hidden __signal_entry
        .type   __signal_entry, @function
        .section .text.__signal_entry, "ax"
__signal_entry:
        pushq   %rdx
        call    __signal_handle
        popq    %rdi
        movl    $SYS_upcall_return, %eax
        syscall
        ud2                             /* a handler has spoilt its context */
        .size   __signal_entry, . - __signal_entry
        .section .note.GNU-stack, "", @progbits
