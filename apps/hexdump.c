/* hexdump [FILE]: bytes of a file or of standard input, 16 a line, in hexadecimal and as text. */
#include <ctype.h>
#include <err.h>
#include <stdio.h>

static void print_line(unsigned long offset, const unsigned char *line, size_t n)
{
    printf("%08lx ", offset);
    for (size_t i = 0; i < 16; i++) {
        if (i == 8)
            putchar(' ');
        if (i < n)
            printf(" %02x", line[i]);
        else
            fputs("   ", stdout);
    }
    fputs("  |", stdout);
    for (size_t i = 0; i < n; i++)
        putchar(isprint(line[i]) ? line[i] : '.');
    puts("|");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "standard input";
    unsigned char line[16];
    unsigned long offset = 0;
    FILE *f = stdin;
    size_t n;

    if (argc > 2)
        errx(2, "usage: hexdump [FILE]");
    if (argc == 2 && (f = fopen(argv[1], "r")) == NULL)
        err(1, "%s", name);
    while ((n = fread(line, 1, sizeof line, f)) > 0) {
        print_line(offset, line, n);
        offset += n;
    }
    if (ferror(f))
        err(1, "%s", name);
    printf("%08lx\n", offset);
    return 0;
}
