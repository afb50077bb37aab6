/*
 * `test=user.signal`: <signal.h>. With an argument it is a program that the shell starts and interrupts.
 */
#include "tests/prog/upcall.h"

#include <rugo/thread.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t count, last, code;
static void *volatile address;

void upcall_seen(uint32_t number, struct upcall_info *info, struct upcall_context *context,
                 uint64_t rsp, uint64_t rflags)
{
    (void)number, (void)info, (void)context, (void)rsp, (void)rflags;
    exit(4);
}

static void note(int number)
{
    count++;
    last = number;
}

static void note_more(int number, siginfo_t *info, void *context)
{
    note(number);
    code = info->si_code;
    address = info->si_addr;
    if (number == SIGILL)
        ((struct upcall_context *)context)->rip += 2;
}

/* Says something through the log or a file, which spoils the message buffer, and errno. */
static void speak(int number)
{
    note(number);
    memset(ipc_buffer(), 0xee, sizeof(struct ipc_msg));
    errno = EDOM;
}

static void simple(void)
{
    sigset_t set, old;

    EXPECT((intptr_t)SIG_DFL, (intptr_t)signal(SIGUSR1, note));
    EXPECT((intptr_t)note, (intptr_t)signal(SIGUSR1, note));
    EXPECT(0, raise(SIGUSR1));
    EXPECT(1, count);
    EXPECT(SIGUSR1, last);
    EXPECT((intptr_t)note, (intptr_t)signal(SIGUSR1, SIG_IGN));
    EXPECT(0, raise(SIGUSR1));
    EXPECT(1, count);
    EXPECT((intptr_t)SIG_ERR, (intptr_t)signal(SIGKILL, note));
    EXPECT((intptr_t)SIG_ERR, (intptr_t)signal(65, note));
    EXPECT(-1, raise(65));
    EXPECT((intptr_t)SIG_IGN, (intptr_t)signal(SIGUSR1, note));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    EXPECT(0, sigprocmask(SIG_BLOCK, &set, &old));
    EXPECT(0, old);
    EXPECT(0, raise(SIGUSR1));
    EXPECT(1, count);
    EXPECT(0, sigprocmask(SIG_SETMASK, &old, &set));
    EXPECT(1, sigismember(&set, SIGUSR1));
    EXPECT(2, count);
}

static void more(void)
{
    struct sigaction a = { .sa_sigaction = note_more, .sa_flags = SA_SIGINFO }, old;

    count = 0;
    EXPECT(0, sigaction(SIGILL, &a, NULL));
    EXPECT(0, sigaction(SIGILL, NULL, &old));
    EXPECT((intptr_t)note_more, (intptr_t)old.sa_sigaction);
    __asm__ volatile("ud2");
    EXPECT(1, count);
    EXPECT(2, code);
    EXPECT_TRUE(address != NULL);
    a.sa_flags |= SA_RESETHAND;
    EXPECT(0, sigaction(SIGUSR2, &a, NULL));
    EXPECT(0, raise(SIGUSR2));
    EXPECT(2, count);
    EXPECT(SI_TKILL, code);
    EXPECT(0, sigaction(SIGUSR2, NULL, &old));
    EXPECT((intptr_t)SIG_DFL, (intptr_t)old.sa_handler);
}

/* What was being put together for a message, and errno, stay as they were. */
static void kept(void)
{
    struct ipc_msg *msg = ipc_buffer();

    count = 0;
    EXPECT((intptr_t)note, (intptr_t)signal(SIGUSR1, speak));
    memset(msg, 0x11, sizeof(*msg));
    errno = ERANGE;
    EXPECT(0, raise(SIGUSR1));
    EXPECT(1, count);
    EXPECT(ERANGE, errno);
    for (size_t i = 0; i < sizeof(*msg); i++)
        EXPECT(0x11, ((uint8_t *)msg)[i]);
}

static uint64_t waiting;

static int wait_for_one(void *arg)
{
    (void)arg;
    __atomic_store_n(&waiting, (uint64_t)sys_thread_self(), __ATOMIC_RELEASE);
    while (count == 0)
        (void)sys_thread_sleep(60000 * MS);
    return raise(SIGUSR1);
}

/* A thread started after the first handler was set has a stack for them too. */
static void threads(void)
{
    struct thread t;

    for (int i = 0; i < 20; i++) {
        waiting = count = 0;
        EXPECT(0, thread_start(&t, wait_for_one, NULL, 0));
        while (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE) == 0)
            NEED(sys_yield());
        while (count == 0) { /* one that comes just before it sleeps does not wake it */
            (void)sys_thread_upcall(waiting, SIGUSR1);
            NEED(sys_thread_sleep(MS));
        }
        EXPECT(0, thread_join(&t, NULL));
        EXPECT_TRUE(count >= 2);
    }
}

/* ---- what the shell's user sees ---- */

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
    static const char text[] = "caught\n";

    (void)number;
    interrupts++;
    (void)write(STDOUT_FILENO, text, sizeof(text) - 1);
}

/* Says when the main thread waits for a line. Signals are the main thread's. */
static int tell_reading(void *main_thread)
{
    uint64_t id = (uint64_t)(uintptr_t)main_thread;
    struct thread_info t = { 0 };
    sigset_t all;

    sigfillset(&all);
    EXPECT(0, sigprocmask(SIG_BLOCK, &all, NULL));
    while (t.state != RUN_BLOCKED || t.call != SYS_ipc_call || t.place != PLACE_RECEIVED) {
        NEED(sys_thread_sleep(MS));
        EXPECT(1, sys_process_threads(HANDLE_SELF, id - 1, &t, 1));
    }
    static const char text[] = "reading\n";
    return write(STDOUT_FILENO, text, sizeof(text) - 1) < 0;
}

static int from_shell(const char *how)
{
    char line[64];
    struct thread teller;
    struct sigaction a = { .sa_handler = on_interrupt };
    ssize_t n;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (strcmp(how, "restart") == 0)
        signal(SIGINT, on_interrupt);
    else if (strcmp(how, "eintr") == 0)
        sigaction(SIGINT, &a, NULL);
    else if (strcmp(how, "ignore") == 0)
        signal(SIGINT, SIG_IGN);
    else if (strcmp(how, "spin") == 0)
        signal(SIGINT, on_interrupt);
    printf("ready\n");
    while (strcmp(how, "spin") == 0 && interrupts < 3)
        ;
    if (strcmp(how, "spin") != 0)
        EXPECT(0, thread_start(&teller, tell_reading, (void *)(uintptr_t)sys_thread_self(), 0));
    n = read(STDIN_FILENO, line, sizeof(line) - 1);
    if (n < 0)
        printf("read: %s\n", strerror(errno));
    else
        printf("line of %d bytes, %d interrupts\n", (int)n, (int)interrupts);
    return 7;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return from_shell(argv[1]);
    simple();
    more();
    kept();
    threads();
    test_mark("SIGNAL: ok");
    return 0;
}
