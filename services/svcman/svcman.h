/* What the files of svcman share beside service.h. */
#ifndef SVCMAN_SVCMAN_H
#define SVCMAN_SVCMAN_H

#include <rugo/abi.h>
#include <stdbool.h>

#include "services/initrd.h"
#include "services/svcman/service.h"

extern struct initrd svcman_initrd;     /* mapped for good */

/* names.c: answer everything that waits at svcman's endpoint. */
void names_serve(void);

/* spawn.c: the `spawn` operation; answers the call itself, later. */
struct ipc_call;
int spawn_begin(struct service *client, const struct ipc_call *call, const char *path,
                const handle_t fds[3]);

/*
 * scenario.c: `test=NAME` on the command line. Picks the services the scenario wants and makes the
 * test program one more of them, named "test". False: the name is unknown, which was said.
 */
bool scenario_select(const char *name);

/* Print the names of all scenarios. */
void scenario_list(void);

/* If `s` is the program of the scenario: judge its end, begin to end the machine, true. */
bool scenario_ended(struct service *s);

#endif
