/* The end of the process. What has to be done before is only linked in where it is used. */
#include <rugo/cdefs.h>
#include <rugo/syscall.h>
#include <stdlib.h>
#include <unistd.h>

void __weak __atexit_run(void);
void __weak __stdio_flush_all(void);

_Noreturn void _exit(int status)
{
    sys_process_exit((uint32_t)status);
}

_Noreturn void _Exit(int status)
{
    _exit(status);
}

_Noreturn void exit(int status)
{
    if (__atexit_run != NULL)
        __atexit_run();
    if (__stdio_flush_all != NULL)
        __stdio_flush_all();
    _exit(status);
}
