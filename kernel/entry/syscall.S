/*
 * How a program enters the kernel: SYSCALL (Intel SDM vol. 2), number in RAX, arguments in RDI RSI RDX R10 R8 R9.
 *
 * Only RAX, RCX and R11 change. SYSCALL has put the return address in RCX and RFLAGS in R11 and masked interrupts
 * (SFMASK). The C handlers keep the callee-saved registers; the others are kept here. The last page of the user
 * half is never mapped, so RCX is canonical and SYSRET cannot fault in ring 0.
 */
#include "sched/thread_offsets.h"
#include "x86/cpu_offsets.h"
#include "x86/gdt.h"

#define SYS_BASE    0x1000
#define VEC_SYSCALL 0x100

    .text
    .globl syscall_entry
    .type syscall_entry, @function
syscall_entry:
    swapgs
    mov %rsp, %gs:8             /* struct cpu.user_rsp */
    mov %gs:16, %rsp            /* struct cpu.kernel_rsp */
    push %gs:8
    push %r11
    push %rcx
    push %rdi
    push %rsi
    push %rdx
    push %r10
    push %r8
    push %r9
    incq %gs:CPU_STATS_SYSCALLS
    sti
    sub $SYS_BASE, %rax
    push %rax                   /* the number ends struct syscall_frame; the stack is 16-byte aligned at the call */
    mov %gs:24, %rcx            /* struct cpu.current */
    cmp THREAD_DIRECT_CALLS_OFFSET(%rcx), %rax
    jae 4f
    lea syscall_table(%rip), %r11
    mov %r10, %rcx
    call *(%r11,%rax,8)
1:  cli
    mov %gs:24, %rcx            /* struct cpu.current */
    cmpl $0, THREAD_WORK_OFFSET(%rcx)
    jne 3f
    add $8, %rsp
    pop %r9
    pop %r8
    pop %r10
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rcx
    pop %r11
    pop %rsp
    swapgs
    sysretq
3:  testl $THREAD_WORK_FRAME, THREAD_WORK_OFFSET(%rcx)
    jnz 5f
    sti
    push %rax
    sub $8, %rsp
    call thread_user_work
    add $8, %rsp
    pop %rax
    jmp 1b
4:  mov %rsp, %rdi              /* no such call, or one of a traced process */
    call syscall_slow
    jmp 1b
5:  mov %rsp, %r11              /* number of the call, r9 r8 r10 rdx rsi rdi, rip, rflags, rsp */
    push $SEL_USER_DATA         /* struct trap_frame, highest word first */
    push 72(%r11)
    push 64(%r11)
    push $SEL_USER_CODE
    push 56(%r11)
    push (%r11)                 /* error: number of the call */
    push $VEC_SYSCALL
    push %rax
    push %rbx
    push 56(%r11)               /* rcx, as SYSCALL left it */
    push 32(%r11)
    push 40(%r11)
    push 48(%r11)
    push %rbp
    push 16(%r11)
    push 8(%r11)
    push 24(%r11)
    push 64(%r11)               /* r11, likewise */
    push %r12
    push %r13
    push %r14
    push %r15
    jmp trap_user_return
    .size syscall_entry, . - syscall_entry

    .section .note.GNU-stack, "", @progbits
