/*
 * What tests of messages share: a client that is a thread and makes one call, and the server's side of it. Messages
 * carry a number.
 */
#ifndef IPC_CALL_H
#define IPC_CALL_H

#include <rugo/thread.h>

#include "tests/prog/test.h"

/* ---- a client in a thread: one call ------------------------------------------------------------- */

struct caller {
    struct thread thread;
    handle_t session;
    uint64_t number; /* sent, and then what came back */
    int64_t timeout;
    void *in, *out; /* bulk buffers */
    size_t in_len, out_len;
    int result; /* of ipc_call */
};

static inline struct ipc_msg *message(uint64_t number)
{
    struct ipc_msg *msg = ipc_buffer();

    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->len = sizeof(number);
    memcpy(msg->data, &number, sizeof(number));
    return msg;
}

static inline uint64_t number_in(const struct ipc_msg *msg)
{
    uint64_t number;

    EXPECT(sizeof(number), msg->len);
    memcpy(&number, msg->data, sizeof(number));
    return number;
}

static inline int do_call(void *arg)
{
    struct caller *c = arg;
    struct ipc_msg *msg = message(c->number);

    msg->in_addr = (uintptr_t)c->in;
    msg->in_len = c->in_len;
    msg->out_addr = (uintptr_t)c->out;
    msg->out_len = c->out_len;
    c->result = sys_ipc_call(c->session, c->timeout);
    if (c->result == 0)
        c->number = number_in(msg);
    return 0;
}

static inline void begin_call(struct caller *c, handle_t session, uint64_t number)
{
    c->session = session;
    c->number = number;
    if (c->timeout == 0)
        c->timeout = 10000 * MS;
    NEED(thread_start(&c->thread, do_call, c, 0));
}

static inline int end_call(struct caller *c)
{
    NEED(thread_join(&c->thread, NULL));
    return c->result;
}

static inline handle_t new_session(handle_t ep, uint64_t badge, uint32_t flags, uint64_t *id)
{
    return NEED_HANDLE(sys_session_create(ep, badge, flags, id));
}

/* Receive one message of this type and badge; the buffer. */
static inline struct ipc_msg *receive(handle_t ep, uint32_t type, uint64_t badge)
{
    NEED(sys_ipc_recv(ep, 0, 5000 * MS));
    EXPECT(type, ipc_buffer()->type);
    EXPECT(badge, ipc_buffer()->badge);
    return ipc_buffer();
}

static inline void reply(handle_t ep, uint64_t token, uint64_t number)
{
    (void)message(number);
    NEED(sys_ipc_reply(ep, token));
}

#endif
