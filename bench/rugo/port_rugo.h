/* What Rugo's own benchmark programs use beside bench/linux/src/port.h. */
#ifndef BENCH_PORT_RUGO_H
#define BENCH_PORT_RUGO_H

#include <rugo/abi.h>

/*
 * If this process was started as the second one of a measurement (p_peer_start, peer_spawn): plays its
 * role and returns true; main() then returns 0.
 */
bool port_role(int argc, char **argv);

/*
 * Starts this program again (program_name must lie in bench/ of the initrd) with "role", role and arg
 * as its arguments and the right to receive on ep. The process; ends with FAIL if it cannot be made.
 */
handle_t peer_spawn(const char *role, long arg, handle_t ep);

/* Waits for the end of a process that must exit with 0, and closes the handle. */
void peer_wait(handle_t proc);

/* An endpoint of ours and a session to it; ends with FAIL if there are none. */
void channel_make(handle_t *ep, handle_t *session);

/* As p_spawn_wait, from the initrd as it is mapped here instead of through the file server. */
int spawn_image_wait(const char *path);

#endif
