/* Threads of this process, and a lock for what they share. */
#ifndef RUGO_THREAD_H
#define RUGO_THREAD_H

#include <stddef.h>
#include <stdint.h>
#include <rugo/abi.h>

struct thread {
    handle_t handle;
    void *stack; /* the mapping: guard page, stack, thread's own block */
    size_t stack_size;
    int (*fn)(void *);
    void *arg;
    int result;
};

#define THREAD_STACK (64 * 1024) /* bytes when the caller says 0 */

/*
 * Starts fn(arg) in a new thread with its own errno, message buffer and stack of stack_size bytes
 * (guard page below). *t stays the caller's and must live until thread_join. 0 or negative errno.
 */
int thread_start(struct thread *t, int (*fn)(void *), void *arg, size_t stack_size);
/* Waits for the end of the thread, frees what it had; *result (may be NULL) is what fn returned. */
int thread_join(struct thread *t, int *result);

/* A lock that spins briefly, then sleeps in growing steps. For short sections: not fair, not
 * recursive. */
struct mutex {
    uint32_t held;
};
#define MUTEX_INIT { 0 }
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

#endif
