/* Clocks and calendar. The only time zone is UTC. */
#ifndef LIB_TIME_H
#define LIB_TIME_H

#include <stddef.h>
#include <sys/types.h>
#include <rugo/abi.h> /* CLOCK_REALTIME, CLOCK_MONOTONIC */

struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
struct tm {
    int tm_sec;   /* 0 … 60 */
    int tm_min;   /* 0 … 59 */
    int tm_hour;  /* 0 … 23 */
    int tm_mday;  /* 1 … 31 */
    int tm_mon;   /* 0 … 11 */
    int tm_year;  /* years since 1900 */
    int tm_wday;  /* days since Sunday */
    int tm_yday;  /* days since January 1st */
    int tm_isdst; /* always 0 */
    long tm_gmtoff;
    const char *tm_zone;
};

#define CLOCKS_PER_SEC 1000000L
typedef long clock_t;

time_t time(time_t *t);
clock_t clock(void);
int clock_gettime(clockid_t clock, struct timespec *ts);
int nanosleep(const struct timespec *req, struct timespec *rem);
struct tm *gmtime_r(const time_t *restrict t, struct tm *restrict tm);
struct tm *gmtime(const time_t *t);
struct tm *localtime_r(const time_t *restrict t, struct tm *restrict tm);
struct tm *localtime(const time_t *t);
/* Normalises *tm and converts it; -1 when the year does not fit. */
time_t mktime(struct tm *tm);
time_t timegm(struct tm *tm);
double difftime(time_t end, time_t start);
size_t strftime(char *restrict buf, size_t size, const char *restrict fmt,
                const struct tm *restrict tm);

#endif
