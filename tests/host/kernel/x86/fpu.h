/* Stands for kernel/x86/fpu.h: threads under the explorer have no FPU state. */
#ifndef X86_FPU_H
#define X86_FPU_H

static inline void fpu_save(void *area)
{
    (void)area;
}
static inline void fpu_restore(const void *area)
{
    (void)area;
}
static inline void fpu_swap(void *save, const void *restore)
{
    (void)save, (void)restore;
}

#endif
