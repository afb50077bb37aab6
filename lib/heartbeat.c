/* A service's answer to its watchdog (abi/ipc/service.def). */
#include <rugo/heartbeat.h>

#include <rugo/ipc.h>
#include <rugo/proto_service.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <string.h>

bool heartbeat_asked(const struct ipc_msg *received)
{
    uint32_t op;

    if (received->type != IPC_SEND || received->badge != BADGE_SUPERVISOR ||
        received->len != sizeof op)
        return false;
    memcpy(&op, received->data, sizeof op);
    return op == SERVICE_PING;
}

void heartbeat_tell(void)
{
    static const uint32_t alive = SERVICE_ALIVE;
    struct ipc_msg *msg = ipc_buffer();

    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->len = sizeof alive;
    memcpy(msg->data, &alive, sizeof alive);
    /* Without credit svcman has older answers still to read: they say the same. */
    (void)sys_ipc_send(start_handle(START_NAMES), IPC_NONBLOCK);
}

bool heartbeat_answer(const struct ipc_msg *received)
{
    bool asked = heartbeat_asked(received);

    if (asked)
        heartbeat_tell();
    return asked;
}
