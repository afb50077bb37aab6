/*
 * `test=svc.fuzz seed=N rounds=N`: messages of every kind of nonsense to fsd, console and svcman: lengths,
 * operations, strings, handles and buffers that do not fit. Afterwards each still does its work, and
 * no service has died.
 */
#include <fcntl.h>
#include <rugo/names.h>
#include <rugo/proto_file.h>
#include <rugo/proto_svcman.h>
#include <rugo/proto_tty.h>
#include <unistd.h>

#include "tests/prog/test.h"

static uint64_t state;

static uint64_t random64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t n)
{
    return random64() % n;
}

/* Interesting numbers more often than others. */
static uint64_t odd_number(void)
{
    static const uint64_t odd[] = { 0,          1,         2,          255,
                                    4095,       4096,      0x7fffffff, 0x80000000,
                                    UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 1 };
    uint64_t choice = below(16);

    return choice < 12 ? odd[choice] : choice < 14 ? below(300) : random64();
}

/* Never these: they would rightly end the machine, or wait for a person. */
static int is_forbidden(uint32_t op)
{
    return op == SVCMAN_SHUTDOWN || op == SVCMAN_RESTART || op == FILE_READ;
}

static uint32_t random_op(void)
{
    static const uint32_t protocols[] = { FILE_PROTOCOL, TTY_PROTOCOL, SVCMAN_PROTOCOL, 4, 9 };
    uint32_t op;

    do {
        op = protocols[below(5)] << 16 | (uint32_t)below(20);
    } while (is_forbidden(op));
    return op;
}

/* A request that looks right at first: operation, numbers, strings with lengths that may lie. */
static void random_message(struct ipc_msg *msg, handle_t some_handle)
{
    uint32_t op = random_op();
    uint16_t lie = (uint16_t)below(40);

    memset(msg, 0, offsetof(struct ipc_msg, data));
    msg->len = (uint32_t)(below(4) == 0 ? below(IPC_DATA_MAX + 1) : 4 * below(24));
    for (size_t i = 0; i + 8 <= msg->len && i < 64; i += 8) {
        uint64_t number = odd_number();

        memcpy(msg->data + i, &number, 8);
    }
    for (size_t i = 16; i < msg->len && i < 80; i++) {
        if (below(2) == 0)
            msg->data[i] = (uint8_t)"/../boot/.\0x\xff"[below(13)];
    }
    memcpy(msg->data, &op, sizeof(op));
    for (size_t at = 4; at + 2 <= msg->len && at <= 12; at += 4) {
        if (below(2) == 0)
            memcpy(msg->data + at, &lie, sizeof(lie));
    }
    msg->nhandles = (uint32_t)(below(3) == 0 ? below(4) : 0);
    for (uint32_t i = 0; i < msg->nhandles; i++)
        msg->handles[i] = some_handle;
    msg->in_addr = below(4) == 0 ? odd_number() : (uintptr_t)msg;
    msg->in_len = below(4) == 0 ? odd_number() : below(200);
    msg->out_addr = below(4) == 0 ? odd_number() : (uintptr_t)malloc(0);
    msg->out_len = below(4) == 0 ? odd_number() : below(200);
}

/* Whatever comes back, its handles are closed. */
static void take_answer(const struct ipc_msg *msg)
{
    for (uint32_t i = 0; i < msg->nhandles; i++) {
        if (msg->handles[i] >= 0)
            (void)sys_handle_close(msg->handles[i]);
    }
}

static void attack(handle_t session, handle_t some_handle)
{
    struct ipc_msg *msg = ipc_buffer();

    random_message(msg, some_handle);
    if (below(8) == 0) {
        (void)sys_ipc_send(session, IPC_NONBLOCK);
    } else if (sys_ipc_call(session, 5000 * MS) == 0) {
        take_answer(msg);
    }
}

/* Each service does what it is there for. */
static void all_is_well(handle_t names)
{
    struct svc_info info[8];
    handle_t console;
    uint32_t n = 0;
    int fd = open("/after", O_RDWR | O_CREAT | O_TRUNC, 0644);
    char buf[8] = "";

    EXPECT_TRUE(fd >= 0);
    EXPECT(5, write(fd, "fine\n", 5));
    EXPECT(5, pread(fd, buf, sizeof(buf), 0));
    EXPECT(0, strcmp(buf, "fine\n"));
    close(fd);
    NEED(svcman_list(names, info, sizeof(info), &n));
    EXPECT_TRUE(n >= 3);
    for (uint32_t i = 0; i < n && i < 8; i++)
        EXPECT(0, info[i].restarts);
    NEED(name_connect("console", &console));
    NEED(tty_set_mode(console, TTY_COOKED));
    NEED(tty_watch(console, 0));
}

int main(void)
{
    const char *seed = getenv("seed"), *rounds_text = getenv("rounds");
    handle_t names = start_handle(START_NAMES), root = start_handle(START_ROOT), fsd, console;
    handle_t timer = NEED_HANDLE(sys_timer_create()), file;
    unsigned long rounds = rounds_text != NULL ? strtoul(rounds_text, NULL, 0) : 5000;
    uint32_t kind;

    state = (seed != NULL ? strtoull(seed, NULL, 16) : 1) * 2 + 1;
    NEED(name_connect("fsd", &fsd));
    NEED(name_connect("console", &console));
    NEED(file_open(root, O_RDWR | O_CREAT, 0644, "/victim", &file, &kind));
    for (unsigned long i = 0; i < rounds; i++) {
        const handle_t victims[] = { names, root, fsd, console, file };

        attack(victims[below(5)], timer);
    }
    EXPECT(0, sys_handle_close(file));
    all_is_well(names);
    test_mark("SVC: fuzz ok");
    return 0;
}
