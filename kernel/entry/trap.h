/* Traps (trap.c) and the entry of system calls (syscall.S). */
#ifndef ENTRY_TRAP_H
#define ENTRY_TRAP_H

#include "klib/types.h"
#include "x86/trapframe.h"

/* Let hook see exceptions first; true: it has dealt with this one (self-tests). */
void trap_set_hook(bool (*hook)(struct trap_frame *f));
/* Point the SYSCALL instruction of the calling CPU at syscall.S. */
void syscall_init(void);
/* Called by trap.S with interrupts off. */
void trap_handle(struct trap_frame *f);
/* Called with interrupts on when a thread with work bits is about to return to user mode with the state in f. */
void trap_user_work(struct trap_frame *f);

#endif
