/*
 * Reading the clock page. The kernel changes it seldom, and makes seq odd meanwhile; whoever finds the
 * same even seq before and after has read what belongs together.
 */
#include <rugo/clock.h>

#include <rugo/start.h>
#include <rugo/syscall.h>

/* Until the page is found: its mode says that the kernel must be asked. */
static const struct clock_page none;
static const struct clock_page *page = &none;

static uint64_t read_tsc(void)
{
    uint32_t lo, hi;

    /* Not before what was read earlier. */
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

/* What the page says at one moment; false: ask the kernel, or look again. */
static inline int read_page(const struct clock_page *p, uint32_t clock, int64_t *ns)
{
    uint32_t seq = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE), mode = p->mode;
    unsigned __int128 product = (unsigned __int128)(read_tsc() - p->tsc_base) * p->mult;

    *ns = p->ns_base + (int64_t)(product >> (p->shift & 63));
    if (clock == CLOCK_REALTIME)
        *ns += p->wall_offset;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return mode == CLOCK_MODE_TSC &&
           ((seq & 1) | (seq ^ __atomic_load_n(&p->seq, __ATOMIC_RELAXED))) == 0;
}

/* The first time, while the page changes, and when it does not tell. */
static __attribute__((noinline)) int64_t read_slowly(uint32_t clock)
{
    const struct clock_page *p;
    int64_t ns;

    if (page == &none && (p = (const struct clock_page *)getauxval(AT_RUGO_CLOCK)) != NULL)
        page = p;
    if (clock <= CLOCK_MONOTONIC && page != &none && read_page(page, clock, &ns))
        return ns;
    return sys_time_now(clock);
}

int64_t clock_read(uint32_t clock)
{
    int64_t ns;

    if (clock <= CLOCK_MONOTONIC && read_page(page, clock, &ns))
        return ns;
    return read_slowly(clock);
}
