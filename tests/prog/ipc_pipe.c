/*
 * `test=ipc.pipe`: what abi/syscall.def promises of pipes, by the calls and by the library's read and write: bytes in
 * order, whole small writes, ends that close, waiting and not waiting, readiness, bad addresses, killed readers and
 * writers, and memory only as used.
 */
#include <rugo/thread.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/prog/test.h"

static char big[3 * PIPE_SIZE], back[3 * PIPE_SIZE];

static struct pipe_ends new_pipe(uint32_t flags)
{
    struct pipe_ends p;

    EXPECT(0, sys_pipe_create(flags, &p));
    return p;
}

static void close_pipe(struct pipe_ends p)
{
    EXPECT(0, sys_handle_close(p.read_end));
    EXPECT(0, sys_handle_close(p.write_end));
}

static void fill_pattern(uint32_t seed)
{
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)((i * 2654435761u + seed) >> 13);
}

/* ---- refusals ------------------------------------------------------------------------------------------ */

static void refusals(void)
{
    struct pipe_ends p = new_pipe(PIPE_NONBLOCK);
    handle_t timer = NEED_HANDLE(sys_timer_create());
    handle_t weak = NEED_HANDLE(sys_handle_dup(p.read_end, RIGHT_WAIT, 0, 0));
    char c;

    EXPECT(-EINVAL, sys_pipe_create(4, &p));
    EXPECT(-EFAULT, sys_pipe_create(0, (struct pipe_ends *)8));
    EXPECT(-EFAULT, sys_pipe_create(0, (struct pipe_ends *)(uintptr_t)test_mark));
    EXPECT(-EBADF, sys_pipe_read(777, &c, 1));
    EXPECT(-ENODEV, sys_pipe_read(timer, &c, 1));
    EXPECT(-EACCES, sys_pipe_read(p.write_end, &c, 1));
    EXPECT(-EACCES, sys_pipe_read(weak, &c, 1));
    EXPECT(-EBADF, sys_pipe_write(777, &c, 1));
    EXPECT(-ENODEV, sys_pipe_write(timer, &c, 1));
    EXPECT(-EACCES, sys_pipe_write(p.read_end, &c, 1));
    EXPECT(-EBADF, sys_pipe_flags(777, 0, 0));
    EXPECT(-ENODEV, sys_pipe_flags(timer, 0, 0));
    EXPECT(-EACCES, sys_pipe_flags(weak, 0, 0));
    EXPECT(-EINVAL, sys_pipe_flags(p.read_end, 0, PIPE_FD));
    EXPECT(-EINVAL, sys_pipe_flags(p.write_end, 0x80000000, 0));
    EXPECT(PIPE_NONBLOCK, sys_pipe_flags(p.read_end, 0, 0));
    EXPECT(0, sys_handle_close(weak));
    EXPECT(0, sys_handle_close(timer));
    close_pipe(p);
}

/* A bad address takes nothing out and puts nothing in, also when only its end is bad. */
static void bad_addresses(void)
{
    struct pipe_ends p = new_pipe(PIPE_NONBLOCK);
    uintptr_t two =
        (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, 2 * PAGE_SIZE, VM_READ | VM_WRITE, 0));
    char *edge = (char *)two + PAGE_SIZE;

    EXPECT(0, sys_vm_unmap(HANDLE_SELF, two + PAGE_SIZE, PAGE_SIZE));
    memset((void *)two, 'x', PAGE_SIZE);
    EXPECT(-EFAULT, sys_pipe_write(p.write_end, (void *)8, 10));
    EXPECT(-EFAULT, sys_pipe_write(p.write_end, edge - 10, 20));
    EXPECT(-EFAULT, sys_pipe_write(p.write_end, (void *)(uintptr_t)0xffffffff80000000, 10));
    EXPECT(-EFAULT, sys_pipe_write(p.write_end, edge - 10, 20000));
    EXPECT(-EAGAIN, sys_pipe_read(p.read_end, back, 10));
    EXPECT(10, sys_pipe_write(p.write_end, "0123456789", 10));
    EXPECT(-EFAULT, sys_pipe_read(p.read_end, edge - 5, 10));
    EXPECT(-EFAULT, sys_pipe_read(p.read_end, (void *)(uintptr_t)test_mark, 10));
    EXPECT(-EFAULT, sys_pipe_read(p.read_end, (void *)UINT64_MAX, 10));
    EXPECT(5, sys_pipe_read(p.read_end, edge - 5, 5));
    EXPECT(0, memcmp(edge - 5, "01234", 5));
    EXPECT(5, sys_pipe_read(p.read_end, back, 100));
    EXPECT(0, memcmp(back, "56789", 5));
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, two, PAGE_SIZE));
    close_pipe(p);
}

/* ---- bytes ------------------------------------------------------------------------------------------------ */

/* Odd sizes through all pages of the ring, many rounds: every byte comes once and in order. */
static void order(void)
{
    struct pipe_ends p = new_pipe(PIPE_NONBLOCK);
    size_t in = 0, out = 0, step = 1;

    fill_pattern(1);
    while (out < sizeof(big)) {
        size_t n = sizeof(big) - in < step ? sizeof(big) - in : step;
        int64_t wrote = n > 0 ? sys_pipe_write(p.write_end, big + in, n) : 0;

        EXPECT_TRUE(wrote >= 0 || wrote == -EAGAIN);
        in += wrote > 0 ? (size_t)wrote : 0;
        int64_t got = sys_pipe_read(p.read_end, back + out, step * 3 / 4 + 1);
        EXPECT_TRUE(got > 0);
        out += (size_t)got;
        step = step * 5 / 4 + 1;
        if (step > 20000)
            step = 7;
    }
    EXPECT(0, memcmp(big, back, sizeof(big)));
    EXPECT(-EAGAIN, sys_pipe_read(p.read_end, back, 1));
    close_pipe(p);
}

/* What fits, what does not, and what is written in part. */
static void capacity(void)
{
    struct pipe_ends p = new_pipe(PIPE_NONBLOCK);

    EXPECT(0, sys_pipe_write(p.write_end, big, 0));
    EXPECT(0, sys_pipe_read(p.read_end, back, 0));
    EXPECT(PIPE_SIZE, sys_pipe_write(p.write_end, big, sizeof(big)));
    EXPECT(-EAGAIN, sys_pipe_write(p.write_end, big, 1));
    EXPECT(-EAGAIN, sys_pipe_write(p.write_end, big, sizeof(big)));
    EXPECT(100, sys_pipe_read(p.read_end, back, 100));
    EXPECT(-EAGAIN, sys_pipe_write(p.write_end, big, PIPE_BUF)); /* whole or not at all */
    EXPECT(-EAGAIN, sys_pipe_write(p.write_end, big, 101));
    EXPECT(60, sys_pipe_write(p.write_end, big, 60));
    EXPECT(40, sys_pipe_write(p.write_end, big, PIPE_BUF + 1));
    EXPECT(PIPE_SIZE, sys_pipe_read(p.read_end, back, sizeof(back)));
    EXPECT(-EAGAIN, sys_pipe_read(p.read_end, back, 1));
    close_pipe(p);
}

/* ---- ends that close ---------------------------------------------------------------------------------------- */

static void ends(void)
{
    struct pipe_ends p = new_pipe(0);
    handle_t copy;

    EXPECT(3, sys_pipe_write(p.write_end, "abc", 3));
    copy = NEED_HANDLE(sys_handle_dup(p.write_end, RIGHT_WRITE, 0, 0));
    EXPECT(0, sys_handle_close(p.write_end));
    EXPECT(2, sys_pipe_write(copy, "de", 2)); /* as long as one is open */
    EXPECT(0, sys_handle_close(copy));
    EXPECT(5, sys_pipe_read(p.read_end, back, 100));
    EXPECT(0, sys_pipe_read(p.read_end, back, 100));
    EXPECT(0, sys_pipe_read(p.read_end, back, 100));
    EXPECT(0, sys_handle_close(p.read_end));
    p = new_pipe(0);
    EXPECT(3, sys_pipe_write(p.write_end, "abc", 3));
    EXPECT(0, sys_handle_close(p.read_end));
    EXPECT(-EPIPE, sys_pipe_write(p.write_end, "d", 1));
    EXPECT(-EPIPE, sys_pipe_write(p.write_end, big, sizeof(big)));
    EXPECT(0, sys_handle_close(p.write_end));
}

/* ---- waiting ------------------------------------------------------------------------------------------------- */

struct job {
    struct thread thread;
    handle_t h;
    size_t n;
    int64_t result;
    bool write;
};

static int do_job(void *arg)
{
    struct job *j = arg;

    j->result = j->write ? sys_pipe_write(j->h, big, j->n) : sys_pipe_read(j->h, back, j->n);
    return 0;
}

static void begin(struct job *j, handle_t h, size_t n, bool write)
{
    *j = (struct job){ .h = h, .n = n, .write = write };
    NEED(thread_start(&j->thread, do_job, j, 0));
    NEED(sys_thread_sleep(3 * MS));
}

static int64_t end(struct job *j)
{
    NEED(thread_join(&j->thread, NULL));
    return j->result;
}

/* Sleepers are woken by bytes, by room, and by the other end's close; a long write goes on as room comes. */
static void sleepers(void)
{
    struct pipe_ends p = new_pipe(0);
    struct job j;
    size_t got = 0;

    begin(&j, p.read_end, 100, false);
    EXPECT(4, sys_pipe_write(p.write_end, "wake", 4));
    EXPECT(4, end(&j));
    begin(&j, p.read_end, 100, false);
    EXPECT(0, sys_handle_close(p.write_end));
    EXPECT(0, end(&j));
    EXPECT(0, sys_handle_close(p.read_end));

    p = new_pipe(0);
    fill_pattern(2);
    begin(&j, p.write_end, sizeof(big), true);
    while (got < sizeof(big))
        got += (size_t)NEED(sys_pipe_read(p.read_end, back + got, 5000));
    EXPECT(sizeof(big), end(&j));
    EXPECT(0, memcmp(big, back, sizeof(big)));
    begin(&j, p.write_end, sizeof(big), true);
    EXPECT(0, sys_handle_close(p.read_end));
    EXPECT(PIPE_SIZE, end(&j)); /* so much had gone in */
    EXPECT(-EPIPE, sys_pipe_write(p.write_end, big, 1));
    EXPECT(0, sys_handle_close(p.write_end));
}

/* The reader makes room and goes while the writer copies into it: that went in, or the writer is told. */
static void reader_leaves(void)
{
    for (int i = 0; i < 60; i++) {
        struct pipe_ends p = new_pipe(0);
        struct job j = { .h = p.write_end, .n = 2 * PIPE_SIZE, .write = true };
        size_t got = 0;

        NEED(thread_start(&j.thread, do_job, &j, 0));
        while (got < PIPE_SIZE)
            got += (size_t)NEED(sys_pipe_read(p.read_end, back, PIPE_SIZE - got));
        for (int turns = 10 * i; turns > 0; turns--) /* until it has been woken, more or less */
            (void)sys_yield();
        EXPECT(0, sys_handle_close(p.read_end));
        EXPECT_TRUE(end(&j) == PIPE_SIZE || j.result == 2 * PIPE_SIZE);
        EXPECT(-EPIPE, sys_pipe_write(p.write_end, big, 1));
        EXPECT(0, sys_handle_close(p.write_end));
    }
}

/* O_NONBLOCK belongs to the end: whoever holds a handle to it. */
static void shared_flags(void)
{
    struct pipe_ends p = new_pipe(0);
    handle_t copy = NEED_HANDLE(sys_handle_dup(p.read_end, RIGHT_READ, 0, 0));

    EXPECT(0, sys_pipe_flags(copy, 0, PIPE_NONBLOCK));
    EXPECT(-EAGAIN, sys_pipe_read(p.read_end, back, 1));
    EXPECT(0, sys_pipe_flags(p.write_end, 0, 0));
    EXPECT(PIPE_NONBLOCK, sys_pipe_flags(p.read_end, PIPE_NONBLOCK, 0));
    EXPECT(0, sys_pipe_flags(copy, 0, 0));
    EXPECT(0, sys_handle_close(copy));
    close_pipe(p);
}

/* ---- several writers and readers -------------------------------------------------------------------------------- */

enum { WRITERS = 3, RECORDS = 400, RECORD_MAX = PIPE_BUF };
static struct pipe_ends shared;

/* Records of a length, a writer and the same byte all over; each of them in one write. */
struct record {
    uint16_t len;
    uint8_t writer, fill;
};

static int write_records(void *arg)
{
    uint8_t me = (uint8_t)(uintptr_t)arg;
    char buf[RECORD_MAX];

    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record r = { (uint16_t)(sizeof(r) + (i * 977 + me * 131) % (RECORD_MAX - sizeof(r))),
                            me, (uint8_t)i };

        memset(buf, r.fill, r.len);
        memcpy(buf, &r, sizeof(r));
        EXPECT(r.len, sys_pipe_write(shared.write_end, buf, r.len));
    }
    return 0;
}

static void read_all(void *buf, size_t n)
{
    for (size_t got = 0; got < n;)
        got += (size_t)NEED(sys_pipe_read(shared.read_end, (char *)buf + got, n - got));
}

static void whole_records(void)
{
    struct thread t[WRITERS];
    uint32_t next[WRITERS] = { 0 };
    char buf[RECORD_MAX];

    shared = new_pipe(0);
    for (uintptr_t i = 0; i < WRITERS; i++)
        NEED(thread_start(&t[i], write_records, (void *)i, 0));
    for (int i = 0; i < WRITERS * RECORDS; i++) {
        struct record r;

        read_all(&r, sizeof(r));
        EXPECT_TRUE(r.writer < WRITERS && r.len >= sizeof(r) && r.len <= RECORD_MAX);
        EXPECT((uint8_t)next[r.writer]++, r.fill);
        read_all(buf, r.len - sizeof(r));
        for (size_t k = 0; k < r.len - sizeof(r); k++)
            EXPECT(r.fill, (uint8_t)buf[k]);
    }
    for (int i = 0; i < WRITERS; i++)
        NEED(thread_join(&t[i], NULL));
    close_pipe(shared);
}

static uint64_t sums[2];

static int read_bytes(void *arg)
{
    unsigned char buf[777];
    int64_t n;

    while ((n = NEED(sys_pipe_read(shared.read_end, buf, sizeof(buf)))) > 0)
        for (int64_t i = 0; i < n; i++)
            sums[(uintptr_t)arg] += buf[i];
    return 0;
}

/* Two readers: each byte goes to one of them. */
static void two_readers(void)
{
    struct thread t[2];
    uint64_t want = 0;

    shared = new_pipe(0);
    for (uintptr_t i = 0; i < 2; i++)
        NEED(thread_start(&t[i], read_bytes, (void *)i, 0));
    for (size_t i = 0, n; i < sizeof(big); i += n) {
        n = sizeof(big) - i < 3001 ? sizeof(big) - i : 3001;
        EXPECT(n, sys_pipe_write(shared.write_end, big + i, n));
    }
    EXPECT(0, sys_handle_close(shared.write_end));
    for (int i = 0; i < 2; i++)
        NEED(thread_join(&t[i], NULL));
    for (size_t i = 0; i < sizeof(big); i++)
        want += (unsigned char)big[i];
    EXPECT(want, sums[0] + sums[1]);
    EXPECT(0, sys_handle_close(shared.read_end));
}

/* ---- readiness ----------------------------------------------------------------------------------------------------- */

/* The next event of the port must be this one, or there must be none (0). */
static void expect_event(handle_t port, uint64_t token, uint32_t events)
{
    struct port_event e = { .token = 0 };

    EXPECT(events != 0, sys_port_wait(port, &e, 1, 0));
    EXPECT(token, e.token);
    EXPECT(events, e.events);
}

static void readiness(void)
{
    struct pipe_ends p = new_pipe(PIPE_NONBLOCK);
    handle_t port = NEED_HANDLE(sys_port_create());

    EXPECT(0, sys_port_add(port, p.read_end, EV_READABLE | EV_WRITABLE, 1));
    EXPECT(0, sys_port_add(port, p.write_end, EV_READABLE | EV_WRITABLE, 2));
    expect_event(port, 2, EV_WRITABLE);
    EXPECT(1, sys_pipe_write(p.write_end, "a", 1));
    expect_event(port, 1, EV_READABLE);
    EXPECT(1, sys_pipe_write(p.write_end, "b", 1)); /* more is an edge again */
    expect_event(port, 1, EV_READABLE);
    EXPECT(2, sys_pipe_read(p.read_end, back, 10));
    expect_event(port, 0, 0); /* it never was full */
    EXPECT(0, sys_port_del(port, p.read_end));
    EXPECT(0, sys_port_add(port, p.read_end, EV_READABLE, 1)); /* empty: not readable now */
    EXPECT(PIPE_SIZE, sys_pipe_write(p.write_end, big, sizeof(big)));
    expect_event(port, 1, EV_READABLE);
    EXPECT(PIPE_BUF - 1, sys_pipe_read(p.read_end, back, PIPE_BUF - 1));
    expect_event(port, 0, 0);
    EXPECT(1, sys_pipe_read(p.read_end, back, 1));
    expect_event(port, 2, EV_WRITABLE); /* a write of PIPE_BUF fits again */
    EXPECT(1000, sys_pipe_read(p.read_end, back, 1000));
    expect_event(port, 0, 0);
    EXPECT(0, sys_handle_close(p.write_end));
    expect_event(port, 1, EV_READABLE | EV_HUP);
    EXPECT(0, sys_handle_close(p.read_end));

    p = new_pipe(PIPE_NONBLOCK);
    EXPECT(0, sys_port_add(port, p.write_end, EV_READABLE, 3));
    expect_event(port, 0, 0);
    EXPECT(0, sys_handle_close(p.read_end));
    expect_event(port, 3, EV_HUP); /* always told */
    EXPECT(0, sys_handle_close(p.write_end));
    EXPECT(0, sys_handle_close(port));
}

/* ---- the library's view ------------------------------------------------------------------------------------------------ */

static void descriptors(void)
{
    int fds[2];
    struct stat st;
    FILE *in, *out;
    char line[40];

    EXPECT(0, pipe(fds));
    EXPECT_TRUE(fds[0] >= 0 && fds[1] > fds[0] && fds[1] < HANDLE_FD_MAX);
    EXPECT(5, write(fds[1], "hello", 5));
    EXPECT(5, read(fds[0], line, sizeof(line)));
    EXPECT(0, memcmp(line, "hello", 5));
    EXPECT(-1, read(fds[1], line, 1));
    EXPECT(EBADF, errno);
    EXPECT(-1, write(fds[0], line, 1));
    EXPECT(EBADF, errno);
    EXPECT(-1, lseek(fds[0], 0, SEEK_CUR));
    EXPECT(ESPIPE, errno);
    EXPECT(-1, pread(fds[0], line, 1, 0));
    EXPECT(ESPIPE, errno);
    EXPECT(-1, pwrite(fds[1], line, 1, 0));
    EXPECT(ESPIPE, errno);
    EXPECT(-1, ftruncate(fds[1], 0));
    EXPECT(EINVAL, errno);
    EXPECT(0, isatty(fds[0]));
    EXPECT(0, fstat(fds[0], &st));
    EXPECT_TRUE(S_ISFIFO(st.st_mode));
    EXPECT(O_RDONLY, fcntl(fds[0], F_GETFL));
    EXPECT(O_WRONLY, fcntl(fds[1], F_GETFL));
    EXPECT(0, fcntl(fds[0], F_SETFL, O_NONBLOCK));
    EXPECT(O_RDONLY | O_NONBLOCK, fcntl(fds[0], F_GETFL));
    EXPECT(-1, read(fds[0], line, 1));
    EXPECT(EAGAIN, errno);
    EXPECT(0, fcntl(fds[0], F_SETFL, 0));
    out = fdopen(fds[1], "w");
    in = fdopen(fds[0], "r");
    EXPECT_TRUE(fprintf(out, "line %d\nrest", 1) > 0);
    EXPECT(0, fclose(out));
    EXPECT_TRUE(fgets(line, sizeof(line), in) != NULL);
    EXPECT(0, strcmp(line, "line 1\n"));
    EXPECT_TRUE(fgets(line, sizeof(line), in) != NULL);
    EXPECT(0, strcmp(line, "rest"));
    EXPECT_TRUE(fgets(line, sizeof(line), in) == NULL);
    EXPECT(0, fclose(in));
    EXPECT(0, pipe2(fds, O_NONBLOCK | O_CLOEXEC));
    EXPECT(-1, read(fds[0], line, 1));
    EXPECT(EAGAIN, errno);
    EXPECT(0, close(fds[0]));
    EXPECT(-1, write(fds[1], line, 1));
    EXPECT(EPIPE, errno);
    EXPECT(0, close(fds[1]));
    EXPECT(-1, pipe2(fds, O_CREAT));
    EXPECT(EINVAL, errno);
}

/* ---- other processes ------------------------------------------------------------------------------------------------------ */

static int child_main(const char *what)
{
    handle_t h = start_handle(START_BLK);

    if (strcmp(what, "echo") == 0)
        for (int64_t n; (n = sys_pipe_read(h, back, 1000)) > 0;)
            EXPECT(n, sys_pipe_write(start_handle(START_SERIAL), back, (size_t)n));
    else if (strcmp(what, "read") == 0)
        for (;;)
            (void)sys_pipe_read(h, back, sizeof(back));
    else
        for (;;)
            (void)sys_pipe_write(h, big, sizeof(big));
    return 0;
}

static handle_t child(const char *what, handle_t first, handle_t second)
{
    char *argv[] = { "ipc_pipe", (char *)(uintptr_t)what, NULL };
    struct spawn_handle more[] = { { START_BLK, first, RIGHT_SAME },
                                   { START_SERIAL, second, RIGHT_SAME } };

    return test_spawn("test/ipc_pipe", argv, more, second == HANDLE_NONE ? 1 : 2);
}

static void to_a_child_and_back(void)
{
    struct pipe_ends there = new_pipe(0), here = new_pipe(0);
    handle_t peer = child("echo", there.read_end, here.write_end);
    size_t sent = 0, got = 0;

    EXPECT(0, sys_handle_close(there.read_end));
    EXPECT(0, sys_handle_close(here.write_end));
    fill_pattern(3);
    while (got < PIPE_SIZE) {
        if (sent < PIPE_SIZE)
            sent += (size_t)NEED(sys_pipe_write(there.write_end, big + sent, 512));
        if (sent == PIPE_SIZE && there.write_end != HANDLE_NONE) {
            EXPECT(0, sys_handle_close(there.write_end));
            there.write_end = HANDLE_NONE;
        }
        int64_t n = NEED(sys_pipe_read(here.read_end, back + got, 512));
        EXPECT_TRUE(n > 0);
        got += (size_t)n;
    }
    EXPECT(0, memcmp(big, back, PIPE_SIZE));
    EXPECT(0, sys_pipe_read(here.read_end, back, 1));
    EXPECT(0, test_wait(peer));
    EXPECT(0, sys_handle_close(here.read_end));
}

/* Killed in the middle of reading and writing: the other side sees the end, and nothing stays. */
static void killed_users(void)
{
    for (int i = 0; i < 12; i++) {
        struct pipe_ends p = new_pipe(0);
        bool reader = i % 2;
        handle_t mine = reader ? p.write_end : p.read_end;
        handle_t theirs = reader ? p.read_end : p.write_end;
        handle_t peer = child(reader ? "read" : "write", theirs, HANDLE_NONE);
        int64_t n;

        EXPECT(0, sys_handle_close(theirs));
        for (int k = 0; k < i * 3 + 1; k++)
            NEED(reader ? sys_pipe_write(mine, big, 3000) : sys_pipe_read(mine, back, 3000));
        EXPECT(0, sys_process_kill(peer, 9));
        EXPECT(9, test_wait(peer));
        if (reader)
            EXPECT(-EPIPE, sys_pipe_write(mine, big, 1));
        else
            while ((n = NEED(sys_pipe_read(mine, back, sizeof(back)))) > 0)
                ;
        EXPECT(0, sys_handle_close(mine));
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------- */

static uint64_t free_pages(void)
{
    struct machine_info info;

    NEED(sys_machine_info(start_handle(START_MACHINE), &info));
    return info.free_pages;
}

/* Empty pipes have no pages, full ones 16, and drained ones none again. */
static void memory(void)
{
    enum { PIPES = 64 };
    struct pipe_ends p[PIPES];
    uint64_t before, full, drained;

    for (int i = 0; i < PIPES; i++)
        p[i] = new_pipe(PIPE_NONBLOCK);
    before = free_pages();
    for (int i = 0; i < PIPES; i++)
        EXPECT(PIPE_SIZE, sys_pipe_write(p[i].write_end, big, sizeof(big)));
    full = free_pages();
    EXPECT_TRUE(before - full >= PIPES * 15 && before - full <= PIPES * 18);
    for (int i = 0; i < PIPES; i++)
        EXPECT(PIPE_SIZE, sys_pipe_read(p[i].read_end, back, sizeof(back)));
    drained = free_pages();
    EXPECT_TRUE(before <= drained + PIPES);
    for (int i = 0; i < PIPES; i++) {
        EXPECT(PIPE_SIZE, sys_pipe_write(p[i].write_end, big, sizeof(big)));
        EXPECT(0, sys_handle_close(i % 2 ? p[i].read_end : p[i].write_end)); /* either end first */
        EXPECT(0, sys_handle_close(i % 2 ? p[i].write_end : p[i].read_end));
    }
    EXPECT_TRUE(before <= free_pages() + PIPES);
}

int main(int argc, char **argv)
{
    struct process_info before, after;

    if (argc > 1)
        return child_main(argv[1]);
    NEED(sys_process_info(HANDLE_SELF, &before));
    refusals();
    bad_addresses();
    order();
    capacity();
    ends();
    sleepers();
    reader_leaves();
    shared_flags();
    whole_records();
    two_readers();
    readiness();
    descriptors();
    to_a_child_and_back();
    killed_users();
    memory();
    NEED(sys_process_info(HANDLE_SELF, &after));
    EXPECT(before.handles, after.handles);
    test_mark("PIPE: ok");
    return 0;
}
