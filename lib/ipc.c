/* The thread's message buffer, and waiting. */
#include <rugo/ipc.h>

#include "last_words.h"
#include "tcb.h"

#include <rugo/syscall.h>

struct ipc_msg *ipc_buffer(void)
{
    struct tcb *t = tcb_self();

    if (t->buffer == NULL) {
        int64_t at = sys_msg_buffer();
        if (at < 0)
            sys_process_exit(127); /* nothing can be said without one */
        t->buffer = (struct ipc_msg *)at;
    }
    return t->buffer;
}

int port_next(handle_t port, struct port_event *event, int64_t timeout)
{
    int64_t n;

    do
        n = sys_port_wait(port, event, 1, timeout);
    while (n == -EINTR);
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
