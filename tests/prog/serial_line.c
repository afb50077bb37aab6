/*
 * The serial line as a device (test=serial.echo, serial.flood, serial.pour).
 *
 *   serial_line echo    sends back every line it gets, whole lines at a time, until an empty one
 *   serial_line flood   looks away for a while, then sends back what was kept: the oldest bytes
 *   serial_line pour    sends LINES numbered lines, however slowly they are read
 */
#include <stdbool.h>

#include "tests/prog/test.h"

#define RING    4096u
#define LINES   20000
#define NOWHERE ((void *)0x1800)

static handle_t line, port;
static char text[2 * RING];

/* Wait until something can be read; false if nothing comes. */
static bool readable(int64_t timeout)
{
    struct port_event event;

    return port_next(port, &event, timeout) == 0;
}

/* Add what has been received to text[at…]; how much it was, 0 if nothing comes. */
static size_t receive(size_t at, int64_t timeout)
{
    int64_t n;

    while ((n = sys_serial_read(line, text + at, sizeof(text) - at)) == -EAGAIN)
        if (!readable(timeout))
            return 0;
    EXPECT_TRUE(n > 0);
    return (size_t)n;
}

static void send(const char *s, size_t n)
{
    while (n > 0) {
        int64_t sent = NEED(sys_serial_write(line, s, n));

        EXPECT_TRUE(sent > 0 && sent <= (int64_t)n);
        s += sent;
        n -= (size_t)sent;
    }
}

static void refusals(void)
{
    EXPECT(-EBADF, sys_serial_read(HANDLE_NONE, text, 1));
    EXPECT(-ENODEV, sys_serial_read(port, text, 1));
    EXPECT(-EAGAIN, sys_serial_read(line, text, 1));
    EXPECT(-EFAULT, sys_serial_write(line, NOWHERE, 1));
    EXPECT(0, sys_serial_write(line, NOWHERE, 0));
    EXPECT(0, sys_serial_read(line, NOWHERE, 0));
}

static void echo(void)
{
    size_t have = 0;

    for (;;) {
        size_t n = receive(have, 10000 * MS);

        EXPECT_TRUE(n > 0);
        have += n;
        if (text[have - 1] != '\n')
            continue;
        if (have == 1)
            return;
        send(text, have);
        have = 0;
    }
}

static void flood(void)
{
    size_t have = 0, n;

    EXPECT(0, sys_thread_sleep(2000 * MS));
    EXPECT(-EFAULT, sys_serial_read(line, NOWHERE, 100)); /* takes nothing away */
    while ((n = receive(have, 100 * MS)) > 0)
        have += n;
    EXPECT(RING, have);
    send(text, have);
    send("\n", 1);
}

static void pour(void)
{
    for (int i = 0; i < LINES;) {
        size_t n = 0;

        for (; i < LINES && n + 16 < sizeof(text); i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "#%07d\n", i);
        send(text, n);
    }
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";

    line = start_handle(START_SERIAL);
    EXPECT_TRUE(line != HANDLE_NONE);
    port = NEED_HANDLE(sys_port_create());
    EXPECT(0, sys_port_add(port, line, EV_READABLE, 0));
    refusals();
    printf("SERIAL: ready\n");
    if (strcmp(how, "flood") == 0)
        flood();
    else if (strcmp(how, "pour") == 0)
        pour();
    else
        echo();
    test_mark("SERIAL: line ok");
    return 0;
}
