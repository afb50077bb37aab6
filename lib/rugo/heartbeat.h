/* For services with a watchdog (docs/services.md). */
#ifndef RUGO_HEARTBEAT_H
#define RUGO_HEARTBEAT_H

#include <rugo/abi.h>
#include <stdbool.h>

/* Whether the message just received is the supervisor's question whether the service lives. */
bool heartbeat_asked(const struct ipc_msg *received);

/*
 * Tell the supervisor so, asked or not: also while starting, when what takes long goes on. The thread's message buffer is
 * used.
 */
void heartbeat_tell(void);

/*
 * If the message just received is the supervisor's question whether the service lives: answer it, true. The thread's
 * message buffer is used. To be called by the loop whose life is asked about.
 */
bool heartbeat_answer(const struct ipc_msg *received);

#endif
