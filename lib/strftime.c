/* Dates as text (ISO C 7.27.3.5), in the C locale. Pure. */
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const weekday[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday" };
static const char *const month[] = { "January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December" };

static const char *name_of(const char *const *names, int n, int i)
{
    return i >= 0 && i < n ? names[i] : "?";
}

/* Week of the year; the week begins on day `first` (0: Sunday). */
static int week(const struct tm *tm, int first)
{
    return (tm->tm_yday + 7 - (tm->tm_wday + 7 - first) % 7) / 7;
}

static int iso_weeks_in(int year)
{
    int p = (year + year / 4 - year / 100 + year / 400) % 7;
    int before = (year - 1 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400) % 7;

    return p == 4 || before == 3 ? 53 : 52;
}

/* ISO 8601 week; *year is the year it belongs to. */
static int iso_week(const struct tm *tm, int *year)
{
    int w = (tm->tm_yday - (tm->tm_wday + 6) % 7 + 10) / 7;

    *year = tm->tm_year + 1900;
    if (w < 1)
        return iso_weeks_in(--*year);
    if (w > iso_weeks_in(*year)) {
        ++*year;
        return 1;
    }
    return w;
}

/* What a composite directive stands for, or NULL. */
static const char *composite(char c)
{
    switch (c) {
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'r': return "%I:%M:%S %p";
    case 'R': return "%H:%M";
    case 'T':
    case 'X': return "%H:%M:%S";
    }
    return NULL;
}

static int number(char c, const struct tm *tm, char *out, size_t size)
{
    int year = tm->tm_year + 1900, iso;
    int hour12 = tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12;

    switch (c) {
    case 'C': return snprintf(out, size, "%02d", year / 100);
    case 'd': return snprintf(out, size, "%02d", tm->tm_mday);
    case 'e': return snprintf(out, size, "%2d", tm->tm_mday);
    case 'g': iso_week(tm, &iso); return snprintf(out, size, "%02d", iso % 100);
    case 'G': iso_week(tm, &iso); return snprintf(out, size, "%d", iso);
    case 'H': return snprintf(out, size, "%02d", tm->tm_hour);
    case 'I': return snprintf(out, size, "%02d", hour12);
    case 'j': return snprintf(out, size, "%03d", tm->tm_yday + 1);
    case 'm': return snprintf(out, size, "%02d", tm->tm_mon + 1);
    case 'M': return snprintf(out, size, "%02d", tm->tm_min);
    case 's': {
        struct tm copy = *tm;
        return snprintf(out, size, "%lld", (long long)timegm(&copy));
    }
    case 'S': return snprintf(out, size, "%02d", tm->tm_sec);
    case 'u': return snprintf(out, size, "%d", tm->tm_wday == 0 ? 7 : tm->tm_wday);
    case 'U': return snprintf(out, size, "%02d", week(tm, 0));
    case 'V': return snprintf(out, size, "%02d", iso_week(tm, &iso));
    case 'w': return snprintf(out, size, "%d", tm->tm_wday);
    case 'W': return snprintf(out, size, "%02d", week(tm, 1));
    case 'y': return snprintf(out, size, "%02d", year % 100);
    case 'Y': return snprintf(out, size, "%d", year);
    }
    return 0;
}

/* Text of one directive into out (64 bytes), or a constant. */
static const char *text_of(char c, const struct tm *tm, char *out, size_t size)
{
    switch (c) {
    case 'a': snprintf(out, size, "%.3s", name_of(weekday, 7, tm->tm_wday)); return out;
    case 'A': return name_of(weekday, 7, tm->tm_wday);
    case 'b':
    case 'h': snprintf(out, size, "%.3s", name_of(month, 12, tm->tm_mon)); return out;
    case 'B': return name_of(month, 12, tm->tm_mon);
    case 'n': return "\n";
    case 'p': return tm->tm_hour < 12 ? "AM" : "PM";
    case 't': return "\t";
    case 'z': return "+0000";
    case 'Z': return "UTC";
    case '%': return "%";
    }
    out[0] = '\0';
    number(c, tm, out, size);
    return out;
}

size_t strftime(char *restrict buf, size_t size, const char *restrict fmt,
                const struct tm *restrict tm)
{
    char text[64];
    size_t used = 0;

    for (; *fmt != '\0'; fmt++) {
        const char *part = text;
        text[0] = *fmt;
        text[1] = '\0';
        if (*fmt == '%' && fmt[1] != '\0') {
            const char *more = composite(*++fmt);
            if (more != NULL)
                strftime(text, sizeof text, more, tm);
            else
                part = text_of(*fmt, tm, text, sizeof text);
        }
        size_t n = strlen(part);
        if (n >= size - used || size == 0)
            return 0;
        memcpy(buf + used, part, n);
        used += n;
    }
    if (size == 0)
        return 0;
    buf[used] = '\0';
    return used;
}
