/* What this process can say of itself and of its children. */
#include <rugo/ipc.h>
#include <rugo/spawn.h>
#include <rugo/syscall.h>
#include <unistd.h>

pid_t getpid(void)
{
    struct process_info info;

    return sys_process_info(HANDLE_SELF, &info) == 0 ? (pid_t)info.pid : -1;
}

int process_wait(handle_t proc, int *status, int64_t timeout)
{
    int64_t result = sys_process_status(proc);

    if (result == -EAGAIN) {
        int st = handle_wait(proc, EV_EXITED, timeout);
        if (st != 0)
            return st;
        result = sys_process_status(proc);
    }
    if (result < 0)
        return (int)result;
    *status = (int)result;
    return 0;
}
