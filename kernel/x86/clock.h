/* Time: the TSC, measured once against the PIT; the wall clock starts from the loader's boot time or the RTC. */
#ifndef X86_CLOCK_H
#define X86_CLOCK_H

#include "klib/types.h"

/* Measure TSC and LAPIC timer against the PIT for about a millisecond. boot_time: seconds since 1970, or 0 to read the RTC. */
void clock_init(int64_t boot_time);
/* Nanoseconds since clock_init; never steps back. */
uint64_t clock_ns(void);
/* Nanoseconds since 1970-01-01 UTC. */
int64_t clock_wall_ns(void);

#endif
