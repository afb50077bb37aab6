/*
 * port.h of bench/linux for Rugo: what the workloads measure, made of Rugo's own calls.
 *
 * There is no pinning and no forking here yet: one CPU needs no pinning, and the second process of a
 * measurement is this program again, with the role as an argument.
 *
 * The link "endpoint" is call and reply_recv: p_send of the first process leaves the message in the
 * thread's buffer and p_recv makes the call; p_send of the second one leaves the answer and the next
 * p_recv sends it and waits.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rugo/blk.h>
#include <rugo/clock.h>
#include <rugo/ipc.h>
#include <rugo/proto_svcman.h>
#include <rugo/shm.h>
#include <rugo/spawn.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <rugo/thread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/linux/src/port.h"
#include "bench/rugo/port_rugo.h"
#include "services/initrd.h"

#define INITRD_MOUNT "/boot"
#define LOG_PIECE    1024u /* most bytes that one debug_write takes */

/* ---- console and time --------------------------------------------------------------------------- */

void p_console(const char *s, size_t len)
{
    while (len > 0) {
        int64_t n = sys_debug_write(start_handle(START_LOG), s, len < LOG_PIECE ? len : LOG_PIECE);

        if (n <= 0)
            exit(3);
        s += n;
        len -= (size_t)n;
    }
}

void p_die(const char *why)
{
    char line[128];
    int n = snprintf(line, sizeof(line), "FAIL %s: %s\n", program_name, why);

    p_console(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
    exit(1);
}

/* The value of a call that must not fail. */
static int64_t need(int64_t value, const char *what)
{
    char text[96];

    if (value >= 0)
        return value;
    snprintf(text, sizeof(text), "%s: %s", what, strerror((int)-value));
    p_die(text);
    return value;
}

uint64_t p_now(void)
{
    return (uint64_t)clock_read(CLOCK_MONOTONIC);
}

uint64_t p_now_syscall(void)
{
    return (uint64_t)sys_time_now(CLOCK_MONOTONIC);
}

long p_null_syscall(void)
{
    return sys_thread_self();
}

void p_sleep_ns(uint64_t ns)
{
    need(sys_thread_sleep((int64_t)ns), "thread_sleep");
}

int p_ncpu(void)
{
    struct machine_info info;

    return sys_machine_info(start_handle(START_MACHINE), &info) == 0 ? (int)info.cpus : 1;
}

/* ---- threads ------------------------------------------------------------------------------------ */

void p_pin(int cpu)
{
    (void)cpu;
}

static int thread_main(void *arg)
{
    p_thread *t = arg;

    t->fn(t->arg);
    return 0;
}

void p_thread_start(p_thread *t, void (*fn)(void *), void *arg, int cpu)
{
    struct thread *thread = malloc(sizeof(*thread));

    if (thread == NULL)
        p_die("no memory");
    t->fn = fn;
    t->arg = arg;
    t->cpu = cpu;
    t->os[0] = (uintptr_t)thread;
    need(thread_start(thread, thread_main, t, 0), "thread_start");
}

void p_thread_join(p_thread *t)
{
    struct thread *thread = (struct thread *)t->os[0];

    need(thread_join(thread, NULL), "thread_join");
    free(thread);
}

void p_yield(void)
{
    (void)sys_yield();
}

void p_wait32(volatile uint32_t *w, uint32_t expect, int shared)
{
    (void)sys_futex_wait((uintptr_t)w, expect, TIMEOUT_NEVER, shared ? FUTEX_SHARED : 0);
}

void p_wake32(volatile uint32_t *w, int shared)
{
    (void)sys_futex_wake((uintptr_t)w, 1, shared ? FUTEX_SHARED : 0);
}

/* ---- memory: every page has 4 KiB ------------------------------------------------------------------ */

void *p_map(size_t len, int how)
{
    (void)how;
    return (void *)need(sys_vm_map(HANDLE_SELF, 0, len, VM_READ | VM_WRITE, 0), "vm_map");
}

void p_unmap(void *p, size_t len)
{
    need(sys_vm_unmap(HANDLE_SELF, (uintptr_t)p, len), "vm_unmap");
}

/* ---- programs ------------------------------------------------------------------------------------- */

/* A file of the initrd, which is mapped for good at the first call. */
static struct initrd_file initrd_file(const char *path)
{
    static struct initrd rd;
    struct initrd_file file;
    void *data;

    if (rd.data == NULL) {
        need(shm_attach(start_handle(START_INITRD), VM_READ, &data, &rd.size), "initrd");
        rd.data = data;
    }
    if (!initrd_find(&rd, path, &file))
        p_die(path);
    return file;
}

handle_t peer_spawn(const char *role, long arg, handle_t ep)
{
    static const uint32_t kinds[] = { START_LOG, START_JOB, START_INITRD, START_MACHINE };
    struct spawn_handle handles[5] = { { START_ENDPOINT, ep, RIGHT_RECV | RIGHT_WAIT } };
    char path[64], role_text[16], arg_text[24];
    char *argv[] = { path, "role", role_text, arg_text, NULL };
    struct spawn_args args = { .job = start_handle(START_JOB), .argv = argv, .handles = handles };
    handle_t proc;

    snprintf(path, sizeof(path), "bench/%s", program_name);
    snprintf(role_text, sizeof(role_text), "%s", role);
    snprintf(arg_text, sizeof(arg_text), "%ld", arg);
    args.nhandles = 1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        handles[args.nhandles++] =
            (struct spawn_handle){ kinds[i], start_handle(kinds[i]), RIGHT_SAME };
    args.fds[0] = args.fds[1] = args.fds[2] = HANDLE_NONE;
    struct initrd_file image = initrd_file(path);
    need(spawn_image(&args, image.data, image.size, &proc), "spawn");
    return proc;
}

static int end_of(handle_t proc)
{
    int status = -1;

    need(process_wait(proc, &status, TIMEOUT_NEVER), "process_wait");
    (void)sys_handle_close(proc);
    return status;
}

void peer_wait(handle_t proc)
{
    if (end_of(proc) != 0)
        p_die("peer");
}

/* Without descriptors and without the log: what the child prints goes nowhere. */
static struct spawn_args mute_child(char **argv)
{
    return (struct spawn_args){
        .job = start_handle(START_JOB),
        .argv = argv,
        .fds = { HANDLE_NONE, HANDLE_NONE, HANDLE_NONE },
    };
}

int p_spawn_wait(const char *path)
{
    char full[64];
    char *argv[] = { full, NULL };
    struct spawn_args args = mute_child(argv);
    handle_t proc;

    snprintf(full, sizeof(full), INITRD_MOUNT "%s", path);
    if (spawn_path(&args, full, &proc) != 0)
        return -1;
    return end_of(proc);
}

int spawn_image_wait(const char *path)
{
    struct initrd_file image = initrd_file(path);
    char *argv[] = { (char *)(uintptr_t)path, NULL };
    struct spawn_args args = mute_child(argv);
    handle_t proc;

    if (spawn_image(&args, image.data, image.size, &proc) != 0)
        return -1;
    return end_of(proc);
}

/* ---- messages -------------------------------------------------------------------------------------- */

/* The second process answers this call when it next receives; only there, and 0 when there is none. */
static uint64_t unanswered;
/* A message lies in the buffer that no p_recv has sent yet; only in the first process. */
static bool unsent;

int p_link_count(void)
{
    return 1;
}

const char *p_link_name(int kind)
{
    (void)kind;
    return "endpoint";
}

void channel_make(handle_t *ep, handle_t *session)
{
    uint64_t id;

    *ep = (handle_t)need(sys_endpoint_create(0), "endpoint_create");
    *session = (handle_t)need(sys_session_create(*ep, 1, 0, &id), "session_create");
}

void p_peer_start(p_peer *p, int role, int kind, size_t shm_len, long arg, int cpu)
{
    char text[16];
    handle_t ep, session;

    (void)cpu;
    if (kind != 0 || shm_len != 0)
        p_die("no such channel");
    channel_make(&ep, &session);
    snprintf(text, sizeof(text), "%d", role);
    *p = (p_peer){ .rd = HANDLE_NONE, .wr = session, .arg = arg };
    p->proc = peer_spawn(text, arg, ep);
    (void)sys_handle_close(ep);
}

bool port_role(int argc, char **argv)
{
    if (argc != 4 || strcmp(argv[1], "role") != 0 || argv[2][0] < '0' || argv[2][0] > '9')
        return false;
    p_peer p = { .rd = start_handle(START_ENDPOINT), .wr = HANDLE_NONE };
    p.arg = strtol(argv[3], NULL, 10);
    bench_role(atoi(argv[2]), &p);
    return true;
}

/* The last message needs no answer: it goes one-way. */
void p_peer_join(p_peer *p)
{
    if (unsent)
        need(sys_ipc_send(p->wr, 0), "ipc_send");
    unsent = false;
    peer_wait((handle_t)p->proc);
    (void)sys_handle_close(p->wr);
}

void p_send(p_peer *p, const void *buf, size_t len)
{
    struct ipc_msg *msg = ipc_buffer();

    memcpy(msg->data, buf, len);
    msg->len = (uint32_t)len;
    msg->nhandles = 0;
    msg->in_addr = msg->in_len = msg->out_addr = msg->out_len = 0;
    if (p->wr != HANDLE_NONE)
        unsent = true;
}

void p_recv(p_peer *p, void *buf, size_t len)
{
    struct ipc_msg *msg = ipc_buffer();

    if (p->wr != HANDLE_NONE) {
        need(sys_ipc_call(p->wr, TIMEOUT_NEVER), "ipc_call");
        unsent = false;
    } else {
        need(sys_ipc_reply_recv(p->rd, unanswered, 0, TIMEOUT_NEVER), "ipc_reply_recv");
        unanswered = msg->type == IPC_CALL ? msg->token : 0;
    }
    if (msg->len != len)
        p_die("length of a message");
    memcpy(buf, msg->data, len);
}

/* ---- block device ------------------------------------------------------------------------------------ */

/* The one buffer for block requests. */
static struct {
    handle_t shm;
    char *base;
} dma;

void *p_dma_alloc(size_t len)
{
    void *base;

    need(shm_new(len, &dma.shm, &base), "shm_new");
    memset(base, 0, len); /* its pages are there before the clock runs */
    dma.base = base;
    return base;
}

int p_blk_open(int index)
{
    return start_handle_nth(START_BLK, (size_t)index);
}

void p_blk_read(int h, uint64_t off, void *buf, size_t len)
{
    need(blk_read(h, dma.shm, (uint64_t)((char *)buf - dma.base), off / BLK_SECTOR,
                  len / BLK_SECTOR),
         "blk_read");
}

void p_blk_write(int h, uint64_t off, const void *buf, size_t len)
{
    need(blk_write(h, dma.shm, (uint64_t)((const char *)buf - dma.base), off / BLK_SECTOR,
                   len / BLK_SECTOR),
         "blk_write");
}

void p_blk_flush(int h)
{
    need(blk_flush(h), "blk_flush");
}

void p_blk_close(int h)
{
    (void)sys_handle_close(h);
}

/* ---- files -------------------------------------------------------------------------------------------- */

/* The outcome of a POSIX call. */
static int need_file(int result, const char *what)
{
    return (int)need(result < 0 ? -errno : result, what);
}

/* The file server has mounted its disk before this program starts. */
int p_fs_mount(int disk, const char *type)
{
    struct stat st;

    (void)disk;
    (void)type;
    return stat("/", &st);
}

/*
 * Everything is written back, then the file server is ended and started again by svcman: the new one
 * mounts the disk anew and has nothing in its cache. The session on / outlives it.
 */
void p_fs_unmount(void)
{
    p_fs_sync();
    need(svcman_restart(start_handle(START_NAMES), "fsd"), "restart of fsd");
}

const char *p_fs_root(void)
{
    return "";
}

int p_file_create(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
}

int p_file_open(const char *path)
{
    return open(path, O_RDONLY);
}

long p_file_write(int h, const void *buf, size_t len)
{
    return write(h, buf, len);
}

long p_file_read(int h, void *buf, size_t len)
{
    return read(h, buf, len);
}

void p_file_sync(int h)
{
    need_file(fsync(h), "fsync");
}

void p_file_close(int h)
{
    (void)close(h);
}

void p_file_unlink(const char *path)
{
    need_file(unlink(path), path);
}

void p_mkdir(const char *path)
{
    need_file(mkdir(path, 0755), path);
}

void p_rmdir(const char *path)
{
    need_file(rmdir(path), path);
}

void p_fs_sync(void)
{
    sync();
}
