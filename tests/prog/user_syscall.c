/*
 * `test=user.syscall`: what a program may hand to the kernel by mistake or in malice. Each case must
 * give the documented error, and afterwards the process has as many handles and as much mapped
 * memory as before.
 */
#include <rugo/thread.h>

#include "tests/prog/test.h"

#define KERNEL_ADDR  0xffffffff80000000u
#define NONCANONICAL 0x8000000000000000u

static handle_t log_h, machine, job;
static char *page;                  /* two pages, readable and writable */
static char *readonly;              /* a page that can only be read */

static void map_pages(void)
{
    uintptr_t at =
        (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, 4 * PAGE_SIZE, VM_READ | VM_WRITE, 0));

    page = (char *)at;
    readonly = (char *)at + 2 * PAGE_SIZE;
    memset(page, 'x', PAGE_SIZE);
    *readonly = 'r';
    NEED(sys_vm_protect(HANDLE_SELF, (uintptr_t)readonly, PAGE_SIZE, VM_READ));
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static void test_numbers(void)
{
    static const uint64_t unknown[] = { 0,
                                        1,
                                        60,
                                        231,
                                        0xfff,
                                        0x1000 + 57,
                                        0x1fff,
                                        0x2000,
                                        0xffff,
                                        0x7fffffff,
                                        0x80000000,
                                        UINT64_C(0x100001003),
                                        INT64_MIN + 0x1003ull,
                                        UINT64_MAX };

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        EXPECT(-ENOSYS, rugo_syscall6(unknown[i], 1, 2, 3, 4, 5, 6));
    EXPECT(0, rugo_syscall0(SYS_yield));
}

/* Registers that a call must leave alone: all but rax, rcx and r11. */
static void test_registers(void)
{
    uint64_t number = SYS_yield, bad = 0;

    __asm__ volatile("mov $0x11, %%rbx; mov $0x12, %%rdx; mov $0x13, %%rsi; mov $0x14, %%rdi\n\t"
                     "mov $0x15, %%r8; mov $0x16, %%r9; mov $0x17, %%r10; mov $0x18, %%r12\n\t"
                     "mov $0x19, %%r13; mov $0x1a, %%r14; mov $0x1b, %%r15\n\t"
                     "syscall\n\t"
                     "sub $0x11, %%rbx; sub $0x12, %%rdx; sub $0x13, %%rsi; sub $0x14, %%rdi\n\t"
                     "sub $0x15, %%r8; sub $0x16, %%r9; sub $0x17, %%r10; sub $0x18, %%r12\n\t"
                     "sub $0x19, %%r13; sub $0x1a, %%r14; sub $0x1b, %%r15\n\t"
                     "or %%rbx, %%rdx; or %%rsi, %%rdx; or %%rdi, %%rdx; or %%r8, %%rdx\n\t"
                     "or %%r9, %%rdx; or %%r10, %%rdx; or %%r12, %%rdx; or %%r13, %%rdx\n\t"
                     "or %%r14, %%rdx; or %%r15, %%rdx"
                     : "+a"(number), "=&d"(bad)
                     :
                     : "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "rcx", "memory");
    EXPECT(0, number);
    EXPECT(0, bad);
}

/* ---- pointers ------------------------------------------------------------------------------------- */

static int64_t write_log(uint64_t addr, uint64_t len)
{
    return rugo_syscall3(SYS_debug_write, (uint64_t)log_h, addr, len);
}

static int64_t info_to(uint64_t addr)
{
    return rugo_syscall2(SYS_machine_info, (uint64_t)machine, addr);
}

/* Addresses that no program can read or write n bytes at. */
static const uint64_t bad_addr[] = { 0,
                                     8,
                                     USER_MAX - 8,
                                     USER_MAX,
                                     0x7fffffffffff,
                                     0x800000000000,
                                     NONCANONICAL,
                                     KERNEL_ADDR,
                                     UINT64_C(0xffff800000000000),
                                     UINT64_MAX - 7,
                                     UINT64_MAX };

static void test_pointers(void)
{
    uint64_t unmapped = (uint64_t)(uintptr_t)page + PAGE_SIZE;

    NEED(sys_vm_unmap(HANDLE_SELF, unmapped, PAGE_SIZE));
    for (size_t i = 0; i < sizeof(bad_addr) / sizeof(bad_addr[0]); i++) {
        EXPECT(-EFAULT, write_log(bad_addr[i], 16));
        EXPECT(-EFAULT, info_to(bad_addr[i]));
    }
    EXPECT(-EFAULT, write_log(unmapped, 1));
    EXPECT(-EFAULT, info_to(unmapped));
    EXPECT(-EFAULT, write_log(unmapped - 4, 16)); /* straddling */
    EXPECT(-EFAULT, info_to(unmapped - 4));
    EXPECT(-EFAULT, write_log(KERNEL_ADDR - 4, 16));
    EXPECT(-EFAULT, info_to((uint64_t)(uintptr_t)readonly));
    EXPECT('r', *readonly);
    EXPECT(-EFAULT, info_to((uint64_t)(uintptr_t)test_secret & ~UINT64_C(7)));
    EXPECT(-EFAULT, info_to((uint64_t)(uintptr_t)&test_pointers));

    EXPECT_TRUE(sys_vm_map(HANDLE_SELF, unmapped, PAGE_SIZE, VM_READ, VM_FIXED) > 0);

    /* Arrays whose size overflows. */
    handle_t port = NEED_HANDLE(sys_port_create());
    struct port_event *events = (void *)page;
    EXPECT_TRUE(sys_port_wait(port, events, UINT64_MAX, 0) <= 0);
    EXPECT_TRUE(sys_port_wait(port, events, UINT64_MAX / sizeof(*events) + 2, 0) <= 0);
    memset(page, 'x', PAGE_SIZE);
    EXPECT_TRUE(sys_job_list(job, (uint64_t *)(uintptr_t)bad_addr[0], 4) == -EFAULT);
    EXPECT(-EFAULT, sys_job_list(job, (uint64_t *)(uintptr_t)KERNEL_ADDR, UINT64_MAX / 8 + 1));
    EXPECT(0, sys_handle_close(port));
}

/* ---- handles ---------------------------------------------------------------------------------------- */

static void test_handles(void)
{
    static const handle_t never[] = { HANDLE_NONE, -3,         -4095,      INT32_MIN, 1023,
                                      1024,        0x3fffffff, 0x7fffffff, 0x40ffffff };
    handle_t port = NEED_HANDLE(sys_port_create()), again;
    struct machine_info info;
    int64_t what = NEED(sys_handle_info(port));

    EXPECT(OBJ_PORT, what >> 32);
    EXPECT_TRUE(port & HANDLE_HIGH);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        EXPECT(-EBADF, sys_handle_close(never[i]));
        EXPECT(-EBADF, sys_handle_info(never[i]));
        EXPECT(-EBADF, sys_machine_info(never[i], &info));
    }
    EXPECT(-EBADF, sys_handle_close(HANDLE_SELF));
    EXPECT(0, sys_handle_close(port));
    EXPECT(-EBADF, sys_handle_close(port));
    again = NEED_HANDLE(sys_port_create());
    EXPECT_TRUE(again != port); /* the same place, another generation */
    EXPECT(-EBADF, sys_handle_info(port));

    EXPECT(-ENODEV, sys_machine_info(again, &info)); /* the wrong type */
    EXPECT(-ENODEV, sys_ipc_recv(again, 0, 0));
    EXPECT(-ENODEV, sys_timer_set(again, 0, 0));
    EXPECT(-ENODEV, sys_shm_size(again));
    EXPECT(-ENODEV, sys_process_kill(again, 9));
    EXPECT(-ENODEV, sys_vm_map(again, 0, PAGE_SIZE, VM_READ, 0));
    EXPECT(-EBADF, sys_vm_map(port, 0, PAGE_SIZE, VM_READ, 0));

    /* Rights only shrink. */
    uint32_t rights = (uint32_t)NEED(sys_handle_info(again));
    handle_t weak = NEED_HANDLE(sys_handle_dup(again, rights & ~(uint32_t)RIGHT_WRITE, 0, 0));
    EXPECT(-EACCES, sys_port_add(weak, weak, EV_READABLE, 1));
    EXPECT(-EACCES, sys_handle_dup(weak, rights, 0, 0));
    handle_t dull = NEED_HANDLE(sys_handle_dup(weak, RIGHT_READ, 0, 0));
    EXPECT(-EACCES, sys_handle_dup(dull, RIGHT_READ, 0, 0));
    EXPECT(-EINVAL, sys_handle_dup(again, RIGHT_ALL + 1, 0, 0));
    EXPECT(-EINVAL, sys_handle_dup(again, rights, 0x80, 0));
    EXPECT(-EACCES, sys_machine_power(machine, POWER_OFF));
    EXPECT(-EACCES, sys_machine_exit(machine, 0));
    EXPECT(0, sys_handle_close(dull));
    EXPECT(0, sys_handle_close(weak));
    EXPECT(0, sys_handle_close(again));
}

/* Descriptors: lowest free first, exact places. */
static void test_descriptors(void)
{
    handle_t port = NEED_HANDLE(sys_port_create());
    uint32_t rights = (uint32_t)NEED(sys_handle_info(port));

    EXPECT(5, sys_handle_dup(port, rights, HANDLE_FD, 5));
    EXPECT(6, sys_handle_dup(port, rights, HANDLE_FD, 5));
    EXPECT(0, sys_handle_close(5));
    EXPECT(5, sys_handle_dup(port, rights, HANDLE_FD, 5));
    EXPECT(9, sys_handle_dup(port, rights, HANDLE_EXACT, 9));
    EXPECT(9, sys_handle_dup(port, rights, HANDLE_EXACT, 9));
    EXPECT(-EINVAL, sys_handle_dup(port, rights, HANDLE_EXACT, HANDLE_FD_MAX));
    EXPECT(-EINVAL, sys_handle_dup(port, rights, HANDLE_EXACT, -1));
    EXPECT(-EINVAL, sys_handle_dup(port, rights, HANDLE_FD, HANDLE_FD_MAX));
    EXPECT(0, sys_handle_close(5));
    EXPECT(0, sys_handle_close(6));
    EXPECT(0, sys_handle_close(9));
    EXPECT(0, sys_handle_close(port));
}

/* All descriptors in use: the next is refused, one that is exact is not, and what was refused has left nothing. */
static void test_full_descriptors(void)
{
    handle_t port = NEED_HANDLE(sys_port_create()), h;
    uint32_t rights = (uint32_t)NEED(sys_handle_info(port));
    struct pipe_ends ends = { 1, 2 };

    do
        h = sys_handle_dup(port, rights, HANDLE_FD, 100);
    while (h >= 0);
    EXPECT(-EMFILE, h);
    EXPECT(-EMFILE, sys_handle_dup(port, rights, HANDLE_FD, HANDLE_FD_MAX - 1));
    EXPECT(HANDLE_FD_MAX - 1, sys_handle_dup(port, rights, HANDLE_EXACT, HANDLE_FD_MAX - 1));
    for (h = 0; h < 100; h++) /* room for one end of a pipe is not enough */
        (void)sys_handle_dup(port, rights, HANDLE_EXACT, h);
    EXPECT(-EMFILE, sys_pipe_create(PIPE_FD, &ends));
    EXPECT(0, sys_handle_close(50));
    EXPECT(-EMFILE, sys_pipe_create(PIPE_FD, &ends));
    EXPECT(-EBADF, sys_handle_info(50));
    EXPECT(1, ends.read_end);
    EXPECT(2, ends.write_end);
    for (h = 0; h < (handle_t)HANDLE_FD_MAX; h++)
        EXPECT(h == 50 ? -EBADF : 0, sys_handle_close(h));
    EXPECT(0, sys_handle_close(port));
}

/* ---- memory ----------------------------------------------------------------------------------------- */

static int64_t map(uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags)
{
    return sys_vm_map(HANDLE_SELF, addr, len, prot, flags);
}

static void test_memory(void)
{
    uint64_t at = (uint64_t)(uintptr_t)page;

    EXPECT(-EINVAL, map(0, 0, VM_READ, 0));
    EXPECT(-EINVAL, map(0, 100, VM_READ, 0));
    EXPECT(-EINVAL, map(0, PAGE_SIZE, VM_READ | VM_WRITE | VM_EXEC, 0));
    EXPECT(-EINVAL, map(0, PAGE_SIZE, 0x80, 0));
    EXPECT(-EINVAL, map(0, PAGE_SIZE, VM_READ, 0x8000));
    EXPECT(-EEXIST, map(at, PAGE_SIZE, VM_READ, VM_FIXED));
    EXPECT(-EINVAL, map(0, PAGE_SIZE, VM_READ, VM_FIXED));
    EXPECT(-EINVAL, map(at + 1, PAGE_SIZE, VM_READ, VM_FIXED));
    EXPECT(-EINVAL, map(USER_MAX, PAGE_SIZE, VM_READ, VM_FIXED));
    EXPECT(-EINVAL, map(USER_MAX - PAGE_SIZE, 2 * PAGE_SIZE, VM_READ, VM_FIXED));
    EXPECT(-EINVAL, map(KERNEL_ADDR, PAGE_SIZE, VM_READ, VM_FIXED));
    EXPECT_TRUE(map(0, UINT64_C(1) << 60, VM_READ, 0) < 0);
    EXPECT_TRUE(map(0, UINT64_MAX & ~UINT64_C(4095), VM_READ, 0) < 0);
    EXPECT(-EINVAL, sys_vm_unmap(HANDLE_SELF, at, 0));
    EXPECT(-EINVAL, sys_vm_unmap(HANDLE_SELF, at + 1, PAGE_SIZE));
    EXPECT(-EINVAL, sys_vm_unmap(HANDLE_SELF, KERNEL_ADDR, PAGE_SIZE));
    EXPECT(-EINVAL, sys_vm_unmap(HANDLE_SELF, at, UINT64_MAX & ~UINT64_C(4095)));
    EXPECT(-EINVAL, sys_vm_protect(HANDLE_SELF, at, PAGE_SIZE, VM_WRITE | VM_EXEC));
    NEED(sys_vm_unmap(HANDLE_SELF, at + PAGE_SIZE, PAGE_SIZE));
    EXPECT(-EINVAL, sys_vm_protect(HANDLE_SELF, at, 2 * PAGE_SIZE, VM_READ));
    EXPECT('x', *page);
    *page = 'x'; /* still writable */
}

static void test_shm(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(5000, 0)), weak;

    EXPECT(2 * PAGE_SIZE, sys_shm_size(shm));
    EXPECT_TRUE(sys_shm_create(0, 0) == -EINVAL);
    EXPECT(-EINVAL, sys_shm_create(PAGE_SIZE, 1));
    EXPECT_TRUE(sys_shm_create(UINT64_MAX, 0) < 0);
    EXPECT(-EINVAL, sys_shm_map(HANDLE_SELF, shm, 0, 3 * PAGE_SIZE, 0, VM_READ));
    EXPECT(-EINVAL, sys_shm_map(HANDLE_SELF, shm, 1, PAGE_SIZE, 0, VM_READ));
    EXPECT(-EINVAL, sys_shm_map(HANDLE_SELF, shm, 2 * PAGE_SIZE, PAGE_SIZE, 0, VM_READ));
    EXPECT(-EINVAL, sys_shm_map(HANDLE_SELF, shm, UINT64_MAX - 4095, 2 * PAGE_SIZE, 0, VM_READ));
    EXPECT(-EINVAL, sys_shm_map(HANDLE_SELF, shm, 0, PAGE_SIZE, 0, VM_WRITE | VM_EXEC));
    EXPECT(-EEXIST,
           sys_shm_map(HANDLE_SELF, shm, 0, PAGE_SIZE, (uintptr_t)page, VM_READ | VM_FIXED));
    weak = NEED_HANDLE(sys_handle_dup(shm, RIGHT_READ, 0, 0));
    EXPECT(-EACCES, sys_shm_map(HANDLE_SELF, weak, 0, PAGE_SIZE, 0, VM_READ | VM_WRITE));
    EXPECT(0, sys_handle_close(weak));
    EXPECT(0, sys_handle_close(shm));
}

/* ---- messages --------------------------------------------------------------------------------------- */

static struct ipc_msg *empty_message(void)
{
    struct ipc_msg *msg = ipc_buffer();

    memset(msg, 0, offsetof(struct ipc_msg, data));
    return msg;
}

/* What a message may not say; the endpoint must then still have nothing to receive. */
static void test_messages(handle_t ep, handle_t session)
{
    handle_t port = NEED_HANDLE(sys_port_create());

    empty_message()->len = IPC_DATA_MAX + 1;
    EXPECT(-E2BIG, sys_ipc_send(session, 0));
    empty_message()->len = UINT32_MAX;
    EXPECT(-E2BIG, sys_ipc_call(session, 0));
    empty_message()->nhandles = IPC_HANDLE_MAX + 1;
    EXPECT_TRUE(sys_ipc_send(session, 0) < 0);
    empty_message()->nhandles = 1;
    ipc_buffer()->handles[0] = -5;
    EXPECT(-EBADF, sys_ipc_send(session, 0));
    empty_message()->nhandles = 1;
    ipc_buffer()->handles[0] = ep; /* receive rights never travel */
    EXPECT(-EPERM, sys_ipc_send(session, 0));
    handle_t fixed = NEED_HANDLE(sys_handle_dup(port, RIGHT_READ, 0, 0));
    empty_message()->nhandles = 1;
    ipc_buffer()->handles[0] = fixed; /* without the right TRANSFER */
    EXPECT(-EACCES, sys_ipc_send(session, 0));
    EXPECT(0, sys_handle_close(fixed));
    (void)empty_message();
    EXPECT(-EINVAL, sys_ipc_send(session, 0x100));
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0));
    EXPECT(0, sys_handle_close(port));
}

static void test_endpoints(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0)), session, weak;
    uint64_t id;
    char byte;

    EXPECT(-EINVAL, sys_endpoint_create(1));
    EXPECT(-EINVAL, sys_session_create(ep, 1, 0x80, &id));
    EXPECT(-EFAULT, sys_session_create(ep, 1, 0, (uint64_t *)(uintptr_t)KERNEL_ADDR));
    session = NEED_HANDLE(sys_session_create(ep, 1, 0, &id));
    test_messages(ep, session);
    EXPECT(-EINVAL, sys_ipc_recv(ep, 0x100, 0));
    EXPECT(-ETIMEDOUT, sys_ipc_recv(ep, 0, 1 * MS));
    EXPECT(-ENODEV, sys_ipc_recv(session, 0, 0));
    EXPECT(-ENODEV, sys_ipc_call(ep, 0));
    (void)empty_message(); /* with a time-out it is tried the fast way first */
    EXPECT(-ENODEV, sys_ipc_call(ep, TIMEOUT_NEVER));
    EXPECT(-ENODEV, sys_ipc_reply_recv(session, 1, 0, TIMEOUT_NEVER));
    (void)empty_message();
    EXPECT(-ETIMEDOUT, sys_ipc_call(session, 1 * MS));
    EXPECT(-EAGAIN, sys_ipc_recv(ep, IPC_NONBLOCK, 0)); /* withdrawn */
    (void)empty_message();
    EXPECT(-ESRCH, sys_ipc_reply(ep, 12345));
    EXPECT(-ESRCH, sys_msg_read(ep, 12345, 0, &byte, 1));
    EXPECT(-ESRCH, sys_msg_write(ep, 0, 0, &byte, 1));
    EXPECT(-EINVAL, sys_session_signal(ep, id, 0, 0x4000));
    EXPECT(-ENOENT, sys_session_signal(ep, id + 1000, 0, EV_READABLE));
    EXPECT(-ENOENT, sys_session_revoke(ep, id + 1000));
    weak = NEED_HANDLE(sys_handle_dup(ep, RIGHT_WAIT, 0, 0));
    EXPECT(-EACCES, sys_ipc_recv(weak, IPC_NONBLOCK, 0));
    EXPECT(-EACCES, sys_endpoint_reset(weak));
    EXPECT(-EACCES, sys_session_create(weak, 1, 0, &id));
    EXPECT(0, sys_handle_close(weak));
    EXPECT(0, sys_handle_close(ep));
    (void)empty_message();
    EXPECT(-EPIPE, sys_ipc_call(session, TIMEOUT_NEVER));
    (void)empty_message();
    EXPECT(-EPIPE, sys_ipc_send(session, 0));
    EXPECT(0, sys_handle_close(session));
}

/* ---- ports, timers, time ------------------------------------------------------------------------------ */

static void test_ports(void)
{
    handle_t port = NEED_HANDLE(sys_port_create()), other = NEED_HANDLE(sys_port_create());
    handle_t timer = NEED_HANDLE(sys_timer_create()), shm = NEED_HANDLE(sys_shm_create(1, 0));
    struct port_event event;

    EXPECT(-EINVAL, sys_port_wait(port, &event, 0, 0));
    EXPECT(0, sys_port_wait(port, &event, 1, 0));
    EXPECT(-ETIMEDOUT, sys_port_wait(port, &event, 1, 1 * MS));
    EXPECT(-EINVAL, sys_port_add(port, timer, 0x80000000, 1));
    EXPECT_TRUE(sys_port_add(port, other, EV_READABLE, 1) < 0);
    EXPECT_TRUE(sys_port_add(port, shm, EV_READABLE, 1) < 0);
    EXPECT(-ENOENT, sys_port_del(port, timer));
    EXPECT(0, sys_port_add(port, timer, EV_TIMER, 0x123456789abcdef0));
    EXPECT(-EEXIST, sys_port_add(port, timer, EV_TIMER, 2));
    EXPECT(-EINVAL, sys_timer_set(timer, INT64_MAX, UINT64_MAX));
    EXPECT(0, sys_timer_set(timer, sys_time_now(CLOCK_MONOTONIC) + MS, 0));
    EXPECT(1, sys_port_wait(port, &event, 1, 1000 * MS));
    EXPECT(0x123456789abcdef0, event.token);
    EXPECT(EV_TIMER, event.events);
    /* Set again, and stopped: it does not fire. */
    EXPECT(0, sys_timer_set(timer, sys_time_now(CLOCK_MONOTONIC) + MS, 1));
    EXPECT(0, sys_timer_set(timer, -1, 1));
    (void)sys_port_wait(port, &event, 1, 0); /* it may have fired before */
    EXPECT(-ETIMEDOUT, sys_port_wait(port, &event, 1, 5 * MS));
    EXPECT(0, sys_port_del(port, timer));
    EXPECT(0, sys_handle_close(timer));
    EXPECT(0, sys_handle_close(other));
    EXPECT(0, sys_handle_close(port));
    EXPECT(0, sys_handle_close(shm));

    EXPECT(-EINVAL, sys_time_now(99));
    EXPECT(-EINVAL, sys_thread_sleep(-1));
    EXPECT(-EINVAL, sys_thread_set_tls(NONCANONICAL));
    EXPECT(-EINVAL, sys_thread_set_tls(KERNEL_ADDR));
}

/* ---- processes ---------------------------------------------------------------------------------------- */

static void test_processes(void)
{
    char long_name[NAME_LEN + 1];
    handle_t proc;
    uint64_t addr;

    memset(long_name, 'n', sizeof(long_name));
    EXPECT(-EINVAL, sys_process_create(job, "", 0));
    EXPECT(-EINVAL, sys_process_create(job, "a\0b", 3));
    EXPECT(-EINVAL, sys_process_create(job, long_name, NAME_LEN));
    EXPECT(-EFAULT, sys_process_create(job, (char *)(uintptr_t)KERNEL_ADDR, 4));
    proc = NEED_HANDLE(sys_process_create(job, "child", 5));
    EXPECT(-EAGAIN, sys_process_status(proc));
    EXPECT(-EREMOTEIO, sys_process_write(proc, 0x10000, "x", 1));
    addr = (uint64_t)NEED(sys_vm_map(proc, 0, PAGE_SIZE, VM_READ, 0));
    EXPECT(1, sys_process_write(proc, addr, "x", 1));
    EXPECT(-EFAULT, sys_process_write(proc, addr, (char *)(uintptr_t)KERNEL_ADDR, 1));
    EXPECT_TRUE(sys_process_write(proc, KERNEL_ADDR, "x", 1) == -EREMOTEIO);
    EXPECT(-EINVAL, sys_process_grant(proc, log_h, RIGHT_WRITE, 0x80, 0));
    EXPECT(-EBADF, sys_process_grant(proc, 1023, RIGHT_WRITE, 0, 0));
    EXPECT(-EINVAL, sys_thread_spawn(proc, KERNEL_ADDR, addr, 0, 0, 0));
    EXPECT(-EINVAL, sys_thread_spawn(proc, addr, NONCANONICAL, 0, 0, 0));
    EXPECT(-EINVAL, sys_thread_spawn(proc, addr, addr, 0, 0, 0x80));
    EXPECT(0, sys_process_kill(proc, 9));
    EXPECT(9, sys_process_status(proc));
    EXPECT(-ESRCH, sys_thread_spawn(proc, addr, addr, 0, 0, 0));
    EXPECT(-ESRCH, sys_process_grant(proc, log_h, RIGHT_WRITE, 0, 0));
    EXPECT(0, sys_handle_close(proc));

    EXPECT(-ENOENT, sys_process_open(job, UINT64_MAX, RIGHT_INSPECT));
    EXPECT(-ENOENT, sys_process_open(job, 1, RIGHT_INSPECT)); /* svcman is not in our job */
    EXPECT(-EACCES, sys_process_open(job, 1, RIGHT_EXEC));
    handle_t inner = NEED_HANDLE(sys_job_create(job));
    EXPECT(0, sys_job_kill(inner));
    EXPECT(-ESRCH, sys_process_create(inner, "x", 1));
    EXPECT(0, sys_handle_close(inner));
}

static int no_buffer(void *arg)
{
    (void)arg;
    return sys_ipc_recv(*(handle_t *)arg, IPC_NONBLOCK, 0);
}

/* A thread that never asked for its message buffer. */
static void test_no_buffer(void)
{
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    struct thread thread;
    int result = 0;

    NEED(thread_start(&thread, no_buffer, &ep, 0));
    NEED(thread_join(&thread, &result));
    EXPECT(-ENOBUFS, result);
    EXPECT(0, sys_handle_close(ep));
}

int main(void)
{
    struct process_info before, after;

    log_h = start_handle(START_LOG);
    machine = start_handle(START_MACHINE);
    job = start_handle(START_JOB);
    map_pages();
    test_no_buffer();
    NEED(sys_process_info(HANDLE_SELF, &before));
    test_numbers();
    test_registers();
    test_pointers();
    test_handles();
    test_descriptors();
    test_full_descriptors();
    test_memory();
    test_shm();
    test_endpoints();
    test_ports();
    test_processes();
    test_no_buffer();
    NEED(sys_process_info(HANDLE_SELF, &after));
    EXPECT(before.handles, after.handles);
    EXPECT(before.threads, after.threads);
    test_mark("SYSCALL: ok");
    return 0;
}
