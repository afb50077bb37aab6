/*
 * console: the terminal on the serial line. Its sessions speak `file` (read, write, stat) and `tty`.
 *
 * One loop at one port: typed bytes, and clients' calls. A read that finds nothing waits in a list
 * and is answered later by its token. There is one terminal, so its mode is everybody's.
 */
#include <errno.h>
#include <rugo/abi.h>
#include <rugo/heartbeat.h>
#include <rugo/ipc.h>
#include <rugo/proto_file.h>
#include <rugo/proto_service.h>
#include <rugo/proto_svcman.h>
#include <rugo/proto_tty.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "services/console/input.h"
#include "services/say.h"

enum {
    READERS_MAX = 32,               /* reads that wait; more are refused */
    NONBLOCK_MAX = 64,              /* sessions with O_NONBLOCK */
    OUT_PIECE = 4096,
    EVENT_ENDPOINT = 1,
    EVENT_SERIAL = 2,
};

/* A read that waits for input. */
struct reader {
    uint64_t token;
    uint64_t session;
    uint64_t max;                   /* bytes it takes */
};

static handle_t endpoint, serial, port;
static struct reader readers[READERS_MAX];      /* oldest first */
static unsigned nreaders;
static uint64_t nonblock[NONBLOCK_MAX]; /* ids of the sessions that have it */
static unsigned nnonblock;
static uint64_t watcher;            /* session that hears the interrupt key; 0: none */
static bool stopped;

/* ---- output --------------------------------------------------------------------------------- */

static void send_bytes(const char *text, size_t len)
{
    while (len > 0) {
        int64_t n = sys_serial_write(serial, text, len);

        if (n <= 0 && n != -EINTR)
            return;
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
}

/* Text with its newlines as a terminal wants them. */
static void print(const char *text, size_t len)
{
    char out[OUT_PIECE];
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (n + 2 > sizeof(out)) {
            send_bytes(out, n);
            n = 0;
        }
        if (text[i] == '\n')
            out[n++] = '\r';
        out[n++] = text[i];
    }
    send_bytes(out, n);
}

/* ---- input ---------------------------------------------------------------------------------- */

static void interrupt(void)
{
    if (watcher != 0)
        (void)sys_session_signal(endpoint, watcher, 0, EV_USER0);
}

static struct input input;

/* ---- sessions that never wait ---------------------------------------------------------------- */

/* Its place, or nnonblock. */
static unsigned find_nonblock(uint64_t session)
{
    unsigned i = 0;

    while (i < nnonblock && nonblock[i] != session)
        i++;
    return i;
}

static void clear_nonblock(uint64_t session)
{
    unsigned i = find_nonblock(session);

    if (i == nnonblock)
        return;
    nonblock[i] = nonblock[--nnonblock];
    (void)sys_session_signal(endpoint, session, EV_READABLE, 0);
}

/* False: there are too many. */
static bool set_nonblock(uint64_t session)
{
    if (find_nonblock(session) < nnonblock)
        return true;
    if (nnonblock == NONBLOCK_MAX)
        return false;
    nonblock[nnonblock++] = session;
    if (input_ready(&input))
        (void)sys_session_signal(endpoint, session, 0, EV_READABLE);
    return true;
}

/* Tell them whether there is something to read. What has just been typed is an edge, though there was something already. */
static void tell_nonblock(bool typed)
{
    static bool told;
    bool ready = input_ready(&input);

    if (ready == told && !(ready && typed))
        return;
    told = ready;
    for (unsigned i = 0; i < nnonblock; i++)
        (void)sys_session_signal(endpoint, nonblock[i], ready ? 0 : EV_READABLE,
                                 ready ? EV_READABLE : 0);
}

/* ---- readers --------------------------------------------------------------------------------- */

/* Forget the reader at `i`; the others keep their order. */
static void drop_reader(unsigned i)
{
    nreaders--;
    memmove(&readers[i], &readers[i + 1], (nreaders - i) * sizeof(readers[0]));
}

/*
 * Copy what is readable to a reader, or as much as fits. What does not reach him, because he was
 * killed or his buffer is bad, stays for the next one. 0 or negative errno; *count bytes.
 */
static int deliver(uint64_t token, uint64_t max, uint64_t *count)
{
    char buf[INPUT_LINE_MAX];
    size_t used;
    size_t n = input_peek(&input, buf, max < sizeof(buf) ? (size_t)max : sizeof(buf), &used);
    int64_t st = sys_msg_write(endpoint, token, 0, buf, n);

    if (st < 0)
        return -EFAULT;
    input_consume(&input, used);
    *count = n;
    return 0;
}

/* Nobody tells when a waiting client is killed, but its token is no good any more: forget those. */
static void drop_dead_readers(void)
{
    for (unsigned i = nreaders; i-- > 0;) {
        if (sys_msg_write(endpoint, readers[i].token, 0, "", 0) == -ESRCH)
            drop_reader(i);
    }
}

static void answer_reader(const struct reader *r, int status, uint64_t count)
{
    struct ipc_msg *msg = ipc_buffer();

    file_read_answer(msg, status, count);
    (void)sys_ipc_reply(endpoint, r->token);
}

/* Serve waiting readers, oldest first, while there is something to read. */
static void feed_readers(void)
{
    while (nreaders > 0 && input_ready(&input)) {
        struct reader r = readers[0];
        uint64_t count = 0;
        int st;

        drop_reader(0);
        st = deliver(r.token, r.max, &count);
        answer_reader(&r, st, count);
    }
}

static void take_typed(void)
{
    char buf[256];
    int64_t n;

    while ((n = sys_serial_read(serial, buf, sizeof(buf))) > 0) {
        for (int64_t i = 0; i < n; i++)
            input_key(&input, buf[i]);
    }
    feed_readers();
    tell_nonblock(true);
}

/* ---- protocol file ---------------------------------------------------------------------------- */

static int do_read(void *ctx, const struct ipc_call *call, int64_t offset, uint64_t *count)
{
    (void)ctx;
    if (offset != -1 && offset != 0)
        return -ESPIPE;
    if (call->out_len == 0)
        return 0;
    if (nreaders == 0 && input_ready(&input))
        return deliver(call->token, call->out_len, count);
    if (find_nonblock(call->session) < nnonblock)
        return -EAGAIN;
    if (nreaders == READERS_MAX)
        drop_dead_readers();
    if (nreaders == READERS_MAX)
        return -EAGAIN;
    readers[nreaders++] = (struct reader){ call->token, call->session, call->out_len };
    return PROTO_LATER;
}

static int do_write(void *ctx, const struct ipc_call *call, int64_t offset, uint64_t *count)
{
    char buf[OUT_PIECE];
    int64_t n;

    (void)ctx;
    if (offset != -1 && offset != 0)
        return -ESPIPE;
    /* One piece for each call: a client with much to say does not hold up the others. */
    n = call->in_len > 0 ? sys_msg_read(call->ep, call->token, 0, buf, sizeof(buf)) : 0;
    if (n < 0)
        return n == -EREMOTEIO ? -EFAULT : (int)n;
    print(buf, (size_t)n);
    *count = (uint64_t)n;
    return 0;
}

static int do_seek(void *ctx, const struct ipc_call *call, int64_t offset, uint32_t whence,
                   int64_t *out)
{
    (void)ctx, (void)call, (void)offset, (void)whence, (void)out;
    return -ESPIPE;
}

static int do_stat(void *ctx, const struct ipc_call *call)
{
    struct stat st = { .st_mode = S_IFCHR | 0620, .st_nlink = 1, .st_blksize = OUT_PIECE };
    int64_t n;

    (void)ctx;
    if (call->out_len < sizeof(st))
        return -EINVAL;
    n = sys_msg_write(call->ep, call->token, 0, &st, sizeof(st));
    return n < 0 ? -EFAULT : 0;
}

static int do_sync(void *ctx, const struct ipc_call *call, uint32_t all)
{
    (void)ctx, (void)call, (void)all;
    return 0;
}

static int do_flags(void *ctx, const struct ipc_call *call, uint32_t clear, uint32_t set,
                    uint32_t *flags)
{
    (void)ctx;
    if (((clear | set) & ~(uint32_t)O_NONBLOCK) != 0)
        return -EINVAL;
    if (clear != 0)
        clear_nonblock(call->session);
    if (set != 0 && !set_nonblock(call->session))
        return -ENOSPC;
    *flags = O_RDWR | (find_nonblock(call->session) < nnonblock ? O_NONBLOCK : 0);
    return 0;
}

static const struct file_ops file_ops = {
    .flags = do_flags,
    .read = do_read,
    .write = do_write,
    .seek = do_seek,
    .stat = do_stat,
    .sync = do_sync,
};

/* ---- protocols tty and service ------------------------------------------------------------------ */

static int do_set_mode(void *ctx, const struct ipc_call *call, uint32_t mode)
{
    (void)ctx, (void)call;
    if (mode != TTY_COOKED && mode != TTY_RAW)
        return -EINVAL;
    input_set_raw(&input, mode == TTY_RAW);
    return 0;
}

static int do_watch(void *ctx, const struct ipc_call *call, uint32_t on)
{
    (void)ctx;
    if (on > 1)
        return -EINVAL;
    (void)sys_session_signal(endpoint, call->session, EV_USER0, 0);
    if (on == 1)
        watcher = call->session;
    else if (watcher == call->session)
        watcher = 0;
    input.watched = watcher != 0;
    return 0;
}

static const struct tty_ops tty_ops = { .set_mode = do_set_mode, .watch = do_watch };

static int do_stop(void *ctx, const struct ipc_call *call)
{
    (void)ctx;
    if (call->badge != BADGE_SUPERVISOR)
        return -EACCES;
    stopped = true;
    return 0;
}

static const struct service_ops service_ops = { .stop = do_stop };

/* ---- the loop ----------------------------------------------------------------------------------- */

static void close_handles(const struct ipc_msg *msg)
{
    for (uint32_t i = 0; i < msg->nhandles && i < IPC_HANDLE_MAX; i++) {
        if (msg->handles[i] >= 0)
            (void)sys_handle_close(msg->handles[i]);
    }
}

static void answer(struct ipc_msg *msg)
{
    uint64_t token = msg->token;
    enum proto_result result = file_dispatch(&file_ops, NULL, endpoint, msg);

    if (result == PROTO_OTHER)
        result = tty_dispatch(&tty_ops, NULL, endpoint, msg);
    if (result == PROTO_OTHER)
        result = service_dispatch(&service_ops, NULL, endpoint, msg);
    if (result == PROTO_OTHER)
        result = proto_refuse(msg, -ENOSYS);
    if (result == PROTO_REPLY)
        (void)sys_ipc_reply(endpoint, token);
}

/* Somebody no longer wants to wait: his reader is answered with EINTR. */
static void cancel(uint64_t token)
{
    for (unsigned i = 0; i < nreaders; i++) {
        if (readers[i].token == token) {
            struct reader r = readers[i];

            drop_reader(i);
            answer_reader(&r, -EINTR, 0);
            return;
        }
    }
}

/* The last handle of a session is gone; with it go its readers. */
static void forget_session(uint64_t session)
{
    if (watcher == session) {
        watcher = 0;
        input.watched = false;
    }
    clear_nonblock(session);
    for (unsigned i = nreaders; i-- > 0;) {
        if (readers[i].session == session)
            drop_reader(i);
    }
}

static void serve(void)
{
    struct ipc_msg *msg = ipc_buffer();

    while (!stopped && sys_ipc_recv(endpoint, IPC_NONBLOCK, 0) == 0) {
        switch (msg->type) {
        case IPC_CALL: answer(msg); break;
        case IPC_CANCEL: cancel(msg->token); break;
        case IPC_CLOSED: forget_session(msg->session); break;
        default:
            if (!heartbeat_answer(msg))
                close_handles(msg);
            break;
        }
        feed_readers(); /* a change of mode may have made input readable */
        tell_nonblock(false);
    }
}

int main(void)
{
    struct port_event events[2];
    int st;

    input.echo = print;
    input.interrupt = interrupt;
    endpoint = start_handle(START_ENDPOINT);
    serial = start_handle(START_SERIAL);
    port = sys_port_create();
    if (port < 0 || endpoint == HANDLE_NONE || serial == HANDLE_NONE ||
        sys_port_add(port, endpoint, EV_READABLE, EVENT_ENDPOINT) != 0 ||
        sys_port_add(port, serial, EV_READABLE, EVENT_SERIAL) != 0) {
        say_error("CONSOLE: started without an endpoint or a serial line");
        return 1;
    }
    st = svcman_ready(start_handle(START_NAMES));
    if (st != 0)
        say_error("CONSOLE: svcman does not answer: %s", strerror(-st));
    while (!stopped) {
        int64_t n = sys_port_wait(port, events, 2, TIMEOUT_NEVER);

        for (int64_t i = 0; i < n; i++) {
            if (events[i].token == EVENT_SERIAL)
                take_typed();
            else
                serve();
        }
    }
    return 0;
}
