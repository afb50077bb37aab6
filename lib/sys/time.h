/* The older half of the clocks. */
#ifndef LIB_SYS_TIME_H
#define LIB_SYS_TIME_H

#include <sys/types.h>

struct timeval {
    time_t tv_sec;
    suseconds_t tv_usec;
};

int gettimeofday(struct timeval *restrict tv, void *restrict zone);
/* Sets the modification time to times[1], or to now when times is NULL. */
int utimes(const char *path, const struct timeval times[2]);

#endif
