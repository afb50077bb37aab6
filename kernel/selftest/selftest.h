/*
 * The kernel's own test scenarios, picked by test=NAME on the command line. Each prints its marker where the fact is
 * seen and ends the machine with its status. Names the kernel does not know are left to svcman.
 */
#ifndef SELFTEST_SELFTEST_H
#define SELFTEST_SELFTEST_H

#include "klib/boot_info.h"
#include "klib/types.h"

/* suffix: empty, or ` nonce=…` for the markers' lines. False: not a scenario of the kernel. */
bool selftest_run(const char *name, const char *suffix, const struct boot_info *boot);

#endif
