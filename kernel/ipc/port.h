/*
 * Ports: one place to wait for many objects.
 *
 * A registration belongs to a handle entry of the process that made it, stores its own event, and reports edges with
 * a 64-bit token. It ends when the handle is closed, when port_del takes it back, or with the port.
 */
#ifndef IPC_PORT_H
#define IPC_PORT_H

#include "proc/process.h"

struct port {
    struct object obj;
    struct spinlock lock;      /* o */
    struct list ready;         /* [o] struct registration.ready_node */
    struct list registrations; /* [o] struct registration.port_node */
    struct wait_queue waiters; /* [o] */
    bool closed;               /* [o] the last handle is gone */
};

struct port *port_create(void);
/* -EEXIST: h is registered already; -EPERM: objects of that type can't be waited for; -EBADF, -EACCES, -ENOMEM. */
status_t port_add(struct port *p, handle_t h, uint32_t events, uint64_t token) MUST_CHECK;
/* -ENOENT. */
status_t port_del(struct port *p, handle_t h) MUST_CHECK;
/* Wait until deadline (clock_ns, 0: don't wait) for up to n events; how many, -ETIMEDOUT or -EINTR. */
int port_wait(struct port *p, struct port_event *events, unsigned n, uint64_t deadline) MUST_CHECK;

#endif
