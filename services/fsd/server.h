/* The protocols `file` and `service` on fsd's endpoint. */
#ifndef FSD_SERVER_H
#define FSD_SERVER_H

#include <rugo/abi.h>
#include <stdbool.h>
#include <stddef.h>

/* One call being answered, in a fiber of its own. */
struct request {
    struct ipc_msg msg;             /* a private copy; the answer takes its place */
    uint64_t badge;
    uint64_t token;
    struct open_file *file;         /* of the session it came by */
    struct request *next;           /* while it is free */
};

/*
 * Answer req->msg: decode, do, encode the answer into req->msg. In a fiber. True if the answer is
 * to be sent.
 */
bool server_answer(handle_t ep, struct request *req);

/* Set by the `service` protocol's stop: everything is unmounted and nothing more will be served. */
extern bool server_stopped;

/* For tests of the watchdog: who opens this path waits for ever. NULL: nobody does. */
extern const char *server_hang;

/* Set while stop waits for other requests; no new ones are taken. */
extern bool server_stopping;

#endif
