/* Copies from and to user memory (usercopy.h). */
#include "mm/usercopy.h"
#include "mm/vm.h"

status_t copy_from_user(void *dst, struct user_in src, size_t n)
{
    if (!user_range_ok(src.addr, n))
        return n ? -EFAULT : OK;
    user_access_begin();
    int left = usercopy_raw(dst, (const void *)src.addr, n);
    user_access_end();
    return left ? -EFAULT : OK;
}

status_t copy_to_user(struct user_out dst, const void *src, size_t n)
{
    if (!user_range_ok(dst.addr, n))
        return n ? -EFAULT : OK;
    user_access_begin();
    int left = usercopy_raw((void *)dst.addr, src, n);
    user_access_end();
    return left ? -EFAULT : OK;
}

status_t user_probe_out(struct user_out dst, size_t n)
{
    if (!user_range_ok(dst.addr, n))
        return -EFAULT;
    for (uintptr_t va = align_down(dst.addr, PAGE_SIZE); va < dst.addr + n; va += PAGE_SIZE)
        if (vm_fault(aspace_current(), va, VM_WRITE) != OK)
            return -EFAULT;
    return OK;
}

struct fixup {
    int32_t insn, resume; /* relative to the address of each field */
};
extern const struct fixup ex_table_start[], ex_table_end[];

uintptr_t usercopy_fixup(uintptr_t rip)
{
    for (const struct fixup *f = ex_table_start; f < ex_table_end; f++)
        if ((uintptr_t)&f->insn + (uintptr_t)(intptr_t)f->insn == rip)
            return (uintptr_t)&f->resume + (uintptr_t)(intptr_t)f->resume;
    return 0;
}
