/*
 * System calls for package sys (go/sys/low_rugo.go). Those that wait are made by a helper thread when another goroutine
 * could run meanwhile; such a thread has a message buffer of its own.
 */
#include "support.h"

#include <rugo/ipc.h>
#include <rugo/syscall.h>
#include <string.h>

int64_t support_syscall(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                        uint64_t a4, uint64_t a5)
{
    return rugo_syscall6(number, a0, a1, a2, a3, a4, a5);
}

struct blocked {
    uint64_t number;
    uint64_t args[6];
    int64_t result;
};

void support_block(struct blocked *b)
{
    const uint64_t *a = b->args;

    b->result = rugo_syscall6(b->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

struct called {
    struct ipc_msg *message;
    int64_t timeout;
    handle_t session;
    int32_t result;
};

/* Header and data, as far as the message goes. */
static void copy_message(struct ipc_msg *to, const struct ipc_msg *from)
{
    size_t len = from->len < IPC_DATA_MAX ? from->len : IPC_DATA_MAX;

    memcpy(to, from, offsetof(struct ipc_msg, data) + len);
}

void support_ipc_call(struct called *c)
{
    struct ipc_msg *buffer;

    c->result = ipc_buffer_make();
    if (c->result != 0)
        return;
    buffer = ipc_buffer();
    copy_message(buffer, c->message);
    c->result = sys_ipc_call(c->session, c->timeout);
    if (c->result == 0)
        copy_message(c->message, buffer);
}
