/* The stack protector (stack_guard.h); gcc calls it by these names. */
#include "klib/stack_guard.h"
#include "klib/panic.h"

extern uint64_t __stack_chk_guard;
void __stack_chk_fail(void) NORETURN;

uint64_t __stack_chk_guard = 0x00f0e1d2c3b4a596ull; /* [I] once stack_guard_init was there */

/* Its lowest byte is 0: a string copied too far ends before it. */
void stack_guard_init(uint64_t word)
{
    __stack_chk_guard = word << 8;
}

void __stack_chk_fail(void)
{
    uintptr_t offset, rip = (uintptr_t)__builtin_return_address(0) - 1; /* in the call */
    const char *name = symbol_find(rip, &offset);
    panic_at(PANIC_STACK, rip, *(uintptr_t *)__builtin_frame_address(0),
             "the stack was smashed in %s", name ? name : "?");
}
