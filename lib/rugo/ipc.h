/*
 * Messages. Each thread has one message buffer, mapped by the kernel: a call takes its request
 * from there and leaves the answer there. Whoever keeps something of a received message across
 * another call copies it first. The protocols' own functions are generated: <rugo/proto_file.h>,
 * <rugo/proto_svcman.h>, <rugo/proto_tty.h>.
 */
#ifndef RUGO_IPC_H
#define RUGO_IPC_H

#include <stddef.h>
#include <stdint.h>
#include <rugo/abi.h>
#include <rugo/cdefs.h>

/* The calling thread's message buffer. Never NULL: a program that cannot get one is ended with a
 * message. */
struct ipc_msg *ipc_buffer(void);
/* For a thread whose process must live on: 0 when the thread has its buffer from now on, or -ENOMEM. */
int ipc_buffer_make(void);

/* Waits at a port for the first of its events; EINTR is waited through. timeout in ns, or
 * TIMEOUT_NEVER. 0, or a negative errno (-ETIMEDOUT). */
int port_next(handle_t port, struct port_event *event, int64_t timeout);

/* Waits until one of events is set on h, for objects that are rarely waited for (it makes a port
 * each time). 0, or a negative errno (-ETIMEDOUT). */
int handle_wait(handle_t h, uint32_t events, int64_t timeout);

#endif
