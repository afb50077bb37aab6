/*
 * First code of a secondary CPU. smp.c copies it to a page below 1 MiB, fills in the parameters, and names that page in
 * the start-up interrupt (Intel SDM vol. 3, 8.4). The CPU comes in real mode at offset 0 of the page, goes to long mode
 * in one step on page tables that map the page at its own address and the kernel at its, and leaves for the kernel.
 */
#define OFFSET(label) (label - ap_boot_start)

    .section .rodata, "a"
    .balign 16
    .globl ap_boot_start, ap_boot_end, ap_boot_params
    .code16
ap_boot_start:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    mov OFFSET(.Lcr3), %eax
    mov %eax, %cr3
    mov $0x20, %eax                     /* CR4.PAE */
    mov %eax, %cr4
    mov $0xc0000080, %ecx               /* EFER: LME and NXE */
    rdmsr
    or $0x900, %eax
    wrmsr
    lgdtl OFFSET(.Lgdtr)
    mov $0x80000011, %eax               /* CR0: PG, ET, PE; caches on */
    mov %eax, %cr0
    ljmpl *OFFSET(.Lfar)

    .code64
.Llong:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov .Lstack(%rip), %rsp
    mov .Largument(%rip), %rdi
    xor %ebp, %ebp                      /* the end of every backtrace */
    push $0
    jmp *.Lentry(%rip)

    .balign 8
.Lgdt:
    .quad 0
    .quad 0x00af9b000000ffff            /* kernel code, 64-bit */
    .quad 0x00cf93000000ffff            /* kernel data */
ap_boot_params:                         /* struct ap_params of smp.c */
.Lentry:
    .quad 0
.Lstack:
    .quad 0
.Largument:
    .quad 0
.Lcr3:
    .long 0
.Lfar:
    .long 0
    .word 0x08
.Lgdtr:
    .word 23
    .long 0
    .long OFFSET(.Llong), OFFSET(.Lgdt)
ap_boot_end:

    .section .note.GNU-stack, "", @progbits
