/*
 * What test programs of upcalls share: an entry that calls upcall_seen() and goes back, and the calls around it.
 * They use the kernel's calls themselves, not <signal.h>.
 */
#ifndef UPCALL_H
#define UPCALL_H

#include "tests/prog/test.h"

#define UPCALL_STACK  16384
#define UPCALL_BIT(n) (UINT64_C(1) << ((n) - 1))
#define UPCALL_ALL    (~(UPCALL_BIT(SIGKILL) | UPCALL_BIT(SIGSTOP)))
#define STRINGIFY_(x) #x
#define STRINGIFY(x)  STRINGIFY_(x)

/* The program's own: called on the upcall stack, with all upcalls masked. */
void upcall_seen(uint32_t number, struct upcall_info *info, struct upcall_context *context,
                 uint64_t rsp, uint64_t rflags);
void upcall_entry(void);

/* RSP and RFLAGS as they came go along; then back to what was interrupted. */
__asm__(".text\n"
        ".globl upcall_entry\n"
        ".type upcall_entry, @function\n"
        "upcall_entry:\n"
        "    mov %rsp, %rcx\n"
        "    pushfq\n"
        "    mov (%rsp), %r8\n"
        "    mov %rdx, (%rsp)\n"
        "    call upcall_seen\n"
        "    mov (%rsp), %rdi\n"
        "    mov $" STRINGIFY(SYS_upcall_return) ", %eax\n"
                                                 "    syscall\n"
                                                 "    ud2\n"
                                                 ".size upcall_entry, . - upcall_entry\n");

/* Give the calling thread an upcall stack. */
static inline void upcall_prepare(void)
{
    uintptr_t at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, UPCALL_STACK, VM_READ | VM_WRITE, 0));

    EXPECT(0, sys_upcall_stack(at, UPCALL_STACK));
}

/* Handle a number, with the entry above. */
static inline void upcall_handle(uint32_t number)
{
    NEED(sys_upcall_set((uintptr_t)upcall_entry));
    NEED(sys_upcall_action(number, UPCALL_HANDLE));
}

static inline uint64_t upcall_mask_now(void)
{
    uint64_t mask;

    EXPECT(0, sys_upcall_mask(UPCALL_BLOCK, 0, &mask));
    return mask;
}

#endif
