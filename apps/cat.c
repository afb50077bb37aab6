/* cat [FILE]...: print files, or standard input for none and for "-". */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 64 * 1024 };

static char *buf;

static int copy(int fd, const char *name)
{
    ssize_t n;

    while ((n = read(fd, buf, SIZE)) > 0)
        if (write(STDOUT_FILENO, buf, (size_t)n) != n)
            err(1, "standard output");
    if (n < 0)
        warn("%s", name);
    return n < 0;
}

static int cat(const char *path)
{
    int fd, failed;

    if (strcmp(path, "-") == 0)
        return copy(STDIN_FILENO, "standard input");
    fd = open(path, O_RDONLY);
    if (fd < 0) {
        warn("%s", path);
        return 1;
    }
    failed = copy(fd, path);
    close(fd);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;

    buf = malloc(SIZE);
    if (buf == NULL)
        err(1, "buffer");
    if (argc < 2)
        return cat("-");
    for (int i = 1; i < argc; i++)
        failed |= cat(argv[i]);
    return failed;
}
