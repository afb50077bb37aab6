/*
 * fsd: the file server. It owns the first disk, keeps its cache, and answers the `file` protocol.
 *
 * One kernel thread. Each request runs in a fiber (fiber.h); the main loop below brings new requests
 * and finished disk transfers to them, and sends their answers. When nothing is to be done it sleeps
 * in one system call: in ipc_recv while the disk is quiet, else at a port that hears both.
 *
 * Changes reach the disk WRITE_BACK_NS after the first of them at the latest, at sync, and when
 * svcman says stop.
 */
#include <errno.h>
#include <rugo/abi.h>
#include <rugo/heartbeat.h>
#include <rugo/ipc.h>
#include <rugo/proto_svcman.h>
#include <rugo/shm.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdlib.h>
#include <string.h>

#include "services/fsd/blkdisk.h"
#include "services/fsd/fiber.h"
#include "services/fsd/files.h"
#include "services/fsd/images.h"
#include "services/fsd/fs.h"
#include "services/fsd/server.h"
#include "services/fsd/walk.h"
#include "services/say.h"

#define WRITE_BACK_NS INT64_C(500000000)
#define LOOK_NS       INT64_C(1000000000)
#define MIB           (UINT64_C(1) << 20)

enum { EVENT_ENDPOINT = 1, EVENT_DISK = 2 };

static handle_t endpoint, port;
static struct blkdisk disk;
static bool have_disk;
static bool serving;                    /* mounted: requests are taken */
static struct request *free_requests;
static uint64_t deferred;               /* token of an answer that lies in the message buffer */
static int64_t write_back_at;           /* CLOCK_MONOTONIC; 0: nothing is dirty */
static bool writing_back;

/* ---- mounting ------------------------------------------------------------------------------- */

static struct fs_time wall_clock(void *ctx)
{
    int64_t ns = sys_time_now(CLOCK_REALTIME);

    (void)ctx;
    return (struct fs_time){ .sec = ns / 1000000000, .nsec = (uint32_t)(ns % 1000000000) };
}

static void fs_message(void *ctx, const char *text)
{
    (void)ctx;
    say_warning("FSD: %s", text);
}

static void fs_wait(void *ctx, const void *chan)
{
    (void)ctx;
    fiber_wait(chan);
}

static void fs_wake(void *ctx, const void *chan)
{
    (void)ctx;
    fiber_wake(chan);
}

static const struct fs_env fs_env = {
    .now = wall_clock,
    .message = fs_message,
    .wait = fs_wait,
    .wake = fs_wake,
};

static uint64_t machine_bytes(void)
{
    struct machine_info info;

    if (sys_machine_info(start_handle(START_MACHINE), &info) != 0)
        return 32 * MIB;
    return info.total_pages * PAGE_SIZE;
}

static uint64_t clamp(uint64_t n, uint64_t low, uint64_t high)
{
    return n < low ? low : n > high ? high : n;
}

/* `FSD: mount ok`: printed from what the mounted file system says of itself. */
static void tell_mount(const char *device)
{
    const char *nonce = getenv("NONCE");
    struct fs_statfs st;

    if (fs_statfs(mounts.root, &st) != 0)
        return;
    say("FSD: mount ok %s on %s, %u-byte blocks, %s, %llu of %llu KiB free%s%s",
        fs_type(mounts.root), device, st.block_size, st.read_only ? "read-only" : "read-write",
        (unsigned long long)(st.blocks_avail * st.block_size / 1024),
        (unsigned long long)(st.blocks * st.block_size / 1024), nonce != NULL ? " nonce=" : "",
        nonce != NULL ? nonce : "");
}

/* Open the first disk that svcman gave us. False, and said: there is none that works. */
static bool open_disk(void)
{
    static struct dma_area area;
    handle_t blk = start_handle(START_BLK);
    uint64_t cache = clamp(machine_bytes() / 16, MIB, 32 * MIB) & ~(uint64_t)(PAGE_SIZE - 1);
    int st;

    if (blk == HANDLE_NONE)
        return false;
    for (size_t n = 1; start_handle_nth(START_BLK, n) != HANDLE_NONE; n++)
        say_warning("FSD: disk %u is not used", (unsigned)n);
    st = dma_create(&area, (size_t)cache);
    if (st == 0)
        st = blkdisk_open(&disk, blk, &area);
    if (st == 0)
        st = sys_port_add(port, blk, EV_READABLE, EVENT_DISK);
    if (st != 0) {
        say_error("FSD: disk 0 can't be used: %s", strerror(-st));
        return false;
    }
    have_disk = true;
    return true;
}

/* Mount disk 0 as `/`. False, and said: it can't be. */
static bool mount_disk(void)
{
    char reason[FS_REASON_MAX] = "";
    struct fs_options options = {
        .cache_bytes = disk.area->cache_bytes,
        .cache_memory = disk.area->base,
        .read_only = disk.disk.read_only,
    };
    int st = ext2_mount(&disk.disk, &fs_env, &options, &mounts.root, reason);

    if (st != 0) {
        say_error("FSD: %s (disk 0, %llu KiB: not mounted)",
                  reason[0] != '\0' ? reason : strerror(-st),
                  (unsigned long long)(disk.disk.sectors / 2));
        return false;
    }
    if (reason[0] != '\0')
        say_warning("FSD: disk 0: %s", reason);
    tell_mount("disk 0");
    return true;
}

/* An empty file system in memory as `/`. */
static int mount_ramdisk(void)
{
    char reason[FS_REASON_MAX] = "";
    uint64_t bytes = clamp(machine_bytes() / 4, MIB, 64 * MIB);
    struct fs_options options = { .cache_bytes = (size_t)clamp(bytes / 16, MIB / 4, MIB) };
    struct disk *ram = ramdisk_create(bytes / DISK_SECTOR);
    int st = ram != NULL ? ext2_format(ram, 0, &fs_env) : -ENOMEM;

    if (st == 0)
        st = ext2_mount(ram, &fs_env, &options, &mounts.root, reason);
    if (st != 0) {
        say_error("FSD: no RAM disk: %s", reason[0] != '\0' ? reason : strerror(-st));
        return st;
    }
    tell_mount("a RAM disk");
    return 0;
}

static void mount_initrd(void)
{
    char reason[FS_REASON_MAX] = "";
    void *archive = NULL;
    size_t size = 0;
    int st = shm_attach(start_handle(START_INITRD), VM_READ, &archive, &size);

    if (st == 0)
        st = cpiofs_mount(archive, size, &fs_env, &mounts.boot, reason);
    if (st != 0) {
        say_error("FSD: no /" MOUNT_NAME ": %s", reason[0] != '\0' ? reason : strerror(-st));
        return;
    }
    mounts.boot_vn = fs_root(mounts.boot);
}

/* The first fiber: mount everything, then tell svcman that we can serve. */
static void start_up(void *arg)
{
    bool mounted = false;
    int st = 0;

    (void)arg;
    images_init(machine_bytes());
    if (open_disk())
        mounted = mount_disk();
    if (!mounted) {
        say_warning("FSD: %s, / is a RAM disk", have_disk ? "disk 0 is left alone" : "no disk");
        st = mount_ramdisk();
    }
    if (st != 0)
        exit(1);
    mounts.root_vn = fs_root(mounts.root);
    mount_initrd();
    serving = true;
    st = svcman_ready(start_handle(START_NAMES));
    if (st != 0)
        say_error("FSD: svcman does not answer: %s", strerror(-st));
}

/* ---- writing back ------------------------------------------------------------------------------- */

/*
 * Write all changes to the disk; if none came meanwhile, mark it clean, so that a power cut in a
 * quiet hour costs nothing.
 */
static void write_back(void *arg)
{
    static int told;
    int st;

    (void)arg;
    fiber_read_lock(&mounts.lock);
    st = fs_sync(mounts.root);
    fiber_read_unlock(&mounts.lock);
    if (st == 0 && fs_dirty_bytes(mounts.root) == 0) {
        fiber_write_lock(&mounts.lock);
        st = fs_settle(mounts.root);
        fiber_write_unlock(&mounts.lock);
    }
    if (st != 0 && st != told)
        say_error("FSD: writing back failed: %s; will try again", strerror(-st));
    told = st;
    writing_back = false;
}

/* Free the blocks of files that were removed while open. */
static void reap(void *arg)
{
    (void)arg;
    fiber_write_lock(&mounts.lock);
    if (fs_reap_needed(mounts.root))
        (void)fs_reap(mounts.root);
    fiber_write_unlock(&mounts.lock);
}

/* What requests left to be done, now or at write_back_at. */
static void begin_chores(void)
{
    if (!serving || server_stopping)
        return;
    if (fs_reap_needed(mounts.root) && fiber_available())
        (void)fiber_start(reap, NULL);
    if (writing_back)
        return;
    if (fs_dirty_bytes(mounts.root) == 0) {
        write_back_at = 0;
    } else if (write_back_at == 0) {
        write_back_at = sys_time_now(CLOCK_MONOTONIC) + WRITE_BACK_NS;
    } else if (sys_time_now(CLOCK_MONOTONIC) >= write_back_at && fiber_start(write_back, NULL)) {
        writing_back = true;
        write_back_at = 0;
    }
}

/* ---- answers ------------------------------------------------------------------------------------ */

static struct request *request_take(void)
{
    struct request *req = free_requests;

    if (req == NULL)
        return malloc(sizeof(*req));
    free_requests = req->next;
    return req;
}

static void request_give(struct request *req)
{
    req->next = free_requests;
    free_requests = req;
}

/* Header and data of a message, not the whole page. */
static void copy_message(struct ipc_msg *to, const struct ipc_msg *from)
{
    uint32_t len = from->len < IPC_DATA_MAX ? from->len : IPC_DATA_MAX;

    memcpy(to, from, offsetof(struct ipc_msg, data) + len);
}

static void close_handles(const struct ipc_msg *msg)
{
    for (uint32_t i = 0; i < msg->nhandles && i < IPC_HANDLE_MAX; i++) {
        if (msg->handles[i] >= 0)
            (void)sys_handle_close(msg->handles[i]);
    }
}

static void send_deferred(void)
{
    if (deferred != 0)
        (void)sys_ipc_reply(endpoint, deferred);
    deferred = 0;
}

/*
 * Send an answer. One without handles is left in the message buffer: the main loop sends it
 * together with its next receive. One with handles goes at once, as a client that is gone must be
 * noticed: its handles are still ours then.
 */
static void send_answer(const struct request *req)
{
    struct ipc_msg *msg = ipc_buffer();

    send_deferred();
    copy_message(msg, &req->msg);
    if (msg->nhandles == 0)
        deferred = req->token;
    else if (sys_ipc_reply(endpoint, req->token) != 0)
        close_handles(&req->msg);
}

static void serve(void *arg)
{
    struct request *req = arg;

    if (server_answer(endpoint, req))
        send_answer(req);
    request_give(req);
    if (server_stopping)
        fiber_wake(&server_stopping);
}

/* ---- the watchdog ------------------------------------------------------------------------------- */

static int64_t look_at; /* CLOCK_MONOTONIC: not asked, we look by ourselves then */

/* Whoever waits for ever holds up others sooner or later: that is as if all of us hung. */
static void answer_watchdog(void)
{
    static bool told;
    bool stuck = fiber_stuck();

    if (!stuck)
        heartbeat_tell();
    else if (!told)
        say_error(
            "FSD: a request waits for what will never come; the watchdog is not answered any more");
    told = stuck;
}

/* With no room for requests we do not hear its questions either. */
static bool is_full(void)
{
    return serving && !server_stopping && !fiber_available();
}

/* Tell the watchdog of our own accord what it can't ask: that we are full, or that starting goes on as far as the disk does. */
static void tell_watchdog(unsigned finished)
{
    int64_t now;

    if (!is_full() && (serving || finished == 0))
        return;
    now = sys_time_now(CLOCK_MONOTONIC);
    if (now < look_at)
        return;
    look_at = now + LOOK_NS;
    if (serving)
        answer_watchdog();
    else
        heartbeat_tell();
}

/* ---- receiving ---------------------------------------------------------------------------------- */

/* Begin to answer the call in the message buffer. */
static void begin_request(const struct ipc_msg *msg)
{
    struct request *req = request_take();

    if (req != NULL) {
        copy_message(&req->msg, msg);
        req->badge = msg->badge;
        req->token = msg->token;
        if (fiber_start(serve, req))
            return;
        request_give(req);
    }
    deferred = msg->token;
    (void)proto_refuse(ipc_buffer(), -ENOMEM);
}

static void handle_message(const struct ipc_msg *msg)
{
    switch (msg->type) {
    case IPC_CALL: begin_request(msg); break;
    case IPC_CLOSED: file_closed(msg->badge); break;
    case IPC_SEND:
        if (heartbeat_asked(msg))
            answer_watchdog();
        else
            close_handles(msg);
        break;
    default: break; /* IPC_CANCEL: every request ends soon by itself */
    }
}

/* How long the main loop may sleep. */
static int64_t sleep_time(void)
{
    int64_t until = write_back_at, left;

    if (is_full() && (until == 0 || look_at < until))
        until = look_at;
    if (until == 0)
        return TIMEOUT_NEVER;
    left = until - sys_time_now(CLOCK_MONOTONIC);
    return left > 0 ? left : 0;
}

/* Receive one message, sending the deferred answer first. False: none came in time. */
static bool receive(uint32_t flags, int64_t timeout)
{
    uint64_t token = deferred;
    int st;

    deferred = 0;
    st = sys_ipc_reply_recv(endpoint, token, flags, timeout);
    if (st == 0)
        handle_message(ipc_buffer());
    else if (st != -EAGAIN && st != -ETIMEDOUT && st != -EINTR)
        exit(1); /* the endpoint is gone: nobody can reach us again */
    return st == 0;
}

/* Wait for the next thing to do: a message, a finished disk transfer, or time. */
static void wait_for_work(void)
{
    struct port_event events[2];
    unsigned finished = 0;
    bool can_receive = serving && !server_stopping && fiber_available();
    bool busy = fiber_yielded();

    if (can_receive && !busy && disk.inflight == 0) {
        (void)receive(0, sleep_time());
        return;
    }
    if (can_receive && receive(IPC_NONBLOCK, 0))
        return;
    send_deferred();
    (void)sys_port_wait(port, events, 2, busy ? 0 : sleep_time());
    if (disk.inflight > 0)
        finished = blkdisk_reap(&disk);
    tell_watchdog(finished);
}

int main(int argc, char **argv)
{
    int64_t made = sys_port_create();

    if (argc > 1 && strncmp(argv[1], "hang=", 5) == 0)
        server_hang = argv[1] + 5;
    endpoint = start_handle(START_ENDPOINT);
    port = (handle_t)made;
    if (made < 0 || endpoint == HANDLE_NONE ||
        sys_port_add(port, endpoint, EV_READABLE, EVENT_ENDPOINT) != 0) {
        say_error("FSD: started without an endpoint");
        return 1;
    }
    if (!fiber_start(start_up, NULL))
        return 1;
    for (;;) {
        fiber_run();
        if (server_stopped) {
            send_deferred();
            return 0;
        }
        begin_chores();
        if (!fiber_runnable())
            wait_for_work();
    }
}
