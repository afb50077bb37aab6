/*
 * What the generated code of all protocols (<rugo/proto_NAME.h>) stands on: building a request, checking a received
 * one, answering. Programs call the generated functions; a server needs struct ipc_call, enum proto_result and
 * proto_refuse from here.
 *
 * Nothing below trusts what came in a message: lengths are compared with what arrived before a byte is looked at.
 */
#ifndef RUGO_PROTO_H
#define RUGO_PROTO_H

#include <rugo/abi.h>

/* Longest string in a message, its NUL not counted. */
#define PROTO_STRING_MAX 1900

/* A received call, as an operation of a server sees it. */
struct ipc_call {
    handle_t ep;      /* where it came in */
    uint64_t token;   /* names the call for sys_msg_read, sys_msg_write and sys_ipc_reply */
    uint64_t badge;   /* of the session, as given to sys_session_create */
    uint64_t session; /* id of the session at ep */
    uint64_t in_len;  /* bytes of the buffer that sys_msg_read reads */
    uint64_t out_len; /* bytes of the buffer that sys_msg_write fills */
};

/* What NAME_dispatch did with a message. */
enum proto_result {
    PROTO_OTHER = 0, /* not of this protocol; nothing done */
    PROTO_REPLY = 1, /* the answer is in the message: send it */
    PROTO_LATER =
        2, /* no answer yet (an operation returned PROTO_LATER): the server answers the token one day */
};

/* ---- client side, for generated code ---- */

/* Empties the calling thread's message buffer and reserves size bytes for a request. */
struct ipc_msg *proto_begin(size_t size);

/* Appends a string with its NUL; *len gets its length. 0, or -ENAMETOOLONG. */
int proto_add_string(struct ipc_msg *msg, const char *text, uint16_t *len);

/* Appends a handle; it is copied, not moved. */
void proto_add_handle(struct ipc_msg *msg, handle_t h);

/*
 * Sends req with what was added and waits for the answer: rep_size bytes into rep, and nhandles handles in
 * msg->handles, which are the caller's. 0; a negative error of ipc_call or of the server; -EPROTO for an answer of
 * another shape; -EMFILE if a handle found no room. After an error no handle is left open.
 */
int proto_call(handle_t session, struct ipc_msg *msg, const void *req, size_t req_size, void *rep,
               size_t rep_size, uint32_t nhandles);

/* ---- server side ---- */

/* Operation code of a received message; 0 (no protocol has it) if the message is too short for one. */
uint32_t proto_op(const struct ipc_msg *msg);

/* What an operation needs to know of a received message. */
struct ipc_call proto_describe(handle_t ep, const struct ipc_msg *msg);

/* Copies the fixed part of a request out of msg. 0; -EPROTO: shorter, or not with nhandles handles; -EMFILE: a handle
 * found no room here. */
int proto_take_request(const struct ipc_msg *msg, void *req, size_t size, uint32_t nhandles);

/* Takes the string of len bytes at *at, which moves behind it; it stays in msg. 0, -EPROTO or -ENAMETOOLONG. */
int proto_take_string(const struct ipc_msg *msg, size_t *at, size_t len, const char **text);

/*
 * Puts an answer into msg: rep, which begins with its status, and handles, which will move to the client. With a negative
 * status all else becomes 0 and no handle goes.
 */
void proto_answer(struct ipc_msg *msg, void *rep, size_t size, const handle_t *handles,
                  uint32_t nhandles);

/* Closes the handles that came in msg and answers it with a negative status alone. Always PROTO_REPLY. */
enum proto_result proto_refuse(struct ipc_msg *msg, int status);

#endif
