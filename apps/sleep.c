/* sleep SECONDS: wait; the number may have a fraction. */
#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <time.h>

/* ".25" as nanoseconds; -1 if it is not that. */
static long fraction(const char *s)
{
    long ns = 0, unit = 100000000;

    if (*s == '\0')
        return 0;
    if (*s++ != '.')
        return -1;
    for (; isdigit((unsigned char)*s); s++, unit /= 10)
        ns += (*s - '0') * unit;
    return *s == '\0' ? ns : -1;
}

int main(int argc, char **argv)
{
    struct timespec ts;
    char *end;

    if (argc != 2 || (!isdigit((unsigned char)argv[1][0]) && argv[1][0] != '.'))
        errx(2, "usage: sleep SECONDS");
    ts.tv_sec = argv[1][0] == '.' ? (end = argv[1], 0) : strtol(argv[1], &end, 10);
    ts.tv_nsec = fraction(end);
    if (ts.tv_nsec < 0)
        errx(2, "%s: not a number of seconds", argv[1]);
    if (nanosleep(&ts, NULL) != 0)
        err(1, "sleep");
    return 0;
}
