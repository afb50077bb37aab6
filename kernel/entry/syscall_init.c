/* The MSRs of SYSCALL and SYSRET (Intel SDM vol. 3, 5.8.8). */
#include "entry/trap.h"
#include "proc/process.h"
#include "x86/cpu.h"
#include "x86/gdt.h"
#include <syscall_table.h>

extern char syscall_entry[];

void syscall_init(void)
{
    process_set_calls(syscall_count);
    /* SYSRET loads SS from bits 63:48 + 8 and CS from + 16. */
    wrmsr(MSR_STAR, (uint64_t)(SEL_USER_DATA - 8) << 48 | (uint64_t)SEL_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uintptr_t)syscall_entry);
    wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC);
}
