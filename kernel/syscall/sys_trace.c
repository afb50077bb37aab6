/* Tracing system calls: the slow way through which those of a traced process go, and the calls that read a trace. */
#include "ipc/endpoint.h"
#include "klib/string.h"
#include "mm/heap.h"
#include "proc/trace.h"
#include "x86/clock.h"
#include "x86/trapframe.h"
#include <syscall_table.h>

#define AT_ONCE (PAGE_SIZE / sizeof(struct trace_record))

int64_t syscall_slow(const struct syscall_frame *f);

/* ---- recording ---- */

/* Whether the thread's message buffer holds what is sent before the call, or what was received after it. */
static bool shows_message(uint32_t number, bool before)
{
    switch (number) {
    case SYS_ipc_call: return true;
    case SYS_ipc_send:
    case SYS_ipc_reply: return before;
    case SYS_ipc_recv: return !before;
    case SYS_ipc_reply_recv: return true;
    default: return false;
    }
}

/* The beginning of an `in bytes` argument. What can't be read is not shown. */
static void show_argument(struct trace_record *r)
{
    uint64_t row = r->number - SYS_BASE;
    unsigned arg = row < syscall_count ? syscall_data[row] : 0;
    size_t n = arg ? min_u64(r->args[arg], TRACE_DATA) : 0;
    if (n && copy_from_user(r->data, (struct user_in){ r->args[arg - 1] }, n) == OK)
        r->len = (uint32_t)n;
}

static void record(const struct syscall_frame *f, uint32_t kind, int64_t result)
{
    struct trace *t = trace_of(process_current());
    if (!t)
        return;
    struct trace_record r = { .time_ns = clock_ns(),
                              .thread = current_thread()->id,
                              .number = (uint32_t)(f->number + SYS_BASE),
                              .kind = kind,
                              .result = result,
                              .args = { f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9 } };
    if (shows_message(r.number, kind == TRACE_ENTER)) {
        if (result >= 0)
            r.len = (uint32_t)msg_peek(r.data, TRACE_DATA);
    } else if (kind == TRACE_ENTER) {
        show_argument(&r);
    }
    trace_add(t, &r);
    object_put(&t->obj);
}

/*
 * Called by entry/syscall.S for numbers that are not below the thread's direct_calls: there is no such call, or the
 * process is traced. No reference is held while the call runs, as it may not return.
 */
int64_t syscall_slow(const struct syscall_frame *f)
{
    int64_t result = -ENOSYS;
    record(f, TRACE_ENTER, 0);
    if (f->number < syscall_count)
        result = syscall_table[f->number](f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9);
    record(f, TRACE_EXIT, result);
    return result;
}

/* ---- reading ---- */

int64_t sys_trace_create(handle_t proc, uint32_t records, uint32_t flags)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_MANAGE | RIGHT_INSPECT, &p);
    if (st != OK)
        return st;
    struct trace *t = NULL;
    if (p == process_current() || records == 0 || records > TRACE_RECORDS_MAX || flags)
        st = -EINVAL;
    else
        t = trace_create(p, records, &process_current()->job->account, &st);
    object_put(&p->obj);
    return t ? handle_give(&t->obj, RIGHT_READ | RIGHT_WAIT | RIGHT_DUP | RIGHT_TRANSFER) : st;
}

/* What was taken is copied out where it is known to fit; records are lost only if it is unmapped meanwhile. */
static int64_t read_records(struct trace *t, struct user_out out, size_t n, struct user_out lost,
                            uint64_t deadline)
{
    uint64_t count;
    status_t st = user_probe_out(lost, sizeof count);
    if (st == OK)
        st = user_probe_out(out, n * sizeof(struct trace_record));
    struct trace_record *list = st == OK ? kmalloc(PAGE_SIZE) : NULL;
    if (!list)
        return st != OK ? st : -ENOMEM;
    int taken = trace_take(t, list, (uint32_t)n, deadline, &count);
    if (taken >= 0)
        st = copy_to_user(out, list, (size_t)taken * sizeof *list);
    if (taken >= 0 && st == OK)
        st = copy_to_user(lost, &count, sizeof count);
    kfree(list);
    return st != OK ? st : taken;
}

int64_t sys_trace_read(handle_t trace, struct user_out records, size_t n, struct user_out lost,
                       int64_t timeout)
{
    struct object *o;
    status_t st = handle_get(trace, OBJ_TRACE, RIGHT_READ, &o);
    if (st != OK)
        return st;
    int64_t taken = n ? read_records(CONTAINER(o, struct trace, obj), records, min_u64(n, AT_ONCE),
                                     lost, timeout ? deadline_from(timeout) : 0)
                      : -EINVAL;
    object_put(o);
    return taken;
}
