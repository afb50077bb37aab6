/* Time: the TSC, measured once against the PIT; the wall clock starts from the loader's boot time or the RTC. */
#ifndef X86_CLOCK_H
#define X86_CLOCK_H

#include "x86/cpu.h"

/* Measure TSC and LAPIC timer against the PIT for about a millisecond. boot_time: seconds since 1970, or 0 to read the RTC. */
void clock_init(int64_t boot_time);
/*
 * Both CPUs compare their TSCs while the second of the two starts; each returns after a few milliseconds at most, also
 * when the other does not come. When one was behind the other, clock_ns goes through a shared word from then on.
 */
void clock_check_boot(void);
void clock_check_secondary(void);
/* Whether all CPUs' TSCs agree, so that user mode may read its own. */
bool clock_tsc_usable(void);
/* Don't rely on the TSCs to agree (a test's or a user's wish). */
void clock_distrust_tsc(void);
/* The page that programs read the clocks from (struct clock_page); a whole page of its own. */
const struct clock_page *clock_page(void);
/* Tell programs how to read the clocks: CLOCK_MODE_TSC or CLOCK_MODE_SYSCALL. */
void clock_page_set_mode(uint32_t mode);

#define CLOCK_SHIFT 32u
struct clock_scale {
    uint64_t base; /* [I] TSC at clock_init, or just before */
    uint64_t mult; /* [I] nanoseconds per TSC tick, CLOCK_SHIFT bits after the point */
    bool distrust; /* [a] some TSC is behind another */
};
extern struct clock_scale clock_scale;
/* The time now, or the last that was given out if that is later. */
uint64_t clock_common(uint64_t now);
/* Nanoseconds since clock_init; never 0, never steps back, whichever CPU asks. */
static inline uint64_t clock_ns(void)
{
    uint64_t ticks = rdtsc() - clock_scale.base;
    uint64_t now = (uint64_t)(((__uint128_t)ticks * clock_scale.mult) >> CLOCK_SHIFT);
    return UNLIKELY(clock_scale.distrust) ? clock_common(now) : now;
}
/* Nanoseconds since 1970-01-01 UTC. */
int64_t clock_wall_ns(void);

#endif
