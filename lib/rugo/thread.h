/* Threads of this process, and a lock for what they share. */
#ifndef RUGO_THREAD_H
#define RUGO_THREAD_H

#include <stddef.h>
#include <stdint.h>
#include <rugo/abi.h>

struct thread {
    uint64_t id; /* the kernel's number, for thread_upcall */
    void *stack; /* the mapping: guard page, stack, thread's own block */
    size_t stack_size;
    int (*fn)(void *);
    void *arg;
    int result;
    uint32_t alive; /* the kernel makes it 0 when the stack is no longer in use */
};

#define THREAD_STACK (64 * 1024) /* bytes when the caller says 0 */

/*
 * Starts fn(arg) in a new thread with its own errno, message buffer and stack of stack_size bytes
 * (guard page below). *t stays the caller's and must live until thread_join. 0 or negative errno.
 */
int thread_start(struct thread *t, int (*fn)(void *), void *arg, size_t stack_size);
/* Waits for the end of the thread, frees what it had; *result (may be NULL) is what fn returned. */
int thread_join(struct thread *t, int *result);

/* A lock whose waiters sleep. Taking it and giving it back enters the kernel only when somebody has
 * to wait. Not fair, not recursive. */
struct mutex {
    uint32_t state;
};
#define MUTEX_INIT { 0 }
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

#endif
