/*
 * What the explorers of messages share (explore_endpoint.c, explore_fastcall.c): what kernel/ipc stands on, one endpoint with one
 * session, who disturbs its calls, and what must come of them.
 */
#ifndef EXPLORE_IPC_H
#define EXPLORE_IPC_H

#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "ipc/endpoint.h"
#include "ipc/futex.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/vm.h"
#include "sched/run.h"

/* ---- what endpoint.c and msg.c stand on ---- */

static void (*thread_ends)(struct thread *t);

void process_set_thread_exit_hook(void (*hook)(struct thread *t))
{
    thread_ends = hook;
}

/* Priorities, as kernel/sched/thread.c has them. */
static inline void priority_changed(struct thread *t)
{
    set_level(t);
    if (t != current_thread())
        (void)thread_give_work(t, WORK_PRIORITY);
}
static inline void change_lenders(struct thread *t, uint32_t priority, uint32_t by)
{
    uint8_t before = t->lent;
    t->lenders[priority] += by;
    EXPLORE_EXPECT(t->lenders[priority] < EXPLORE_THREADS);
    for (t->lent = PRIORITY_MAX; t->lent && !t->lenders[t->lent];)
        t->lent--;
    if (t->lent != before)
        priority_changed(t);
}
bool thread_lend(struct thread *t, uint32_t priority)
{
    spin_lock(&t->lock);
    bool lends = priority > t->priority;
    if (lends)
        change_lenders(t, priority, 1);
    spin_unlock(&t->lock);
    return lends;
}
void thread_take_back(struct thread *t, uint32_t priority)
{
    spin_lock(&t->lock);
    change_lenders(t, priority, -1u);
    spin_unlock(&t->lock);
}
static inline void set_priority(struct thread *t, uint8_t priority)
{
    spin_lock(&t->lock);
    t->priority = priority;
    priority_changed(t);
    spin_unlock(&t->lock);
}
/* Nobody waits for a word. */
void futex_init(void)
{
}

struct page {
    struct shm shm;
    char bytes[PAGE_SIZE];
};
static inline void page_destroy(struct object *o)
{
    kfree(CONTAINER(o, struct page, shm.obj));
}
static const struct object_ops page_ops = { .destroy = page_destroy };

static paddr_t get_page(struct shm *s, uint64_t index)
{
    (void)index;
    return virt_to_phys(CONTAINER(s, struct page, shm)->bytes);
}
static const struct shm_ops shm_ops = { .get_page = get_page };

struct shm *shm_create(uint64_t size)
{
    struct page *p = kzalloc(sizeof *p);
    EXPLORE_EXPECT(size == PAGE_SIZE);
    object_init(&p->shm.obj, OBJ_SHM, &page_ops);
    p->shm.ops = &shm_ops;
    return &p->shm;
}
status_t vm_map(struct aspace *as, const struct vm_map_args *a, uintptr_t *at)
{
    (void)as, (void)a;
    *at = PAGE_SIZE;
    return OK;
}
status_t vm_unmap(struct aspace *as, uintptr_t addr, uint64_t len)
{
    (void)as, (void)addr, (void)len;
    return OK;
}
status_t vm_pin(struct aspace *as, uintptr_t va, uint32_t access, struct vm_pin *pin)
{
    (void)as, (void)access;
    explore_point(__func__, __LINE__);
    *pin = (struct vm_pin){ .at = (void *)va };
    return OK;
}
void vm_unpin(const struct vm_pin *pin)
{
    (void)pin;
}
status_t copy_from_user(void *dst, struct user_in src, size_t n)
{
    explore_point(__func__, __LINE__);
    memcpy(dst, (const void *)src.addr, n);
    return OK;
}
status_t copy_to_user(struct user_out dst, const void *src, size_t n)
{
    explore_point(__func__, __LINE__);
    memcpy((void *)dst.addr, src, n);
    return OK;
}
void endpoint_describe(struct object *o, struct object_facts *f)
{
    (void)o, (void)f;
}
void session_describe(struct object *o, struct object_facts *f)
{
    (void)o, (void)f;
}

/* ---- what scenarios share ---- */

#define BADGE 0xbadce5ull

static struct {
    handle_t ep, session;
    struct endpoint *endpoint; /* with a reference of ours */
    struct endpoint *second;   /* the same, in a chain */
    handle_t second_ep, second_session;
    uint64_t id;
    struct thing *thing;
    handle_t thing_handle;
    unsigned thing_last, thing_gone;
    unsigned called, calls_ok, received, closed_notices, cancels, answered, answered_twice;
    bool in_call[EXPLORE_THREADS], revoked;
    int call_result;
    char *theirs; /* a buffer of the caller's, gone when its call is over */
} the;

static inline struct handle_table *table(void)
{
    return &explore_process.handles;
}

/* Of the threads: who calls is more important than who serves. */
static const uint8_t priorities[EXPLORE_THREADS] = { 5, 2, 7, 1, 3, 3 };

static inline void setup(void)
{
    memset(&the, 0, sizeof the);
    the.endpoint = endpoint_create();
    the.ep = handle_add(table(), &the.endpoint->obj, RIGHT_ALL, 0, 0);
    struct session *s = session_create(the.endpoint, BADGE, false);
    the.session = handle_add(table(), &s->obj, RIGHT_ALL, 0, 0);
    the.id = session_open(s);
    object_put(&s->obj);
    the.thing = thing_new(OBJ_TIMER, &the.thing_last, &the.thing_gone);
    the.thing_handle = handle_add(table(), &the.thing->obj, RIGHT_ALL, 0, 0);
    for (uint8_t i = 0; i < EXPLORE_THREADS; i++)
        explore_thread(i)->priority = priorities[i];
}

static inline void check(void)
{
    (void)handle_close_in(table(), the.session);
    (void)handle_close_in(table(), the.ep);
    (void)handle_close_in(table(), the.thing_handle);
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        EXPLORE_EXPECT(explore_thread(i)->lent == 0);
    EXPLORE_EXPECT(prio_queue_empty(&the.endpoint->queue) && list_empty(&the.endpoint->received));
    EXPLORE_EXPECT(the.endpoint->obj.refs == 1 && ipc_message_count() == 0);
    object_put(&the.endpoint->obj);
    EXPLORE_EXPECT(the.thing->obj.refs == 1 && the.thing_last == 1);
    object_put(&the.thing->obj);
    EXPLORE_EXPECT(the.answered_twice == 0 && the.cancels <= 1);
}

static inline struct ipc_msg *begin(void)
{
    uintptr_t at;
    EXPLORE_EXPECT(msg_slot_make(&at) == OK);
    return current_thread()->msg->buf;
}
static inline void end(void)
{
    struct thread *t = current_thread();
    thread_ends(t);
    t->lent = 0; /* what is lent to it goes with it */
    memset(t->lenders, 0, sizeof t->lenders);
}

static inline void close_received(const struct ipc_msg *m)
{
    for (uint32_t i = 0; i < m->nhandles; i++)
        if (m->handles[i] > 0)
            EXPLORE_EXPECT(handle_close_in(table(), m->handles[i]) == OK);
}

/* The caller's results that the contract names. */
static inline void expect_result(int64_t st)
{
    switch (st) {
    case OK:
    case -ETIMEDOUT:
    case -EINTR:
    case -EPIPE:
    case -ECONNRESET:
    case -EBADF: break;
    default: explore_fail(__FILE__, __LINE__, "a result of ipc_call that it does not have");
    }
}

static inline void kill_first(void)
{
    thread_notify(explore_thread(0), WORK_KILL);
}
static inline void upcall_first(void)
{
    thread_notify(explore_thread(0), WORK_UPCALL);
}
static inline void reset(void)
{
    endpoint_reset(the.endpoint);
}
static inline void revoke(void)
{
    status_t st = session_revoke(the.endpoint, the.id);
    EXPLORE_EXPECT(st == OK || st == -ENOENT);
}
static inline void close_session(void)
{
    EXPLORE_EXPECT(handle_close_in(table(), the.session) == OK);
}
static inline void close_endpoint(void)
{
    EXPLORE_EXPECT(handle_close_in(table(), the.ep) == OK);
}

static inline void raise_first(void)
{
    set_priority(explore_thread(0), 9);
}
static inline void lower_first(void)
{
    set_priority(explore_thread(0), 1);
}

/* The answer came, and the server knows that it did. */
static inline void check_answered(void)
{
    EXPLORE_EXPECT(the.calls_ok == 1 && the.answered == 1 && the.received == 1);
    check();
}
/* Withdrawn before the server had it, or answered. */
static inline void check_hasty(void)
{
    EXPLORE_EXPECT(the.call_result == OK ? the.answered == 1 && the.received == 1
                                         : the.received == 0);
    check();
}
/* Received calls are answered by the server, dead caller or not. */
static inline void check_killed(void)
{
    EXPLORE_EXPECT(the.call_result == OK ? the.answered == 1 : the.answered == 0);
    check();
}
/* The error tells whether the server had it. */
static inline void check_told(void)
{
    EXPLORE_EXPECT(the.call_result != -EPIPE || the.received == 0);
    EXPLORE_EXPECT(the.call_result != -EBADF || the.received == 0);
    EXPLORE_EXPECT(the.call_result != OK || the.answered == 1);
    check();
}
static inline void check_two(void)
{
    EXPLORE_EXPECT(the.calls_ok == the.answered && the.received == 2);
    check();
}

#endif
