/* The thread's message buffer, and waiting. */
#include <rugo/ipc.h>

#include "last_words.h"
#include "tcb.h"

#include <rugo/syscall.h>

int ipc_buffer_make(void)
{
    struct tcb *t = tcb_self();
    int64_t at = t->buffer == NULL ? sys_msg_buffer() : 0;

    if (at > 0)
        t->buffer = (struct ipc_msg *)at;
    return at < 0 ? (int)at : 0;
}

struct ipc_msg *ipc_buffer(void)
{
    if (ipc_buffer_make() != 0)
        sys_process_exit(127); /* nothing can be said without one */
    return tcb_self()->buffer;
}

int port_next(handle_t port, struct port_event *event, int64_t timeout)
{
    int64_t end = timeout > 0 ? sys_time_now(CLOCK_MONOTONIC) + timeout : 0, n;

    while ((n = sys_port_wait(port, event, 1, timeout)) == -EINTR) {
        if (timeout > 0) {
            timeout = end - sys_time_now(CLOCK_MONOTONIC);
            timeout = timeout < 0 ? 0 : timeout;
        }
    }
    return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : (int)n;
}

int handle_wait(handle_t h, uint32_t events, int64_t timeout)
{
    struct port_event event;
    handle_t port = sys_port_create();
    int st;

    if (port < 0)
        return port;
    st = sys_port_add(port, h, events, 0);
    if (st == 0)
        st = port_next(port, &event, timeout);
    (void)sys_handle_close(port);
    return st;
}
