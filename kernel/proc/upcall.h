/*
 * Upcalls: what a process does when a fault, another thread or another process interrupts it (docs/upcalls.md).
 *
 * An upcall has a number, 1 to UPCALL_MAX, Linux's signal numbers. The process says once where its threads are sent
 * (entry) and for each number what happens; each thread has a mask and a stack of its own for upcalls. Numbers wait
 * as bits, in the thread they were sent to or in the process, until a thread may take them; then WORK_UPCALL brings
 * the thread to upcall_work() on its way to user mode, where its registers become a frame on the upcall stack.
 *
 * Sender and receiver use no lock for masks and bits: the sender sets the bit, then looks at the mask; a thread
 * changes its mask, then looks at the bits. One of the two sees that the thread has something to do.
 */
#ifndef PROC_UPCALL_H
#define PROC_UPCALL_H

#include "proc/process.h"
#include "x86/trapframe.h"

/* Kernel's own result of a system call that was interrupted before anything happened and is to be made again. */
#define STATUS_RESTART (-512)

/* ---- the way to user mode (entry/); f is the calling thread's state there, interrupts are on ---- */

/*
 * Send the thread to the process's entry because of a fault. If it can't be told the process must end: -ENOENT, it does
 * not handle that; -EFAULT, the frame can't be written.
 */
status_t upcall_fault(struct trap_frame *f, const struct upcall_info *info) MUST_CHECK;
/* Deliver what waits, and go on as upcall_return asked. The thread may have been told to end afterwards. */
void upcall_work(struct trap_frame *f);
/* Most bytes that a frame needs on the upcall stack. */
size_t upcall_frame_max(void);

/* ---- sending; number 0 only looks. -EINVAL: no such number, -ESRCH: nobody there any more ---- */

status_t upcall_to_thread(struct process *p, uint64_t tid, uint32_t number) MUST_CHECK;
status_t upcall_to_process(struct process *p, uint32_t number) MUST_CHECK;

/* ---- the calling process and thread ---- */

/* A mask without what is never masked. */
static inline uint64_t upcall_maskable(uint64_t mask)
{
    return mask & ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1));
}

void upcall_set_entry(uintptr_t entry);
/* The old action, or -EINVAL. */
int upcall_set_action(uint32_t number, uint32_t action) MUST_CHECK;
void upcall_set_stack(uintptr_t base, size_t len);
void upcall_set_mask(uint64_t mask);
/* Go on as the context at that user address says, once the system call is over. */
void upcall_request_return(uintptr_t context);

/* Find a thread for what waits in the process. Its lock is held. */
void upcall_offer(struct process *p);

#endif
