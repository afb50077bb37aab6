/*
 * Endpoints, sessions and messages.
 *
 * A server receives on an endpoint; a client holds a session to it. Messages travel through the threads' message
 * buffers (struct msg_slot), which the kernel has mapped: no copy between them can fault.
 *
 *   client thread            endpoint                              server thread
 *   ipc_call  --- slot ---> queue (calls, sends, notices) ---> ipc_recv: copy, handles, token
 *             <-- slot ---  received (calls being served) <--- ipc_reply(token): copy, handles, wake
 *
 * A call queues the calling thread's slot itself and allocates nothing. A token is the slot's number and the
 * generation of its call; only who receives on the endpoint that got the call can use it, and only once.
 * Bulk data goes straight between the two address spaces: the caller's page is pinned, and the copy made in the server's.
 * All state of an endpoint, its sessions and the calls in it is guarded by endpoint->lock.
 *
 * References: a session holds its endpoint; the endpoint's tree holds each session until its closing was told to
 * the server or it was revoked; a queued message holds its session.
 */
#ifndef IPC_ENDPOINT_H
#define IPC_ENDPOINT_H

#include "proc/process.h"

enum item_kind { ITEM_CALL, ITEM_SEND, ITEM_CLOSED, ITEM_CANCEL };

/* Something for a server to receive. */
struct ipc_item {
    struct prio_node node;    /* [e] endpoint->queue */
    struct list session_node; /* [e] session->sends or session->calls */
    enum item_kind kind;
};

/* A thread that serves, named without a reference: it may end. */
struct server_name {
    struct slot_cell *cell; /* of its slot; NULL: no thread */
    uint64_t thread;        /* its number */
};

struct endpoint {
    struct object obj;
    struct spinlock lock;        /* e */
    struct prio_queue queue;     /* [e] struct ipc_item, by the priority of who sent it */
    struct list received;        /* [e] struct msg_slot.node: calls that await their answer */
    struct server_name server;   /* [e] who received last */
    struct wait_queue receivers; /* [e] */
    struct thread *
        waiter; /* [e] sleeps for a message without being in that queue, and is the first to get one */
    struct tree sessions; /* [e] by id */
    uint64_t next_id; /* [e] */
    bool dead; /* [e] nobody can receive any more */
};

struct session {
    struct object obj;
    struct endpoint *ep; /* [I] holds a reference */
    struct tree_node node; /* [e] key: id */
    uint64_t badge; /* [I] */
    bool keep; /* [I] survives endpoint_reset */
    bool revoked; /* [e] not in the tree; nothing can be sent */
    uint32_t queued; /* [e] one-way messages waiting */
    struct wait_queue senders; /* [e] waiting for credit */
    struct list sends, calls; /* [e] struct ipc_item.session_node: not yet received, oldest first */
    struct list
        ghosts; /* [e] struct msg_slot.ghost_node: received calls whose callers were killed */
    uint32_t ghost_count; /* [e] */
    struct ipc_item closed; /* [e] the last notice */
};

/* A message on its way: what was read, once, from the sender's buffer. */
struct ipc_cargo {
    uint32_t len, nhandles, move;
    struct grant grants[IPC_HANDLE_MAX];
    handle_t source[IPC_HANDLE_MAX]; /* numbers in the sender's table, for MOVE */
};

enum call_state { CALL_IDLE, CALL_QUEUED, CALL_RECEIVED, CALL_DONE };

/* What the kernel keeps under a slot's number, for good (msg.c). */
struct slot_cell {
    struct msg_slot *slot; /* [slots lock], and the endpoint's while ep is set */
    union {
        struct endpoint *ep; /* [e] of a slot whose call is received there; else NULL */
        uint64_t next_generation; /* [slots lock] slot NULL: for the next one with that number */
    };
};

/*
 * A thread's message buffer and the call it is in. When a thread is killed in a call that was received, its slot stays
 * for the server, which must still answer: a ghost, without thread and buffer.
 */
struct msg_slot {
    struct account *payer; /* [I] account_pay */
    struct ipc_msg *buf; /* [I] kernel address of the page */
    uintptr_t user_addr; /* [I] */
    struct shm *page; /* [I] holds a reference */
    struct thread *thread; /* [e] the owner; NULL: a ghost */
    struct slot_cell *cell; /* [I] */
    uint32_t index; /* [I] number of the cell */
    uint64_t
        token; /* [e] of the call under way, or the last: generation and index; no two calls have the same */
    uint32_t state; /* [e] of ep: enum call_state */
    struct session *session; /* caller's reference for the time of the call; a ghost's own */
    struct ipc_item item; /* [e] the call, then its cancellation */
    struct list node; /* [e] endpoint->received */
    struct list ghost_node; /* [e] session->ghosts */
    struct wait_queue caller; /* [e] */
    uint32_t copying; /* [e] bulk copies under way: the caller stays in its call meanwhile */
    int result; /* [e] when CALL_DONE */
    struct server_name server; /* [e] who serves the call, or is expected to (lend.c) */
    uint32_t lends; /* [e] the priority that the caller lends that thread; 0: none */
    struct ipc_cargo cargo; /* request, then answer */
    uint64_t in_addr, in_len, out_addr, out_len; /* [e] bulk buffers of the caller */
};

struct endpoint *endpoint_create(void);
void endpoint_reset(struct endpoint *ep);
/* A session that the endpoint does not know yet, so that it can go without a notice; NULL: out of memory. */
struct session *session_create(struct endpoint *ep, uint64_t badge, bool keep);
/* Enter s, which has got its first handle, at its endpoint; its id there. */
uint64_t session_open(struct session *s);
/* -ENOENT. */
status_t session_signal(struct endpoint *ep, uint64_t id, uint32_t clear, uint32_t set) MUST_CHECK;
status_t session_revoke(struct endpoint *ep, uint64_t id) MUST_CHECK;

/*
 * The four ways a message goes; errors as abi/syscall.def has them. All use the calling thread's buffer. Who sends or
 * calls counts as a handle of the session meanwhile: the notice that the last is gone comes after all they sent.
 */
status_t endpoint_send(struct session *s, bool wait) MUST_CHECK;
status_t endpoint_call(struct session *s, int64_t timeout) MUST_CHECK;
status_t endpoint_receive(struct endpoint *ep, bool wait, int64_t timeout) MUST_CHECK;
status_t endpoint_reply(struct endpoint *ep, uint64_t token) MUST_CHECK;
/* Copy between the server's memory and the bulk buffers of the caller of token; bytes copied or an error. */
int64_t endpoint_bulk(struct endpoint *ep, uint64_t token, uint64_t offset, uintptr_t addr,
                      size_t len, bool to_caller);

/* ---- looking at them (inspect.c) ---- */

void endpoint_describe(struct object *o, struct object_facts *f);
void session_describe(struct object *o, struct object_facts *f);
/* Copy the beginning of the message in the calling thread's buffer, at most n bytes; how many. */
size_t msg_peek(void *out, size_t n);
/* Where the call is that the thread with that number has made on s (enum call_place). */
uint32_t session_call_place(struct session *s, uint64_t thread);

/* ---- message buffers (msg.c) ---- */

/* Let ipc clean up after threads that end. */
void ipc_init(void);
/* Make the calling thread's buffer if it has none; its user address. */
status_t msg_slot_make(uintptr_t *user_addr) MUST_CHECK;
/* thread_lend and thread_take_back for a thread that may have ended; false: nothing is lent. */
bool msg_slot_lend(const struct server_name *to, uint32_t priority) MUST_CHECK;
void msg_slot_take_back(const struct server_name *from, uint32_t priority);
/* Part a slot from its thread, the calling one, which is to be killed. Returns the page to let go of. */
struct shm *msg_slot_leave(struct msg_slot *s) MUST_CHECK;
/* Free a ghost that nothing refers to any more. */
void msg_slot_forget(struct msg_slot *s);
/*
 * Read header and handles of the calling thread's buffer, once: what is sent is what was checked.
 * -E2BIG, -EINVAL, -EBADF, -EACCES, -EPERM (an endpoint). The buffer's data stays where it is.
 */
status_t cargo_load(struct ipc_cargo *c, const struct ipc_msg *buf) MUST_CHECK;
void cargo_drop(struct ipc_cargo *c);
/* Queued one-way messages in all endpoints. */
uint64_t ipc_message_count(void);

#endif
