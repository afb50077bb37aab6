/*
 * Fibers (fiber.h). Stacks are mapped when they are first needed and kept for the next fiber; the one
 * that ended last is taken first, so a quiet fsd touches the pages of one stack only.
 */
#include "services/fsd/fiber.h"

#include <rugo/abi.h>
#include <rugo/syscall.h>
#include <stdint.h>
#include <stdlib.h>

enum fiber_state { FREE, READY, RUNNING, WAITING };

struct fiber {
    void *sp;                       /* its stack pointer while it does not run */
    char *stack; /* lowest address above the guard page, NULL: not mapped yet */
    enum fiber_state state;
    const void *chan; /* what it waits for */
    const unsigned *outside; /* not NULL: while that is not 0, it is woken from outside */
    const struct fiber_rwlock *wants, *holds; /* a lock that it waits for, and one that it has */
    uint64_t began, slept; /* what `begun` was then */
    unsigned quiet; /* looks since it last ran */
    void (*fn)(void *arg);
    void *arg;
    unsigned waits;         /* times it was suspended */
    unsigned waits_at_lock; /* that number when it began to read */
    struct fiber *next; /* in the free list, the ready queue or the waiting queue */
};

struct queue {
    struct fiber *first, **last;
};

void fiber_switch(void **save, void *to);

static struct fiber fibers[FIBER_MAX];
static struct fiber *free_list;
static unsigned fresh; /* fibers never used so far start here */
static unsigned busy;
static uint64_t begun; /* fibers ever begun */
static struct queue ready = { NULL, &ready.first };
static struct queue waiting = { NULL, &waiting.first };
static struct queue yielded = { NULL, &yielded.first };
static struct fiber *current; /* NULL: the main loop runs */
static void *main_sp;

static void queue_push(struct queue *q, struct fiber *f)
{
    f->next = NULL;
    *q->last = f;
    q->last = &f->next;
}

static struct fiber *queue_pop(struct queue *q)
{
    struct fiber *f = q->first;

    if (f != NULL) {
        q->first = f->next;
        if (q->first == NULL)
            q->last = &q->first;
    }
    return f;
}

/* Where every fiber begins; the stack's first return address leads here. */
static void fiber_main(void)
{
    struct fiber *self = current;

    self->fn(self->arg);
    self->state = FREE;
    fiber_switch(&self->sp, main_sp);
    abort(); /* a free fiber is never resumed, only begun anew */
}

static bool map_stack(struct fiber *f)
{
    int64_t base = sys_vm_map(HANDLE_SELF, 0, FIBER_STACK + PAGE_SIZE, VM_READ | VM_WRITE, 0);

    if (base < 0)
        return false;
    if (sys_vm_protect(HANDLE_SELF, (uint64_t)base, PAGE_SIZE, 0) < 0) {
        (void)sys_vm_unmap(HANDLE_SELF, (uint64_t)base, FIBER_STACK + PAGE_SIZE);
        return false;
    }
    f->stack = (char *)(uintptr_t)base + PAGE_SIZE;
    return true;
}

static struct fiber *take_free(void)
{
    struct fiber *f = free_list;

    if (f != NULL) {
        free_list = f->next;
        return f;
    }
    if (fresh == FIBER_MAX || !map_stack(&fibers[fresh]))
        return NULL;
    return &fibers[fresh++];
}

bool fiber_available(void)
{
    return free_list != NULL || fresh < FIBER_MAX;
}

unsigned fiber_count(void)
{
    return busy;
}

bool fiber_start(void (*fn)(void *arg), void *arg)
{
    struct fiber *f = take_free();
    uint64_t *top;

    if (f == NULL)
        return false;
    /* fiber_switch() pops six registers and returns into fiber_main(), as if it had been called. */
    top = (uint64_t *)(void *)(f->stack + FIBER_STACK);
    *--top = 0;
    *--top = (uint64_t)(uintptr_t)fiber_main;
    for (int i = 0; i < 6; i++)
        *--top = 0;
    f->sp = top;
    f->fn = fn;
    f->arg = arg;
    f->state = READY;
    f->wants = f->holds = NULL;
    f->began = ++begun;
    queue_push(&ready, f);
    busy++;
    return true;
}

void fiber_run(void)
{
    struct fiber *f;

    while ((f = queue_pop(&yielded)) != NULL)
        queue_push(&ready, f);
    while ((f = queue_pop(&ready)) != NULL) {
        f->state = RUNNING;
        f->quiet = 0;
        current = f;
        fiber_switch(&main_sp, f->sp);
        current = NULL;
        if (f->state == FREE) {
            f->next = free_list;
            free_list = f;
            busy--;
        }
    }
}

/* Leave the processor to the main loop; `state` and `q` say who brings the fiber back. */
static void suspend(enum fiber_state state, struct queue *q)
{
    struct fiber *self = current;

    if (self == NULL)
        abort(); /* the main loop must never wait here */
    self->waits++;
    self->slept = begun;
    self->state = state;
    queue_push(q, self);
    fiber_switch(&self->sp, main_sp);
}

void fiber_yield(void)
{
    suspend(READY, &yielded);
}

bool fiber_runnable(void)
{
    return ready.first != NULL;
}

bool fiber_yielded(void)
{
    return yielded.first != NULL;
}

void fiber_wait_outside(const void *chan, const unsigned *outside)
{
    if (current != NULL) {
        current->chan = chan;
        current->outside = outside;
    }
    suspend(WAITING, &waiting);
}

void fiber_wait(const void *chan)
{
    fiber_wait_outside(chan, NULL);
}

void fiber_wake(const void *chan)
{
    struct queue rest = { NULL, &rest.first };
    struct fiber *f;

    while ((f = queue_pop(&waiting)) != NULL) {
        if (f->chan == chan) {
            f->state = READY;
            queue_push(&ready, f);
        } else {
            queue_push(&rest, f);
        }
    }
    if (rest.first != NULL) {
        waiting.first = rest.first;
        waiting.last = rest.last;
    }
}

/* ---- fibers that are stuck ---- */

/* Whether one fiber that is all right can wake f. */
static bool can_be_woken(const struct fiber *f, const bool *well)
{
    for (unsigned i = 0; i < fresh; i++) {
        const struct fiber *by = &fibers[i];

        if (well[i] && by != f &&
            (f->wants != NULL ? by->holds == f->wants : by->began <= f->slept))
            return true;
    }
    return false;
}

static bool is_well_by_itself(const struct fiber *f)
{
    return f->state == READY || f->quiet < FIBER_QUIET || (f->outside != NULL && *f->outside > 0);
}

bool fiber_stuck(void)
{
    bool well[FIBER_MAX], changed;
    unsigned nwell = 0;

    for (unsigned i = 0; i < fresh; i++) {
        struct fiber *f = &fibers[i];

        f->quiet++;
        well[i] = f->state != FREE && is_well_by_itself(f);
        nwell += well[i];
    }
    do {
        changed = false;
        for (unsigned i = 0; i < fresh; i++) {
            if (fibers[i].state != FREE && !well[i] && can_be_woken(&fibers[i], well)) {
                well[i] = changed = true;
                nwell++;
            }
        }
    } while (changed);
    return nwell < busy;
}

/* ---- readers and writers ---- */

static void wait_for_lock(struct fiber_rwlock *lock)
{
    current->wants = lock;
    fiber_wait(lock);
    current->wants = NULL;
}

void fiber_read_lock(struct fiber_rwlock *lock)
{
    while (lock->writer || (lock->waiting > 0 && lock->passed >= FIBER_PASS))
        wait_for_lock(lock);
    lock->readers++;
    current->holds = lock;
    current->waits_at_lock = current->waits;
}

void fiber_read_unlock(struct fiber_rwlock *lock)
{
    if (lock->waiting > 0 && current->waits != current->waits_at_lock)
        lock->passed++;
    current->holds = NULL;
    if (--lock->readers == 0)
        fiber_wake(lock);
}

void fiber_write_lock(struct fiber_rwlock *lock)
{
    lock->waiting++;
    while (lock->writer || lock->readers > 0)
        wait_for_lock(lock);
    lock->waiting--;
    lock->passed = 0;
    lock->writer = true;
    current->holds = lock;
}

void fiber_write_unlock(struct fiber_rwlock *lock)
{
    lock->writer = false;
    current->holds = NULL;
    fiber_wake(lock);
}
