/* Seconds since 1970 and the Gregorian calendar, both ways. Pure. UTC only, no leap seconds (POSIX
 * 4.16). */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <time.h>

/* Days from 1970-01-01 to the first of March of a year; the year is counted from March, so that
 * the leap day ends it. */
static int64_t days_to_march(int64_t year)
{
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400; /* 0 … 399 */

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 - 719468;
}

/* Days from the first of March to the first of a month (March is 0). */
static int64_t month_days(int64_t month)
{
    return (153 * month + 2) / 5;
}

static int is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct tm *gmtime_r(const time_t *restrict t, struct tm *restrict tm)
{
    int64_t days = floor_div(*t, 86400), seconds = *t - days * 86400;
    int64_t year, of_year, month;

    if (days > 365250000000ll || days < -365250000000ll) {
        errno = EOVERFLOW;
        return NULL;
    }
    year = floor_div((days + 719468) * 400, 146097);
    while (days_to_march(year + 1) <= days)
        year++;
    while (days_to_march(year) > days)
        year--;
    of_year = days - days_to_march(year);
    month = (5 * of_year + 2) / 153; /* March is 0 */
    year += month >= 10;
    if (year - 1900 > INT_MAX || year - 1900 < INT_MIN) {
        errno = EOVERFLOW;
        return NULL;
    }
    *tm = (struct tm){
        .tm_sec = (int)(seconds % 60),
        .tm_min = (int)(seconds / 60 % 60),
        .tm_hour = (int)(seconds / 3600),
        .tm_mday = (int)(of_year - month_days(month)) + 1,
        .tm_mon = (int)((month + 2) % 12),
        .tm_year = (int)(year - 1900),
        .tm_wday = (int)(((days + 4) % 7 + 7) % 7),
        .tm_yday = (int)(month >= 10 ? of_year - 306 : of_year + 59 + is_leap(year)),
        .tm_zone = "UTC",
    };
    return tm;
}

time_t timegm(struct tm *tm)
{
    int64_t months = tm->tm_mon + 12ll * tm->tm_year - 2; /* since March 1900 */
    int64_t year = 1900 + floor_div(months, 12);
    int64_t days = days_to_march(year) + month_days(months - 12 * floor_div(months, 12));
    time_t t =
        (days + tm->tm_mday - 1) * 86400 + tm->tm_hour * 3600ll + tm->tm_min * 60ll + tm->tm_sec;

    return gmtime_r(&t, tm) != NULL ? t : -1;
}

time_t mktime(struct tm *tm)
{
    return timegm(tm);
}

struct tm *gmtime(const time_t *t)
{
    static struct tm tm;

    return gmtime_r(t, &tm);
}

struct tm *localtime_r(const time_t *restrict t, struct tm *restrict tm)
{
    return gmtime_r(t, tm);
}

struct tm *localtime(const time_t *t)
{
    return gmtime(t);
}

double difftime(time_t end, time_t start)
{
    return (double)(end - start);
}
