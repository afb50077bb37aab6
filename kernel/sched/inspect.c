/* Looking at threads (thread.h). */
#include "sched/thread.h"
#include "x86/trapframe.h"

_Static_assert((int)RUN_NEW == THREAD_NEW && (int)RUN_READY == THREAD_READY &&
                   (int)RUN_RUNNING == THREAD_RUNNING && (int)RUN_BLOCKED == THREAD_BLOCKED &&
                   (int)RUN_DEAD == THREAD_DEAD,
               "the ABI's states are the scheduler's");

/*
 * The call that a blocked thread is in, from the frame at the top of its stack. That can change while we look, if the
 * thread is woken: whatever is read there are values that the program itself has put into its registers.
 */
static void describe_call(const struct thread *t, struct thread_info *info)
{
    const struct syscall_frame *f = (const struct syscall_frame *)t->kstack - 1;
    info->call = (uint32_t)(f->number + SYS_BASE);
    info->args[0] = f->rdi;
    info->args[1] = f->rsi;
    info->args[2] = f->rdx;
    info->args[3] = f->r10;
    info->args[4] = f->r8;
    info->args[5] = f->r9;
}

void thread_describe(struct thread *t, struct thread_info *info)
{
    *info = (struct thread_info){ .id = t->id };
    spin_lock(&t->lock);
    info->state = t->state;
    info->cpu_ns = thread_cpu_ns(t);
    info->since_ns = t->started;
    info->cpu = t->cpu;
    info->priority = thread_priority(t);
    info->affinity = t->affinity & cpu_mask_all();
    if (t->state == THREAD_BLOCKED)
        describe_call(t, info);
    spin_unlock(&t->lock);
}
