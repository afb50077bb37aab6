/* sync: make all written data durable. */
#include <err.h>
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY);

    (void)argv;
    if (argc > 1)
        errx(2, "usage: sync");
    if (fd < 0)
        err(1, "/");
    sync();
    if (fsync(fd) != 0) /* sync itself has no result */
        err(1, "/");
    return 0;
}
