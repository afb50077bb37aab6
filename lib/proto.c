/* Messages of protocols: what <rugo/proto.h> promises. Knows the shape of messages and no operation. */
#include <rugo/proto.h>

#include <rugo/ipc.h>
#include <rugo/syscall.h>
#include <string.h>

static void clear_header(struct ipc_msg *msg)
{
    memset(msg, 0, offsetof(struct ipc_msg, data));
}

/* Handles count only as far as the array goes, and only those that arrived. */
static void close_handles(const struct ipc_msg *msg)
{
    for (uint32_t i = 0; i < msg->nhandles && i < IPC_HANDLE_MAX; i++) {
        if (msg->handles[i] >= 0)
            sys_handle_close(msg->handles[i]);
    }
}

/* Exactly nhandles came, and all found room. */
static int check_handles(const struct ipc_msg *msg, uint32_t nhandles)
{
    if (msg->nhandles != nhandles)
        return -EPROTO;
    for (uint32_t i = 0; i < nhandles; i++) {
        if (msg->handles[i] < 0)
            return -EMFILE;
    }
    return 0;
}

struct ipc_msg *proto_begin(size_t size)
{
    struct ipc_msg *msg = ipc_buffer();

    clear_header(msg);
    msg->len = (uint32_t)size;
    return msg;
}

int proto_add_string(struct ipc_msg *msg, const char *text, uint16_t *len)
{
    size_t n = strnlen(text, PROTO_STRING_MAX + 1);

    if (n > PROTO_STRING_MAX)
        return -ENAMETOOLONG;
    memcpy(msg->data + msg->len, text, n + 1);
    msg->len += (uint32_t)n + 1;
    *len = (uint16_t)n;
    return 0;
}

void proto_add_handle(struct ipc_msg *msg, handle_t h)
{
    msg->handles[msg->nhandles++] = h;
}

/* The server's status, or what is wrong with the answer. */
static int check_answer(const struct ipc_msg *msg, size_t size, uint32_t nhandles)
{
    int32_t status;

    if (msg->len < sizeof(status))
        return -EPROTO;
    memcpy(&status, msg->data, sizeof(status));
    if (status < 0)
        return status;
    if (status > 0 || msg->len != size)
        return -EPROTO;
    return check_handles(msg, nhandles);
}

int proto_call(handle_t session, struct ipc_msg *msg, const void *req, size_t req_size, void *rep,
               size_t rep_size, uint32_t nhandles)
{
    memcpy(msg->data, req, req_size);
    int st = sys_ipc_call(session, TIMEOUT_NEVER);
    if (st < 0)
        return st;
    st = check_answer(msg, rep_size, nhandles);
    if (st < 0) {
        close_handles(msg);
        return st;
    }
    memcpy(rep, msg->data, rep_size);
    return 0;
}

uint32_t proto_op(const struct ipc_msg *msg)
{
    uint32_t op;

    if (msg->len < sizeof(op) || msg->len > IPC_DATA_MAX)
        return 0;
    memcpy(&op, msg->data, sizeof(op));
    return op;
}

struct ipc_call proto_describe(handle_t ep, const struct ipc_msg *msg)
{
    return (struct ipc_call){
        .ep = ep,
        .token = msg->token,
        .badge = msg->badge,
        .session = msg->session,
        .in_len = msg->in_len,
        .out_len = msg->out_len,
    };
}

int proto_take_request(const struct ipc_msg *msg, void *req, size_t size, uint32_t nhandles)
{
    if (msg->len < size)
        return -EPROTO;
    memcpy(req, msg->data, size);
    return check_handles(msg, nhandles);
}

int proto_take_string(const struct ipc_msg *msg, size_t *at, size_t len, const char **text)
{
    const char *start = (const char *)msg->data + *at;

    if (len > PROTO_STRING_MAX)
        return -ENAMETOOLONG;
    if (*at > msg->len || len >= msg->len - *at || memchr(start, 0, len) || start[len] != 0)
        return -EPROTO;
    *text = start;
    *at += len + 1;
    return 0;
}

void proto_answer(struct ipc_msg *msg, void *rep, size_t size, const handle_t *handles,
                  uint32_t nhandles)
{
    int32_t status;

    memcpy(&status, rep, sizeof(status));
    if (status < 0) {
        memset((char *)rep + sizeof(status), 0, size - sizeof(status));
        nhandles = 0;
    }
    clear_header(msg);
    msg->len = (uint32_t)size;
    memcpy(msg->data, rep, size);
    msg->nhandles = nhandles;
    msg->move = (1u << nhandles) - 1;
    for (uint32_t i = 0; i < nhandles; i++)
        msg->handles[i] = handles[i];
}

enum proto_result proto_refuse(struct ipc_msg *msg, int status)
{
    int32_t answer = status;

    close_handles(msg);
    proto_answer(msg, &answer, sizeof(answer), NULL, 0);
    return PROTO_REPLY;
}
