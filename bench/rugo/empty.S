/*
 * The emptiest multiboot program: what QEMU and its firmware need to reach any kernel at all. Sends one
 * '!' over the serial line and halts.
 */
    .section .text
    .code32
    .align 4
    .long 0x1badb002, 0, -0x1badb002    /* Multiboot 1: magic, flags, checksum */

    .globl start
start:
    mov $0x3f8, %dx
    mov $'!', %al
    out %al, %dx
1:  cli
    hlt
    jmp 1b

    .section .note.GNU-stack, "", @progbits
