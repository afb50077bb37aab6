/* The stack protector of programs: gcc compares the word at FS:40 (tcb.h) before a function returns. */
#include "last_words.h"

#include <rugo/syscall.h>
#include <signal.h>

_Noreturn void __stack_chk_fail(void);

/* The frame above is not to be trusted, so little is done; abort.c tells why the status is SIGABRT. */
_Noreturn void __stack_chk_fail(void)
{
    last_words("the stack was smashed");
    (void)sys_process_kill(HANDLE_SELF, SIGABRT);
    sys_process_exit(128 + SIGABRT);
}
