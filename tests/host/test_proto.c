/*
 * Protocols end to end: generated client stub -> message -> generated decoder -> operation -> answer -> stub, with the
 * kernel replaced by a loop in this file; then every malformed request and answer a peer could send.
 * FLAGS: -idirafter lib
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In place of <rugo/syscall.h>: calls go to `server`, closed handles are counted. */
#define RUGO_SYSCALL_H
#include <rugo/abi.h>

static struct ipc_msg thread_buffer;
static int (*server)(struct ipc_msg *msg);
static int closed_handles;
static handle_t last_closed;

struct ipc_msg *ipc_buffer(void);
struct ipc_msg *ipc_buffer(void)
{
    return &thread_buffer;
}

static int sys_handle_close(handle_t h)
{
    closed_handles++;
    last_closed = h;
    return 0;
}

static int sys_ipc_call(handle_t session, int64_t timeout)
{
    assert(session == 77 && timeout == TIMEOUT_NEVER);
    return server(&thread_buffer);
}

#include "lib/proto.c"
#include <../lib/proto_file.c>
#include <../lib/proto_svcman.c>

/* ---- a server that remembers what it was asked ---- */

static char seen[4096];
static int next_status;

static int on_open(void *ctx, const struct ipc_call *call, uint32_t flags, uint32_t mode,
                   const char *path, handle_t *file, uint32_t *kind)
{
    assert(ctx == seen && call->ep == 5 && call->token == 99 && call->badge == 7 &&
           call->session == 8);
    snprintf(seen, sizeof(seen), "open %x %o %s", flags, mode, path);
    *file = 1234;
    *kind = 0100000;
    return next_status;
}

static int on_read(void *ctx, const struct ipc_call *call, int64_t offset, uint64_t *count)
{
    (void)ctx;
    snprintf(seen, sizeof(seen), "read %lld %llu", (long long)offset,
             (unsigned long long)call->out_len);
    *count = call->out_len / 2;
    return next_status;
}

static int on_seek(void *ctx, const struct ipc_call *call, int64_t offset, uint32_t whence,
                   int64_t *offset_out)
{
    (void)ctx;
    (void)call;
    *offset_out = offset + whence;
    return 0;
}

static int on_rename(void *ctx, const struct ipc_call *call, const char *from, const char *to)
{
    (void)ctx;
    (void)call;
    snprintf(seen, sizeof(seen), "%zu %zu", strlen(from), strlen(to));
    return 0;
}

static const struct file_ops file_ops = {
    .open = on_open, .read = on_read, .seek = on_seek, .rename = on_rename
};

static int on_spawn(void *ctx, const struct ipc_call *call, const char *path, handle_t stdin_,
                    handle_t stdout_, handle_t stderr_, handle_t *process)
{
    (void)ctx;
    snprintf(seen, sizeof(seen), "%s %d %d %d %llu", path, stdin_, stdout_, stderr_,
             (unsigned long long)call->in_len);
    *process = 4321;
    return 0;
}

static const struct svcman_ops svcman_ops = { .spawn = on_spawn };

static enum proto_result last_result;

static int serve(struct ipc_msg *msg)
{
    msg->type = IPC_CALL;
    msg->token = 99;
    msg->badge = 7;
    msg->session = 8;
    last_result = file_dispatch(&file_ops, seen, 5, msg);
    if (last_result == PROTO_OTHER)
        last_result = svcman_dispatch(&svcman_ops, NULL, 5, msg);
    if (last_result == PROTO_LATER)
        file_read_answer(msg, 0, 4711);
    return 0;
}

/* ---- well-formed traffic ---- */

static void test_round_trips(void)
{
    handle_t h = -5;
    uint32_t kind = 0;
    uint64_t count = 0;
    int64_t where = 0;
    char buf[64];

    server = serve;
    next_status = 0;
    assert(file_open(77, 0x42, 0644, "/a/\xc3\xa4", &h, &kind) == 0);
    assert(h == 1234 && kind == 0100000 && strcmp(seen, "open 42 644 /a/\xc3\xa4") == 0);
    assert(thread_buffer.move == 1 && thread_buffer.nhandles == 1);
    assert(file_open(77, 0, 0, "", &h, &kind) == 0 && strcmp(seen, "open 0 0 ") == 0);
    assert(file_read(77, -1, buf, sizeof(buf), &count) == 0 && count == 32);
    assert(strcmp(seen, "read -1 64") == 0);
    assert(file_seek(77, -10, 2, &where) == 0 && where == -8);
    assert(svcman_spawn(77, "/bin/x", "ab", 3, 10, 11, 12, &h) == 0 && h == 4321);
    assert(strcmp(seen, "/bin/x 10 11 12 3") == 0);
}

static void test_failures(void)
{
    handle_t h = -5;
    uint32_t kind = 1;
    uint64_t count = 3;

    server = serve;
    next_status = -ENOENT;
    assert(file_open(77, 0, 0, "/x", &h, &kind) == -ENOENT && h == -5 && kind == 1);
    assert(thread_buffer.nhandles == 0 && thread_buffer.data[4] == 0);
    next_status = PROTO_LATER;
    assert(file_read(77, 0, NULL, 0, &count) == 0 && count == 4711);
    next_status = 0;
    assert(file_mkdir(77, 0, "/x") == -ENOSYS);
    closed_handles = 0;
    assert(svcman_connect(77, "x", &h) == -ENOSYS && closed_handles == 0);
}

static void test_long_strings(void)
{
    static char longest[PROTO_STRING_MAX + 2];

    server = serve;
    memset(longest, 'x', PROTO_STRING_MAX);
    assert(file_rename(77, longest, longest) == 0 && strcmp(seen, "1900 1900") == 0);
    longest[PROTO_STRING_MAX] = 'x';
    assert(file_rename(77, longest, "y") == -ENAMETOOLONG);
    assert(file_rename(77, "y", longest) == -ENAMETOOLONG);
}

/* ---- a hostile client ---- */

/* A correct request for open("/ab") in msg. */
static void good_open(struct ipc_msg *msg)
{
    struct file_open_request req = { .op = FILE_OPEN, .path_len = 3 };

    memset(msg, 0, sizeof(*msg));
    memcpy(msg->data, &req, sizeof(req));
    memcpy(msg->data + sizeof(req), "/ab", 4);
    msg->len = sizeof(req) + 4;
}

/* Serves a private copy that ends where a copy of header and len bytes ends: the sanitizer sees each byte beyond. */
static int status_of(const struct ipc_msg *msg)
{
    struct ipc_msg *copy = malloc(sizeof(*copy));
    int32_t status;

    memcpy(copy, msg, sizeof(*copy));
    memset(copy->data + msg->len, 0xee, sizeof(copy->data) - msg->len);
    seen[0] = 0;
    serve(copy);
    memcpy(&status, copy->data, sizeof(status));
    if (last_result == PROTO_OTHER)
        status = 1;
    free(copy);
    return status;
}

static void set_path_len(struct ipc_msg *msg, uint16_t len)
{
    memcpy(msg->data + offsetof(struct file_open_request, path_len), &len, sizeof(len));
}

static void test_bad_requests(void)
{
    struct ipc_msg msg;
    uint32_t op;

    next_status = 0;
    good_open(&msg);
    seen[0] = 0;
    msg.token = 99;
    assert(status_of(&msg) == 0);
    for (uint32_t len = 0; len < sizeof(struct file_open_request) + 4; len++) {
        good_open(&msg);
        msg.len = len;
        assert(status_of(&msg) == (len < 4 ? 1 : -EPROTO) && seen[0] == 0);
    }
    good_open(&msg);
    msg.len++;
    assert(status_of(&msg) == -EPROTO);
    for (unsigned len = 0; len < 65536; len++) {
        good_open(&msg);
        set_path_len(&msg, (uint16_t)len);
        int expected = len == 3 ? 0 : len > PROTO_STRING_MAX ? -ENAMETOOLONG : -EPROTO;
        assert(status_of(&msg) == expected);
    }
    good_open(&msg);
    msg.data[sizeof(struct file_open_request) + 1] = 0; /* NUL inside */
    assert(status_of(&msg) == -EPROTO);
    good_open(&msg);
    msg.data[msg.len - 1] = 'c'; /* not closed */
    assert(status_of(&msg) == -EPROTO);
    good_open(&msg);
    op = FILE_PROTOCOL << 16 | 0xfff;
    memcpy(msg.data, &op, sizeof(op));
    assert(status_of(&msg) == -ENOSYS);
    op = 0x7fff0001;
    memcpy(msg.data, &op, sizeof(op));
    assert(status_of(&msg) == 1);
}

static void test_bad_handles(void)
{
    struct ipc_msg msg;

    good_open(&msg);
    msg.nhandles = 2;
    msg.handles[0] = 40;
    msg.handles[1] = 41;
    closed_handles = 0;
    assert(status_of(&msg) == -EPROTO && closed_handles == 2 && last_closed == 41);
    msg.nhandles = 1000;
    closed_handles = 0;
    assert(status_of(&msg) == -EPROTO && closed_handles == IPC_HANDLE_MAX);

    struct svcman_spawn_request req = { .op = SVCMAN_SPAWN, .path_len = 0 };
    memset(&msg, 0, sizeof(msg));
    memcpy(msg.data, &req, sizeof(req));
    msg.len = sizeof(req) + 1;
    msg.nhandles = 3;
    msg.handles[0] = 40;
    msg.handles[1] = -EMFILE;
    msg.handles[2] = 42;
    closed_handles = 0;
    assert(status_of(&msg) == -EMFILE && closed_handles == 2 && seen[0] == 0);
}

/* ---- a hostile server ---- */

static struct ipc_msg bad_answer;

static int answer_badly(struct ipc_msg *msg)
{
    memcpy(msg, &bad_answer, sizeof(*msg));
    return 0;
}

static int no_peer(struct ipc_msg *msg)
{
    (void)msg;
    return -EPIPE;
}

static int try_open(uint32_t len, int32_t status, uint32_t nhandles, handle_t first)
{
    handle_t h = -5;
    uint32_t kind = 9;

    memset(&bad_answer, 0, sizeof(bad_answer));
    memcpy(bad_answer.data, &status, sizeof(status));
    bad_answer.len = len;
    bad_answer.nhandles = nhandles;
    bad_answer.handles[0] = first;
    closed_handles = 0;
    int st = file_open(77, 0, 0, "/", &h, &kind);
    assert(st == 0 || (h == -5 && kind == 9));
    return st;
}

static void test_bad_answers(void)
{
    server = answer_badly;
    assert(try_open(8, 0, 1, 60) == 0 && closed_handles == 0);
    assert(try_open(3, 0, 1, 60) == -EPROTO && closed_handles == 1);
    assert(try_open(7, 0, 1, 60) == -EPROTO && closed_handles == 1);
    assert(try_open(12, 0, 1, 60) == -EPROTO && closed_handles == 1);
    assert(try_open(8, 1, 1, 60) == -EPROTO && closed_handles == 1);
    assert(try_open(8, 0, 0, 60) == -EPROTO && closed_handles == 0);
    assert(try_open(8, 0, 2, 60) == -EPROTO && closed_handles == 2);
    assert(try_open(8, -EIO, 1, 60) == -EIO && closed_handles == 1);
    assert(try_open(4, -EIO, 0, 60) == -EIO);
    assert(try_open(8, 0, 1, -EMFILE) == -EMFILE && closed_handles == 0);
    server = no_peer;
    assert(try_open(8, 0, 1, 60) == -EPIPE);
}

int main(void)
{
    test_round_trips();
    test_failures();
    test_long_strings();
    test_bad_requests();
    test_bad_handles();
    test_bad_answers();
    puts("proto: ok");
    return 0;
}
