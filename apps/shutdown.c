/* shutdown: stop all services, write out what is not on the disk yet, switch the machine off. */
#include <err.h>
#include <errno.h>
#include <rugo/proto_svcman.h>
#include <rugo/start.h>

int main(int argc, char **argv)
{
    handle_t svcman = start_need(START_NAMES, "a session to svcman");
    int st;

    (void)argv;
    if (argc > 1)
        errx(2, "usage: shutdown");
    st = svcman_shutdown(svcman, POWER_OFF);
    if (st != 0) {
        errno = -st;
        err(1, "svcman");
    }
    return 0;
}
