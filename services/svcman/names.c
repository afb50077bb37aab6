/* The protocol `svcman` on our endpoint: names, services, end of the machine. */
#include <errno.h>
#include <rugo/ipc.h>
#include <rugo/proto_service.h>
#include <rugo/proto_svcman.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <string.h>

#include "services/say.h"
#include "services/svcman/svcman.h"

static const char *const policies[] = { "always", "on-failure", "never" };

static struct service *client_of(const struct ipc_call *call)
{
    return service_by_badge(call->badge);
}

static int do_connect(void *ctx, const struct ipc_call *call, const char *name, handle_t *session)
{
    struct service *client = client_of(call), *target = service_find(name);
    handle_t h;

    (void)ctx;
    if (client == NULL || target == NULL || !target->serves || !list_has(client->calls, name))
        return -ENOENT;
    h = service_connect(target, BADGE_CLIENT);
    if (h < 0)
        return h;
    *session = h;
    return 0;
}

static void describe(const struct service *s, struct svc_info *info)
{
    memset(info, 0, sizeof(*info));
    info->pid = s->pid;
    info->restarts = s->restarts;
    info->state = s->state;
    info->start_ns = (uint64_t)s->started;
    info->status = s->status;
    strlcpy((char *)info->name, s->name, sizeof(info->name));
    snprintf((char *)info->policy, sizeof(info->policy), "%s, %u in %u s", policies[s->policy],
             s->limit, s->window);
}

static int do_list(void *ctx, const struct ipc_call *call, uint32_t *count)
{
    (void)ctx;
    for (unsigned i = 0; i < nservices; i++) {
        struct svc_info info;
        int64_t n;

        if ((i + 1) * sizeof(info) > call->out_len)
            break;
        describe(&services[i], &info);
        n = sys_msg_write(call->ep, call->token, i * sizeof(info), &info, sizeof(info));
        if (n < 0)
            return n == -EREMOTEIO ? -EFAULT : (int)n;
    }
    *count = nservices;
    return 0;
}

static int do_restart(void *ctx, const struct ipc_call *call, const char *name)
{
    struct service *client = client_of(call), *target = service_find(name);

    (void)ctx;
    if (client == NULL || (client->may & MAY_RESTART) == 0)
        return -EACCES;
    if (target == NULL)
        return -ENOENT;
    return service_restart(target);
}

static uint32_t power;                  /* what shutdown() asked for */

static void end_machine(void)
{
    int st = sys_machine_power(svcman.machine, power);

    say_error("SVC: the machine can't be %s: %s", power == POWER_OFF ? "switched off" : "reset",
              strerror(-st));
    for (;;)
        (void)sys_thread_sleep(INT64_MAX);
}

static int do_shutdown(void *ctx, const struct ipc_call *call, uint32_t how)
{
    struct service *client = client_of(call);

    (void)ctx;
    if (client == NULL || (client->may & MAY_SHUTDOWN) == 0)
        return -EACCES;
    if (how != POWER_OFF && how != POWER_REBOOT)
        return -EINVAL;
    power = how;
    shutdown_begin(end_machine);
    return 0;
}

static int do_ready(void *ctx, const struct ipc_call *call)
{
    struct service *client = client_of(call);

    (void)ctx;
    if (client == NULL || !client->says_ready)
        return -EINVAL;
    service_is_ready(client);
    return 0;
}

static int do_spawn(void *ctx, const struct ipc_call *call, const char *path, handle_t in,
                    handle_t out, handle_t err, handle_t *process)
{
    const handle_t fds[3] = { in, out, err };
    struct service *client = client_of(call);
    int st = -EACCES;

    (void)ctx;
    (void)process;
    if (client != NULL && (client->may & MAY_SPAWN) != 0 && client->job != HANDLE_NONE)
        st = spawn_begin(client, call, path, fds);
    if (st == 0)
        return PROTO_LATER;
    for (int i = 0; i < 3; i++)
        (void)sys_handle_close(fds[i]);
    return st;
}

static const struct svcman_ops ops = {
    .connect = do_connect,
    .list = do_list,
    .restart = do_restart,
    .shutdown = do_shutdown,
    .ready = do_ready,
    .spawn = do_spawn,
};

static void close_handles(const struct ipc_msg *msg)
{
    for (uint32_t i = 0; i < msg->nhandles && i < IPC_HANDLE_MAX; i++) {
        if (msg->handles[i] >= 0)
            (void)sys_handle_close(msg->handles[i]);
    }
}

static void answer(struct ipc_msg *msg)
{
    static struct ipc_msg copy; /* operations make calls of their own: msg is their buffer */
    uint64_t token = msg->token;

    memcpy(&copy, msg, offsetof(struct ipc_msg, data) + msg->len);
    switch (svcman_dispatch(&ops, NULL, svcman.endpoint, &copy)) {
    case PROTO_LATER: return;
    case PROTO_OTHER: (void)proto_refuse(&copy, -ENOSYS); break;
    case PROTO_REPLY: break;
    }
    memcpy(msg, &copy, offsetof(struct ipc_msg, data) + copy.len);
    if (sys_ipc_reply(svcman.endpoint, token) != 0)
        close_handles(&copy); /* the client is gone: its handles are still ours */
}

/* One-way messages: a service's answer to its watchdog; anything else means nothing. */
static void hear(const struct ipc_msg *msg)
{
    struct service *s = service_by_badge(msg->badge);
    uint32_t op = 0;

    if (msg->len == sizeof op)
        memcpy(&op, msg->data, sizeof op);
    if (op == SERVICE_ALIVE && s != NULL)
        watchdog_heard(s);
    close_handles(msg);
}

void names_serve(void)
{
    struct ipc_msg *msg = ipc_buffer();

    while (sys_ipc_recv(svcman.endpoint, IPC_NONBLOCK, 0) == 0) {
        if (msg->type == IPC_CALL)
            answer(msg);
        else if (msg->type == IPC_SEND)
            hear(msg);
    }
}
