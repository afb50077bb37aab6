/*
 * `test=stress.memory [kind=K]`: bombs. A child in a deep job takes all there is of one thing and holds it; its
 * parent, a core service for the kernel, can meanwhile start a program and talk to it. After the bomb's end all is
 * back. `stress_memory bomb KIND` is the bomb alone, for a shell.
 */
#include <rugo/thread.h>

#include "tests/prog/stress.h"

enum { MIB = 1 << 20 };

/* ---- bombs: each takes one more piece; false: there is no more ---- */

static bool take_vm(void)
{
    int64_t at = sys_vm_map(HANDLE_SELF, 0, MIB, VM_READ | VM_WRITE, 0);

    for (size_t i = 0; at > 0 && i < MIB; i += PAGE_SIZE)
        *(volatile char *)(at + (int64_t)i) = 1;        /* ends the bomb when memory is out */
    return at > 0;
}

static bool take_shm(void)
{
    handle_t shm = sys_shm_create(MIB, 0);
    handle_t target = shm < 0 ? shm : sys_process_create(start_handle(START_JOB), "t", 1);
    int64_t at = target < 0 ? target : sys_shm_map(target, shm, 0, MIB, 0, VM_READ | VM_WRITE);

    /* Touched through a copy to user memory, which fails where a touch would kill. */
    for (size_t i = 0; at > 0 && i < MIB; i += PAGE_SIZE) {
        static int64_t own;
        if (i == 0)
            own = sys_shm_map(HANDLE_SELF, shm, 0, MIB, 0, VM_READ | VM_WRITE);
        if (own <= 0 || sys_process_info(HANDLE_SELF, (void *)(own + (int64_t)i)) != 0)
            return false;
    }
    return at > 0;
}

static int sleep_long(void *arg)
{
    (void)arg;
    (void)sys_thread_sleep(INT64_MAX);
    return 0;
}

static bool take_thread(void)
{
    static struct thread unused;

    return thread_start(&unused, sleep_long, NULL, PAGE_SIZE) == 0;
}

static bool take_process(void)
{
    handle_t p = sys_process_create(start_handle(START_JOB), "p", 1);

    return p >= 0 && sys_vm_map(p, 0, PAGE_SIZE, VM_READ, 0) > 0 &&
           sys_process_grant(p, start_handle(START_JOB), RIGHT_INSPECT, HANDLE_FD, 0) >= 0;
}

static bool take_handle(void)
{
    static handle_t target = HANDLE_NONE;

    if (sys_handle_dup(start_handle(START_JOB), RIGHT_INSPECT, 0, 0) >= 0)
        return true;
    if (target >= 0 && sys_process_grant(target, start_handle(START_JOB), RIGHT_INSPECT, 0, 0) >= 0)
        return true;
    target = sys_process_create(start_handle(START_JOB), "h", 1);
    return target >= 0;
}

static bool take_message(void)
{
    static handle_t ep = HANDLE_NONE, session = HANDLE_NONE;
    struct ipc_msg *m = ipc_buffer();
    uint64_t id;

    memset(m, 0, offsetof(struct ipc_msg, data));
    m->len = IPC_DATA_MAX;
    if (session >= 0 && sys_ipc_send(session, IPC_NONBLOCK) == 0)
        return true;
    if (ep < 0)
        ep = sys_endpoint_create(0);
    session = sys_session_create(ep, 1, 0, &id);
    return session >= 0 && sys_ipc_send(session, IPC_NONBLOCK) == 0;
}

static bool take_region(void)
{
    static uintptr_t at = 0x300000000000;

    at += 2 * PAGE_SIZE;
    return sys_vm_map(HANDLE_SELF, at, PAGE_SIZE, VM_READ, VM_FIXED) > 0;
}

/* Page tables: one page touched in each 2 MiB. */
static bool take_table(void)
{
    static uintptr_t at = 0x300000000000;

    at += 2 * MIB;
    if (sys_vm_map(HANDLE_SELF, at, PAGE_SIZE, VM_READ | VM_WRITE, VM_FIXED) < 0)
        return false;
    *(volatile char *)at = 1;
    return true;
}

static bool take_port(void)
{
    handle_t port = sys_port_create(), timer = port < 0 ? port : sys_timer_create();

    return timer >= 0 && sys_port_add(port, timer, EV_TIMER, 0) == 0 &&
           sys_port_add(port, start_handle(START_JOB), EV_EXITED, 0) == 0;
}

static const struct {
    const char *name;
    bool (*take)(void);
} bombs[] = {
    { "vm", take_vm },           { "shm", take_shm },       { "thread", take_thread },
    { "process", take_process }, { "handle", take_handle }, { "message", take_message },
    { "region", take_region },   { "table", take_table },   { "port", take_port },
};

enum { BOMBS = sizeof(bombs) / sizeof(bombs[0]) };

/* Take, and when there is no more try again for a while: others must be able to live meanwhile. */
static int bomb(const char *name, int64_t hold)
{
    for (size_t i = 0; i < BOMBS; i++) {
        if (strcmp(bombs[i].name, name) != 0)
            continue;
        for (uint64_t until = 0; until == 0 || stress_now() < until;) {
            if (bombs[i].take())
                continue;
            if (until == 0)
                until = stress_now() + (uint64_t)hold;
            NEED(sys_thread_sleep(1 * MS));
        }
        return 0;
    }
    return 4;
}

/* ---- the parent ---- */

/* Start a program and get a message from it. */
static void alive(void)
{
    char *argv[] = { "stress_memory", "talk", NULL };
    handle_t ep = NEED_HANDLE(sys_endpoint_create(0));
    uint64_t id;
    handle_t s = NEED_HANDLE(sys_session_create(ep, 9, 0, &id));
    struct spawn_handle gift = { START_NAMES, s, RIGHT_SAME };
    handle_t proc = test_spawn("test/stress_memory", argv, &gift, 1);

    NEED(sys_handle_close(s));
    struct ipc_msg *m = ipc_buffer();
    NEED(sys_ipc_recv(ep, 0, 10000 * MS));
    EXPECT(IPC_SEND, m->type);
    EXPECT(0, test_wait(proc));
    NEED(sys_handle_close(ep));
}

static int talk(void)
{
    memset(ipc_buffer(), 0, offsetof(struct ipc_msg, data));
    NEED(sys_ipc_send(start_handle(START_NAMES), 0));
    return 0;
}

static void explode(const char *name)
{
    char *argv[] = { "stress_memory", "bomb", (char *)name, NULL };
    handle_t job = stress_job(), proc = stress_spawn("test/stress_memory", argv, job, NULL, 0);
    uint64_t since = stress_now();

    while (sys_process_status(proc) == -EAGAIN && stress_now() - since < 4000 * (uint64_t)MS) {
        alive();
        NEED(sys_thread_sleep(20 * MS));
    }
    NEED(sys_job_kill(job));
    (void)test_wait(proc);
    NEED(sys_handle_close(job));
}

int main(int argc, char **argv)
{
    const char *only = getenv("kind");
    struct machine_info before;

    if (argc > 2)
        return bomb(argv[2], argc > 3 ? atoi(argv[3]) * MS : 100 * MS);
    if (argc > 1)
        return talk();
    explode("vm");                      /* the frame database grows to its size */
    for (size_t i = 0; i < BOMBS; i++) {
        if (only != NULL && strcmp(only, bombs[i].name) != 0)
            continue;
        alive();
        explode(bombs[i].name);         /* what is made once is made now */
        stress_settled(&before);
        explode(bombs[i].name);
        stress_same(&before);
        printf("stress_memory: %s\n", bombs[i].name);
    }
    test_mark("STRESS: memory ok");
    return 0;
}
