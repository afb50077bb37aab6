/* The system calls with which the scheduler waits. */
#include "support.h"

#include <rugo/syscall.h>

handle_t support_port_create(void)
{
    return sys_port_create();
}

int support_port_add(handle_t port, handle_t h, uint32_t events, uint64_t token)
{
    return sys_port_add(port, h, events, token);
}

int support_port_del(handle_t port, handle_t h)
{
    return sys_port_del(port, h);
}

int64_t support_port_wait(handle_t port, struct port_event *events, size_t n, int64_t timeout)
{
    return sys_port_wait(port, events, n, timeout);
}

void support_sleep(int64_t ns)
{
    (void)sys_thread_sleep(ns);
}
