/*
 * The explorer: the kernel's state machines on the host, in threads that are switched by hand.
 *
 * A scenario is a few threads (fibers) that call the kernel's own code. Before each atomic operation, so at each taking
 * and release of a lock and each change of a reference count too, another of them may go on instead; a sleep with a
 * time-out may time out. Every such schedule with at most a few switches that were not needed is tried, one after the other,
 * and then random ones. Under AddressSanitizer; what was allocated must be free in the end. A thread that sleeps when no
 * other can run has missed its wake-up.
 *
 * The kernel's headers and sources are the real ones, kernel/sched/wait.c among them, apart from tests/host/kernel/.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdio.h>

#include "proc/process.h"
#include "sched/thread.h"

#define EXPLORE_THREADS 6

struct explore_scenario {
    const char *name;
    void (*setup)(void);
    void (*run[EXPLORE_THREADS])(void);
    void (*check)(
        void); /* after all have ended: gives back what setup made, and looks at what came of it */
};

/* Deadlines of sleeps: one that may pass at any time, and one that passes only when nothing else can happen. */
#define AT_ANY_TIME 1000000ull
#define AT_LAST     2000000ull

/* The number of the running fiber, which is that of its CPU; and fn as another CPU would run it. */
unsigned explore_cpu(void);
void explore_on_cpu(unsigned i, void (*fn)(void *arg), void *arg);
/* The thread of a fiber. Its process is explore_process, with a table and an account of its own. */
struct thread *explore_thread(unsigned i);
extern struct process explore_process;
extern struct job explore_job;

/* Another thread may go on here. */
void explore_point(const char *where, int line);
/* Say what is wrong, how it came about, and end. */
_Noreturn void explore_fail(const char *file, int line, const char *what);
#define EXPLORE_EXPECT(c) ((c) ? (void)0 : explore_fail(__FILE__, __LINE__, #c))

/* A test object: counts what is told to it. Its memory is freed when nothing refers to it. */
struct thing {
    struct object obj;
    unsigned *last, *gone; /* counted up */
};
struct thing *thing_new(uint32_t type, unsigned *last, unsigned *gone);

/* arguments: --random N (schedules of each scenario), --switches N, --limit N, --seed N */
int explore_main(int argc, char **argv, const struct explore_scenario *scenarios, size_t n);

#endif
