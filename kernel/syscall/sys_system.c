/* System calls on the log and the machine. */
#include "dev/machine.h"
#include "ipc/endpoint.h"
#include "klib/klog.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/pagetable.h"
#include "syscall/system.h"
#include "x86/clock.h"
#include "x86/debugexit.h"
#include <syscall_table.h>

#define WRITE_MAX 1024u

static void nothing(struct object *o)
{
    (void)o; /* static: its maker's reference never goes */
}

static const struct object_ops ops = { .destroy = nothing };
static struct object log_object, machine_object;
static struct {
    const char *cmdline;
    bool testing;
    uint64_t kernel_frames, boot_frames, ready_ns;
} facts;

void system_init(const char *cmdline, bool testing, uint64_t kernel_frames, uint64_t boot_frames)
{
    object_init(&log_object, OBJ_LOG, &ops);
    object_init(&machine_object, OBJ_MACHINE, &ops);
    facts.cmdline = cmdline;
    facts.testing = testing;
    facts.kernel_frames = kernel_frames;
    facts.boot_frames = boot_frames;
    facts.ready_ns = clock_ns();
}

bool system_testing(void)
{
    return facts.testing;
}

struct object *system_log(void)
{
    return &log_object;
}

struct object *system_machine(void)
{
    return &machine_object;
}

/* These two objects have no state of their own: the handle is only looked at. */
static status_t check(handle_t h, uint32_t type, uint32_t rights)
{
    struct object *o;
    status_t st = handle_get(h, type, rights, &o);
    if (st == OK)
        object_put(o);
    return st;
}

static int64_t write_log(handle_t log, uint32_t level, struct user_in buf, size_t len)
{
    status_t st = check(log, OBJ_LOG, RIGHT_WRITE);
    if (st != OK)
        return st;
    if (level > LOG_DEBUG)
        return -EINVAL;
    size_t n = min_u64(len, WRITE_MAX);
    char *text = kmalloc(WRITE_MAX);
    if (!text)
        return -ENOMEM;
    st = copy_from_user(text, buf, n);
    if (st == OK)
        klog_write(level, process_current()->pid, text, n);
    kfree(text);
    return st != OK ? st : (int64_t)n;
}

int64_t sys_debug_write(handle_t log, struct user_in buf, size_t len)
{
    return write_log(log, LOG_INFO, buf, len);
}

int64_t sys_log_write(handle_t log, uint32_t level, struct user_in buf, size_t len)
{
    return write_log(log, level, buf, len);
}

int64_t sys_log_records(handle_t log, uint64_t from, struct user_out records, size_t n)
{
    status_t st = check(log, OBJ_LOG, RIGHT_READ);
    if (st != OK)
        return st;
    struct log_record *list = kmalloc(PAGE_SIZE);
    if (!list)
        return -ENOMEM;
    size_t count = klog_records(from, list, min_u64(n, PAGE_SIZE / sizeof *list));
    st = copy_to_user(records, list, count * sizeof *list);
    kfree(list);
    return st != OK ? st : (int64_t)count;
}

int64_t sys_log_read(handle_t log, struct user_out seq, struct user_out buf, size_t len,
                     uint64_t from)
{
    status_t st = check(log, OBJ_LOG, RIGHT_READ);
    if (st != OK)
        return st;
    char *text = kmalloc(PAGE_SIZE);
    if (!text)
        return -ENOMEM;
    size_t n = klog_read(&from, text, min_u64(len, PAGE_SIZE));
    st = copy_to_user(buf, text, n);
    if (st == OK)
        st = copy_to_user(seq, &from, sizeof from);
    kfree(text);
    return st != OK ? st : (int64_t)n;
}

int64_t sys_machine_info(handle_t machine, struct user_out out)
{
    status_t st = check(machine, OBJ_MACHINE, RIGHT_INSPECT);
    if (st != OK)
        return st;
    struct frame_totals frames = frame_totals();
    struct machine_info info = {
        .total_pages = frames.total,
        .free_pages = frames.free,
        .kernel_pages = facts.kernel_frames,
        .boot_pages = facts.boot_frames,
        .processes = object_count(OBJ_PROCESS),
        .threads = object_count(OBJ_THREAD),
        .handles = handle_total(),
        .sessions = object_count(OBJ_SESSION),
        .endpoints = object_count(OBJ_ENDPOINT),
        .shms = object_count(OBJ_SHM),
        .ports = object_count(OBJ_PORT),
        .messages = ipc_message_count(),
        .uptime_ns = clock_ns(),
        .idle_ns = sched_idle_ns(),
        .cpus = cpu_count,
        .kept_pages = (uint32_t)(frames.kept + kmap_table_frames() + heap_slack_frames()),
        .kernel_ready_ns = facts.ready_ns,
    };
    return copy_to_user(out, &info, sizeof info);
}

int64_t sys_machine_power(handle_t machine, uint32_t how)
{
    status_t st = check(machine, OBJ_MACHINE, RIGHT_MANAGE);
    if (st != OK)
        return st;
    if (how == POWER_REBOOT)
        machine_reset();
    return how == POWER_OFF ? machine_power_off() : -EINVAL;
}

int64_t sys_machine_exit(handle_t machine, uint32_t status)
{
    status_t st = check(machine, OBJ_MACHINE, RIGHT_MANAGE);
    if (st != OK)
        return st;
    if (facts.testing)
        debug_exit(status == 0 ? DEBUG_EXIT_SUCCESS : DEBUG_EXIT_FAILURE);
    return -EOPNOTSUPP;
}

int64_t sys_machine_cmdline(handle_t machine, struct user_out buf, size_t len)
{
    status_t st = check(machine, OBJ_MACHINE, RIGHT_INSPECT);
    if (st != OK)
        return st;
    size_t whole = strlen(facts.cmdline);
    st = copy_to_user(buf, facts.cmdline, min_u64(len, whole));
    return st != OK ? st : (int64_t)whole;
}
