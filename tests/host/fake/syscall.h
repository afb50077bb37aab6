/* In place of <rugo/syscall.h>, for code of fsd that needs memory for stacks; given by -include. */
#ifndef RUGO_SYSCALL_H
#define RUGO_SYSCALL_H
#ifndef __ASSEMBLER__

#include <rugo/abi.h>
#include <stdlib.h>

static inline int64_t sys_vm_map(handle_t proc, uintptr_t addr, size_t len, uint32_t prot,
                                 uint32_t flags)
{
    (void)proc, (void)addr, (void)prot, (void)flags;
    return (int64_t)(uintptr_t)aligned_alloc(PAGE_SIZE, len);
}

static inline int64_t sys_vm_protect(handle_t proc, uintptr_t addr, size_t len, uint32_t prot)
{
    (void)proc, (void)addr, (void)len, (void)prot;
    return 0;
}

static inline int64_t sys_vm_unmap(handle_t proc, uintptr_t addr, size_t len)
{
    (void)proc, (void)addr, (void)len;
    return 0;
}

#endif
#endif
