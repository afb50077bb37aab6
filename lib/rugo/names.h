/* Services by name. */
#ifndef RUGO_NAMES_H
#define RUGO_NAMES_H

#include <rugo/abi.h>

/*
 * A session to a service, through the name session this process was started with (START_NAMES).
 * The session is kept: the next call with the name gives the same handle, which the caller must
 * not close. When a call on it fails with EPIPE (the service died), name_forget and connect again.
 * 0 or negative errno: -ENOENT (unknown or not granted), -EAGAIN (not running), -EBADF (no name
 * session).
 */
int name_connect(const char *service, handle_t *session);
/* The same, but a session of the caller's own, to be closed by it. */
int name_connect_new(const char *service, handle_t *session);
/* Closes the kept session of a service. */
void name_forget(const char *service);

#endif
