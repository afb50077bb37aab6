/*
 * How a program enters the kernel: SYSCALL (Intel SDM vol. 2), number in RAX, arguments in RDI RSI RDX R10 R8 R9.
 *
 * Only RAX, RCX and R11 change. SYSCALL has put the return address in RCX and RFLAGS in R11 and masked interrupts
 * (SFMASK). The C handlers keep the callee-saved registers; the others are kept here. The last page of the user
 * half is never mapped, so RCX is canonical and SYSRET cannot fault in ring 0.
 */
#include "sched/thread_offsets.h"
#include "x86/cpu_offsets.h"

#define SYS_BASE 0x1000

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
    mov syscall_count(%rip), %ecx
    cmp %rcx, %rax
    jae 4f
    lea syscall_table(%rip), %r11
    mov %r10, %rcx
    push %rax                   /* the number ends struct syscall_frame; the stack is 16-byte aligned at the call */
    call *(%r11,%rax,8)
    add $8, %rsp
1:  cli
    mov %gs:24, %rcx            /* struct cpu.current */
    cmpl $0, THREAD_WORK_OFFSET(%rcx)
    jne 3f
2:  pop %r9
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
3:  sti
    push %rax
    call thread_user_work
    pop %rax
    jmp 1b
4:  mov $-38, %rax              /* ENOSYS */
    jmp 1b
    .size syscall_entry, . - syscall_entry

    .section .note.GNU-stack, "", @progbits
