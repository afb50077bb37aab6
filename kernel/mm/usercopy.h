/*
 * The only way to memory of user programs.
 *
 * User addresses have types of their own, which gcc refuses to dereference or to swap. A copy touches only the
 * calling process's user half, takes page faults as they come, and fails with -EFAULT as a whole. Bytes are copied
 * before they are looked at, so that another thread can't change them in between. No spinlock may be held, but for
 * user_peek32: a fault with interrupts off is never resolved.
 */
#ifndef MM_USERCOPY_H
#define MM_USERCOPY_H

#include "klib/types.h"
#include "x86/cpu.h"
#include "x86/usercopy.h"

struct user_in {
    uintptr_t addr;
};
struct user_out {
    uintptr_t addr;
};

status_t copy_from_user(void *dst, struct user_in src, size_t n) MUST_CHECK;
status_t copy_to_user(struct user_out dst, const void *src, size_t n) MUST_CHECK;

/*
 * Whether n bytes (not 0) at dst can be written now, with nothing changed: for calls that must know before they take what
 * can't be put back. Another thread may unmap the memory right after.
 */
status_t user_probe_out(struct user_out dst, size_t n) MUST_CHECK;

static inline struct user_in user_in_at(struct user_in u, size_t offset)
{
    return (struct user_in){ u.addr + offset };
}
static inline struct user_out user_out_at(struct user_out u, size_t offset)
{
    return (struct user_out){ u.addr + offset };
}
/* Whether [addr, addr+n) lies in the user half. */
static inline bool user_range_ok(uintptr_t addr, size_t n)
{
    return addr >= USER_MIN && addr <= USER_MAX && n <= USER_MAX - addr;
}
/*
 * Read the aligned word at src, which lies in the user half, in one access, without fetching its page when that is not
 * there (-EFAULT): the one way to look at user memory under a spinlock.
 */
static inline MUST_CHECK status_t user_peek32(uint32_t *word, struct user_in src)
{
    user_access_begin();
    bool failed = usercopy_peek32(word, (const void *)src.addr);
    user_access_end();
    return failed ? -EFAULT : OK;
}
/* Where a fault at rip is to continue, or 0 if none was expected there (entry/trap.c). */
uintptr_t usercopy_fixup(uintptr_t rip);

#endif
