/* date [+FORMAT]: the time in UTC, as strftime formats it. */
#include <err.h>
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv)
{
    const char *format = argc > 1 ? argv[1] + 1 : "%a %b %e %H:%M:%S %Z %Y";
    time_t now = time(NULL);
    struct tm tm;
    char text[256];

    if (argc > 2 || (argc == 2 && argv[1][0] != '+'))
        errx(2, "usage: date [+FORMAT]");
    if (gmtime_r(&now, &tm) == NULL)
        err(1, "the clock");
    if (strftime(text, sizeof text, format, &tm) == 0 && *format != '\0')
        errx(1, "the format makes more than %zu bytes", sizeof text);
    puts(text);
    return 0;
}
