/* The two objects of which there is one each: the log and the machine. */
#ifndef SYSCALL_SYSTEM_H
#define SYSCALL_SYSTEM_H

#include "object/object.h"

/* cmdline stays valid; testing: machine_exit is allowed; frames: of the kernel image, and of boot modules. */
void system_init(const char *cmdline, bool testing, uint64_t kernel_frames, uint64_t boot_frames);
/* Whether a scenario was picked on the command line. */
bool system_testing(void);
struct object *system_log(void);
struct object *system_machine(void);

#endif
