/*
 * Ports: one place to wait for many objects.
 *
 * A registration belongs to a handle entry of the process that made it, stores its own event, and reports edges with
 * a 64-bit token. It ends when the handle is closed, when port_del takes it back, or with the port. Registrations are
 * in a tree; what is ready hangs in a list, so that waiting costs the same however many there are.
 */
#ifndef IPC_PORT_H
#define IPC_PORT_H

#include "proc/process.h"

struct port {
    struct object obj;
    struct spinlock lock;      /* o */
    struct list ready;         /* [o] struct ready.node: registrations and posts with events */
    struct tree registrations; /* [o] by process and handle */
    struct tree posts;         /* [o] by token */
    uint32_t post_count;       /* [o] */
    struct wait_queue waiters; /* [o] */
    bool woken;                /* [o] the next wait that would sleep returns instead */
    bool closed;               /* [o] the last handle is gone */
};

struct port *port_create(void);
/* -EEXIST: h is registered already; -EPERM: that can't be waited for; -EBADF, -EACCES, -ENOMEM. */
status_t port_add(struct port *p, handle_t h, uint32_t events, uint64_t token) MUST_CHECK;
/* -ENOENT. */
status_t port_del(struct port *p, handle_t h) MUST_CHECK;
/* End one wait that sleeps, or the next one that would. */
void port_wake(struct port *p);
/* Report events once with token; -EAGAIN: too many other tokens wait to be reported; -ENOMEM. */
status_t port_post(struct port *p, uint64_t token, uint32_t events) MUST_CHECK;
/*
 * Wait until deadline (clock_ns, 0: don't wait) for up to n events; how many, 0 after port_wake, -ETIMEDOUT, -EINTR,
 * or -EBADF when the last handle of the port is closed.
 */
int port_wait(struct port *p, struct port_event *events, unsigned n, uint64_t deadline) MUST_CHECK;

#endif
