/* The clocks without entering the kernel, from the page it shares with every process. */
#ifndef RUGO_CLOCK_H
#define RUGO_CLOCK_H

#include <stdint.h>
#include <rugo/abi.h>

/* Nanoseconds of CLOCK_MONOTONIC or CLOCK_REALTIME; -EINVAL for another clock. */
int64_t clock_read(uint32_t clock);

#endif
