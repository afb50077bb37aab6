/* wc [FILE]...: lines, words and bytes of files or of standard input. */
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct counts {
    unsigned long lines, words, bytes;
};

static int count(int fd, struct counts *c)
{
    static unsigned char buf[16384];
    ssize_t n;
    int in_word = 0;

    while ((n = read(fd, buf, sizeof buf)) > 0) {
        c->bytes += (unsigned long)n;
        for (ssize_t i = 0; i < n; i++) {
            int space = isspace(buf[i]);
            c->lines += buf[i] == '\n';
            c->words += !space && !in_word;
            in_word = !space;
        }
    }
    return n < 0;
}

static void print(const struct counts *c, const char *name)
{
    printf("%7lu %7lu %7lu%s%s\n", c->lines, c->words, c->bytes, name[0] != '\0' ? " " : "", name);
}

static int count_file(const char *path, struct counts *total)
{
    struct counts c = { 0, 0, 0 };
    int fd = open(path, O_RDONLY);

    if (fd < 0 || count(fd, &c) != 0) {
        warn("%s", path);
        if (fd >= 0)
            close(fd);
        return 1;
    }
    close(fd);
    print(&c, path);
    total->lines += c.lines;
    total->words += c.words;
    total->bytes += c.bytes;
    return 0;
}

int main(int argc, char **argv)
{
    struct counts total = { 0, 0, 0 };
    int failed = 0;

    if (argc < 2) {
        if (count(STDIN_FILENO, &total) != 0)
            err(1, "standard input");
        print(&total, "");
        return 0;
    }
    for (int i = 1; i < argc; i++)
        failed |= count_file(argv[i], &total);
    if (argc > 2)
        print(&total, "total");
    return failed;
}
