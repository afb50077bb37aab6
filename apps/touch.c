/* touch FILE...: make files that are not there; set the modification time of those that are. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

static int touch(const char *path)
{
    int fd;

    if (utimes(path, NULL) == 0)
        return 0;
    if (errno == ENOENT) {
        fd = open(path, O_WRONLY | O_CREAT, 0666);
        if (fd >= 0) {
            close(fd);
            return 0;
        }
    }
    warn("%s", path);
    return 1;
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc < 2)
        errx(2, "usage: touch FILE...");
    for (int i = 1; i < argc; i++)
        failed |= touch(argv[i]);
    return failed;
}
