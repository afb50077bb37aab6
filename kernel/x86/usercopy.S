/* int usercopy_raw(void *dst, const void *src, size_t n): each access has an entry in __ex_table (mm/usercopy.c). */

    .macro GUARDED insn:vararg
9:  \insn
    .pushsection __ex_table, "a"
    .long 9b - .
    .long .Lfault - .
    .popsection
    .endm

    .text
    .globl usercopy_raw
    .type usercopy_raw, @function
usercopy_raw:
    mov %rdx, %rcx
    shr $5, %rcx
    jz 2f
1:  GUARDED mov (%rsi), %rax
    GUARDED mov 8(%rsi), %r8
    GUARDED mov 16(%rsi), %r9
    GUARDED mov 24(%rsi), %r10
    GUARDED mov %rax, (%rdi)
    GUARDED mov %r8, 8(%rdi)
    GUARDED mov %r9, 16(%rdi)
    GUARDED mov %r10, 24(%rdi)
    add $32, %rsi
    add $32, %rdi
    dec %rcx
    jnz 1b
2:  mov %edx, %ecx
    shr $3, %ecx
    and $3, %ecx
    jz 4f
3:  GUARDED mov (%rsi), %rax
    GUARDED mov %rax, (%rdi)
    add $8, %rsi
    add $8, %rdi
    dec %ecx
    jnz 3b
4:  test $4, %edx               /* an aligned word goes in one piece */
    jz 7f
    GUARDED mov (%rsi), %eax
    GUARDED mov %eax, (%rdi)
    add $4, %rsi
    add $4, %rdi
7:  and $3, %edx
    jz 6f
5:  GUARDED movb (%rsi), %al
    GUARDED movb %al, (%rdi)
    inc %rsi
    inc %rdi
    dec %edx
    jnz 5b
6:  xor %eax, %eax
    ret
.Lfault:
    mov $1, %eax
    ret
    .size usercopy_raw, . - usercopy_raw

    .section .note.GNU-stack, "", @progbits
