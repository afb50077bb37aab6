/* Clocks and sleeping. */
#include "error.h"

#include <rugo/clock.h>
#include <rugo/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000L

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    int64_t now = clock_read((uint32_t)clock);

    if (now < 0)
        return (int)to_errno(now);
    *ts = (struct timespec){ now / SECOND, now % SECOND };
    return 0;
}

time_t time(time_t *t)
{
    time_t now = clock_read(CLOCK_REALTIME) / SECOND;

    if (t != NULL)
        *t = now;
    return now;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    int64_t now = clock_read(CLOCK_REALTIME);

    (void)zone;
    *tv = (struct timeval){ now / SECOND, now % SECOND / 1000 };
    return 0;
}

/* CPU time of the process. */
clock_t clock(void)
{
    struct process_info info;

    return sys_process_info(HANDLE_SELF, &info) == 0 ? (clock_t)(info.cpu_ns / 1000) : -1;
}

int nanosleep(const struct timespec *req, struct timespec *rem)
{
    int64_t begun = clock_read(CLOCK_MONOTONIC), left;
    int st;

    if (req->tv_sec < 0 || req->tv_nsec < 0 || req->tv_nsec >= SECOND)
        return (int)to_errno(-EINVAL);
    if (__builtin_mul_overflow(req->tv_sec, SECOND, &left) ||
        __builtin_add_overflow(left, req->tv_nsec, &left))
        left = INT64_MAX;
    st = sys_thread_sleep(left);
    if (st == -EINTR && rem != NULL) {
        left -= clock_read(CLOCK_MONOTONIC) - begun;
        left = left < 0 ? 0 : left;
        *rem = (struct timespec){ left / SECOND, left % SECOND };
    }
    return (int)to_errno(st);
}

unsigned sleep(unsigned seconds)
{
    struct timespec ts = { seconds, 0 }, rem = { 0, 0 };

    return nanosleep(&ts, &rem) == 0 ? 0 : (unsigned)rem.tv_sec;
}

int usleep(useconds_t us)
{
    struct timespec ts = { us / 1000000, us % 1000000 * 1000L };

    return nanosleep(&ts, NULL);
}
