/* The do-nothing program of spawn_wait: linked without crt0, exits 0 at its first instructions. */
#include <rugo/syscall.h>

_Noreturn void _start(void);

_Noreturn void _start(void)
{
    sys_process_exit(0);
}
