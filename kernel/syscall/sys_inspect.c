/*
 * System calls for looking into a running system. Looking is a right as any other (INSPECT on the process or the
 * machine), and what is told are numbers and counts: no address of the kernel's leaves it.
 */
#include "ipc/endpoint.h"
#include "klib/string.h"
#include "mm/heap.h"
#include "x86/trapframe.h"
#include <syscall_table.h>

#define THREADS_AT_ONCE (PAGE_SIZE / sizeof(struct thread_info))
#define HANDLES_AT_ONCE 32u

/* ---- threads ---- */

/* Where the message is of a thread that is blocked in a call on a session. */
static void describe_message(struct process *p, struct thread_info *t)
{
    struct object *o;
    if (t->state != RUN_BLOCKED || t->call != SYS_ipc_call ||
        handle_get_in(&p->handles, (handle_t)t->args[0], OBJ_SESSION, 0, &o) != OK)
        return;
    struct session *s = CONTAINER(o, struct session, obj);
    t->endpoint = s->ep->obj.number;
    t->place = session_call_place(s, t->id);
    object_put(o);
}

int64_t sys_process_threads(handle_t proc, uint64_t after, struct user_out threads, size_t n)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_INSPECT, &p);
    if (st != OK)
        return st;
    struct thread_info *list = kmalloc(PAGE_SIZE);
    size_t count = list ? process_threads(p, after, list, min_u64(n, THREADS_AT_ONCE)) : 0;
    for (size_t i = 0; i < count; i++)
        describe_message(p, &list[i]);
    object_put(&p->obj);
    st = list ? copy_to_user(threads, list, count * sizeof *list) : -ENOMEM;
    kfree(list);
    return st != OK ? st : (int64_t)count;
}

/* ---- handles ---- */

/* Describe what was looked at, and let it go. */
static void describe_handle(const struct handle_look *l, struct handle_record *r)
{
    struct object *o = l->obj;
    struct object_facts facts = { 0 };
    if (o->ops->describe)
        o->ops->describe(o, &facts);
    *r = (struct handle_record){
        .handle = l->handle,
        .type = o->type,
        .rights = l->rights,
        .position = l->position,
        .object = o->number,
        .peer = facts.peer,
        .size = facts.size,
        .detail = facts.detail,
        .handles = __atomic_load_n(&o->handles, __ATOMIC_RELAXED),
        .events = __atomic_load_n(&o->events, __ATOMIC_RELAXED),
    };
    object_put(o);
}

int64_t sys_process_handles(handle_t proc, uint32_t from, struct user_out records, size_t n)
{
    struct process *p;
    struct {
        struct handle_look looks[HANDLES_AT_ONCE];
        struct handle_record records[HANDLES_AT_ONCE];
    } *work;
    _Static_assert(sizeof *work <= PAGE_SIZE, "one piece of heap");
    status_t st = process_get(proc, RIGHT_INSPECT, &p);
    if (st != OK)
        return st;
    work = kmalloc(sizeof *work);
    size_t count =
        work ? handle_look_at(&p->handles, from, work->looks, min_u64(n, HANDLES_AT_ONCE)) : 0;
    for (size_t i = 0; i < count; i++)
        describe_handle(&work->looks[i], &work->records[i]);
    object_put(&p->obj);
    st = work ? copy_to_user(records, work->records, count * sizeof work->records[0]) : -ENOMEM;
    kfree(work);
    return st != OK ? st : (int64_t)count;
}

/* ---- the machine ---- */

static status_t check_machine(handle_t h)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_MACHINE, RIGHT_INSPECT, &o);
    if (st == OK)
        object_put(o);
    return st;
}

int64_t sys_machine_cpus(handle_t machine, struct user_out out, size_t n)
{
    status_t st = check_machine(machine);
    size_t count = 0;
    for (size_t i = 0; st == OK && i < MAX_CPUS; i++) {
        if (!cpus[i].idle) /* does not run */
            continue;
        struct cpu_stats stats = cpus[i].stats;
        stats.idle_ns = thread_cpu_ns(cpus[i].idle);
        if (count < n)
            st = copy_to_user(user_out_at(out, count * sizeof stats), &stats, sizeof stats);
        count++;
    }
    return st != OK ? st : (int64_t)count;
}

int64_t sys_machine_locks(handle_t machine, struct user_out out, size_t n)
{
    status_t st = check_machine(machine);
    for (unsigned rank = 1; st == OK && rank < RANK_COUNT && rank - 1 < n; rank++) {
        struct lock_stats l = { .rank = rank };
        str_copy((char *)l.name, lock_rank_name(rank), sizeof l.name);
        for (size_t i = 0; i < MAX_CPUS; i++) {
            l.contended += cpus[i].lock_waits[rank].contended;
            l.turns += cpus[i].lock_waits[rank].turns;
        }
        st = copy_to_user(user_out_at(out, (rank - 1) * sizeof l), &l, sizeof l);
    }
    return st != OK ? st : RANK_COUNT - 1;
}

/* ---- image and crash ---- */

int64_t sys_process_image(handle_t proc, uintptr_t base)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_MANAGE, &p);
    if (st != OK)
        return st;
    if (base >= USER_MAX)
        st = -EINVAL;
    else
        __atomic_store_n(&p->image, base, __ATOMIC_RELAXED);
    object_put(&p->obj);
    return st;
}

int64_t sys_process_crash(handle_t proc, struct user_out out)
{
    struct process *p;
    struct crash_info info;
    status_t st = process_get(proc, RIGHT_INSPECT, &p);
    if (st != OK)
        return st;
    st = process_get_crash(p, &info);
    object_put(&p->obj);
    return st == OK ? copy_to_user(out, &info, sizeof info) : st;
}
