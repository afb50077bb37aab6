/*
 * Into the shim and out of it: the Multiboot headers, the way from 32-bit protected mode to
 * 64-bit C, and the jump into the kernel in the state that the Limine protocol describes.
 */
#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00000003            /* modules on page boundaries, memory map wanted */
#define MB2_MAGIC 0xe85250d6

#define PTE_P 1
#define PTE_W 2
#define PTE_PS 0x80

#define CR0_PE_MP_ET_NE_WP_PG 0x80010033
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME_NXE 0x900

#define SEL_CODE64 0x28
#define SEL_DATA64 0x30

    .section .multiboot, "a", @progbits
    .balign 8
    .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)

    .balign 8
mb2_header:
    .long MB2_MAGIC, 0, mb2_header_end - mb2_header, -(MB2_MAGIC + (mb2_header_end - mb2_header))
    .balign 8
    .short 6, 0                         /* modules on page boundaries */
    .long 8
    .balign 8
    .short 0, 0                         /* end of tags */
    .long 8
mb2_header_end:

/*
 * From QEMU or GRUB: 32-bit protected mode without paging, flat segments, interrupts off, magic
 * in EAX and the address of the Multiboot information in EBX.
 */
    .text
    .code32
    .globl shim_start
shim_start:
    cli
    cld
    mov $shim_stack_top, %esp
    mov %eax, %edi                      /* first argument of shim_main: the magic */
    mov %ebx, %esi                      /* second: the information */

    mov $0x80000001, %eax
    cpuid
    test $(1 << 29), %edx
    jz no_long_mode

    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $low_pml4, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    mov $EFER_LME_NXE, %eax             /* every x86-64 CPU that we boot has NX */
    xor %edx, %edx
    wrmsr
    mov $CR0_PE_MP_ET_NE_WP_PG, %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $SEL_CODE64, $long_mode

/* Said without C: there is no CPU here that could run it. */
no_long_mode:
    mov $no_long_mode_text, %esi
    mov $0x3f8, %edx
1:  lodsb
    test %al, %al
    jz 2f
    out %al, %dx
    jmp 1b
2:  mov $0x11, %al
    out %al, $0xf4
3:  hlt
    jmp 3b

    .code64
long_mode:
    mov $SEL_DATA64, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    xor %ebp, %ebp
    call shim_main
    ud2

/*
 * void enter_kernel(uint64_t entry, uint64_t stack_top, uint64_t pml4, uint64_t hhdm)
 *
 * pml4 (physical) maps the low 4 GiB twice, as they are and at hhdm; stack_top lies in the direct
 * map. Moves into the direct map, takes the low mapping away, and enters the kernel.
 */
    .globl enter_kernel
    .type enter_kernel, @function
enter_kernel:
    mov %rdx, %cr3
    lea 1f(%rcx), %rax
    jmp *%rax
1:  addq %rcx, gdt_pointer + 2(%rcx)    /* the GDT by its address in the direct map */
    lgdt gdt_pointer(%rcx)
    mov %rsi, %rsp
    movq $0, (%rcx,%rdx)                /* PML4 entry 0 was all of the low mapping */
    mov %rdx, %cr3
    pushq $SEL_CODE64
    lea 2f(%rcx), %rax
    push %rax
    lretq
2:  mov $SEL_DATA64, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    pushq $0                            /* the return address of the kernel's entry point */
    push %rdi
    pushq $2                            /* RFLAGS: all clear */
    popf
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    ret
    .size enter_kernel, . - enter_kernel

    .section .rodata
no_long_mode_text:
    .asciz "SHIM: error: this CPU has no 64-bit mode\r\n"

    .data
/* As the Limine protocol lists it: null, code and data of 16, 32 and 64 bits. */
    .balign 8
gdt:
    .quad 0
    .quad 0x00009a000000ffff
    .quad 0x000092000000ffff
    .quad 0x00cf9a000000ffff
    .quad 0x00cf92000000ffff
    .quad 0x00209a0000000000
    .quad 0x0000920000000000
gdt_end:
    .balign 8
gdt_pointer:
    .short gdt_end - gdt - 1
    .quad gdt

/*
 * The low 4 GiB mapped as they are. low_pd is also the first 4 GiB of the direct map. Written out
 * by the assembler: the loader's DMA is cheaper than a loop in the guest.
 */
    .balign 4096
low_pml4:
    .quad low_pdpt + PTE_P + PTE_W
    .fill 511, 8, 0
    .globl low_pdpt
low_pdpt:
    .set i, 0
    .rept 4
    .quad low_pd + i * 4096 + PTE_P + PTE_W
    .set i, i + 1
    .endr
    .fill 508, 8, 0
    .globl low_pd
low_pd:
    .set i, 0
    .rept 2048
    .quad (i << 21) + PTE_P + PTE_W + PTE_PS
    .set i, i + 1
    .endr

    .bss
    .balign 16
    .skip 16384
shim_stack_top:

    .section .note.GNU-stack, "", @progbits
