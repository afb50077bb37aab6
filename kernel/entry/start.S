/*
 * Where the boot loader enters the kernel.
 *
 * State by the Limine protocol: long mode, interrupts off, flat segments of the loader's GDT, the
 * loader's page tables, all general registers 0, a stack in memory that is the loader's.
 * This leaves the loader's stack for the kernel's own and calls kmain(), which does not return.
 */
    .section .text.entry, "ax", @progbits
    .globl kernel_entry
    .type kernel_entry, @function
kernel_entry:
    cli
    cld
    lea boot_stack_top(%rip), %rsp
    xor %ebp, %ebp                      /* the end of every backtrace */
    call kmain
1:  cli
    hlt
    jmp 1b
    .size kernel_entry, . - kernel_entry

/* The boot CPU's first stack, 16 KiB; page-aligned so that it can be given a guard. */
    .section .bss.boot_stack, "aw", @nobits
    .balign 4096
    .globl boot_stack, boot_stack_top
boot_stack:
    .skip 16384
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
