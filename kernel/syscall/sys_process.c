/* System calls on jobs and processes. */
#include "klib/string.h"
#include "mm/heap.h"
#include "proc/process.h"
#include <syscall_table.h>

#define PROCESS_RIGHTS (RIGHT_MANAGE | RIGHT_INSPECT | RIGHT_WAIT | RIGHT_DUP | RIGHT_TRANSFER)

static status_t get_job(handle_t h, uint32_t rights, struct job **j)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_JOB, rights, &o);
    if (st == OK)
        *j = CONTAINER(o, struct job, obj);
    return st;
}

/* Printable characters only: names appear on the console. */
static status_t copy_name(char name[NAME_LEN], struct user_in from, size_t len)
{
    if (len == 0 || len >= NAME_LEN)
        return -EINVAL;
    status_t st = copy_from_user(name, from, len);
    name[len] = 0;
    for (size_t i = 0; st == OK && i < len; i++)
        if (name[i] <= ' ' || name[i] == 0x7f)
            st = -EINVAL;
    return st;
}

int64_t sys_process_create(handle_t job, struct user_in name, size_t len)
{
    struct job *j;
    char text[NAME_LEN];
    status_t st = get_job(job, RIGHT_MANAGE, &j);
    if (st != OK)
        return st;
    st = copy_name(text, name, len);
    struct process *p = st == OK ? process_create(j, text, process_current(), &st) : NULL;
    object_put(&j->obj);
    return p ? handle_give(&p->obj, PROCESS_RIGHTS) : st;
}

int64_t sys_process_grant(handle_t proc, handle_t h, uint32_t rights, uint32_t flags, int32_t at)
{
    struct process *p;
    struct grant g;
    status_t st = process_get(proc, RIGHT_MANAGE, &p);
    if (st != OK)
        return st;
    st = handle_get_grant(h, 0, RIGHT_TRANSFER, &g);
    if (st == OK) {
        st = rights_check(rights, g.rights);
        if (st == OK)
            st = object_adopt(g.obj, &p->job->account);
        if (st == OK)
            st = handle_add(&p->handles, g.obj, rights, flags, at);
        grant_drop(&g);
    }
    object_put(&p->obj);
    return st;
}

int64_t sys_process_set_priority(handle_t proc, uint32_t priority)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_MANAGE, &p);
    if (st != OK)
        return st;
    if (priority > PRIORITY_MAX)
        st = -EINVAL;
    else if (priority > __atomic_load_n(&process_current()->priority, __ATOMIC_RELAXED))
        st = -EPERM;
    else
        process_set_priority(p, priority);
    object_put(&p->obj);
    return st;
}

int64_t sys_process_kill(handle_t proc, uint32_t status)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_MANAGE, &p);
    if (st != OK)
        return st;
    if (p->critical && p != process_current())
        st = -EPERM;
    else
        process_kill(p, status);
    object_put(&p->obj);
    return st;
}

int64_t sys_process_status(handle_t proc)
{
    struct process *p;
    struct process_info info;
    status_t st = process_get(proc, RIGHT_INSPECT, &p);
    if (st != OK)
        return st;
    process_describe(p, &info);
    object_put(&p->obj);
    return info.state == PROC_DEAD ? (int64_t)info.status : -EAGAIN;
}

int64_t sys_process_info(handle_t proc, struct user_out out)
{
    struct process *p;
    struct process_info info;
    status_t st = process_get(proc, RIGHT_INSPECT, &p);
    if (st != OK)
        return st;
    process_describe(p, &info);
    object_put(&p->obj);
    return copy_to_user(out, &info, sizeof info);
}

int64_t sys_process_exit(uint32_t code)
{
    process_kill(process_current(), (code & 255) << 8);
    process_thread_exit();
}

int64_t sys_job_create(handle_t parent)
{
    struct job *j;
    status_t st = get_job(parent, RIGHT_MANAGE, &j);
    if (st != OK)
        return st;
    struct job *new = job_create(j, &st);
    object_put(&j->obj);
    return new ? handle_give(&new->obj, PROCESS_RIGHTS) : st;
}

int64_t sys_job_kill(handle_t job)
{
    struct job *j;
    status_t st = get_job(job, RIGHT_MANAGE, &j);
    if (st != OK)
        return st;
    if (j == job_root())
        st = -EPERM;
    else
        job_kill(j);
    object_put(&j->obj);
    return st;
}

#define PIDS_AT_ONCE (PAGE_SIZE / sizeof(uint64_t))

/* Store the numbers of j's processes, a page of them at a time; how many there are, or more than n of them. */
static int64_t copy_pids(struct job *j, struct user_out out, size_t n, uint64_t *page)
{
    size_t stored = 0, got, all;
    uint64_t after = 0;
    do {
        got = job_list(j, after, page, min_u64(n - stored, PIDS_AT_ONCE), &all);
        status_t st =
            copy_to_user(user_out_at(out, stored * sizeof *page), page, got * sizeof *page);
        if (st != OK)
            return st;
        stored += got;
        after = got ? page[got - 1] : after;
    } while (got == PIDS_AT_ONCE && stored < n);
    return (int64_t)(stored < n || all < n ? stored : all);
}

int64_t sys_job_list(handle_t job, struct user_out pids, size_t n)
{
    struct job *j;
    status_t st = get_job(job, RIGHT_INSPECT, &j);
    if (st != OK)
        return st;
    uint64_t *page = kmalloc(PAGE_SIZE);
    int64_t count = page ? copy_pids(j, pids, n, page) : -ENOMEM;
    kfree(page);
    object_put(&j->obj);
    return count;
}

int64_t sys_process_open(handle_t job, uint64_t pid, uint32_t rights)
{
    struct grant g;
    status_t st = handle_get_grant(job, OBJ_JOB, RIGHT_INSPECT, &g);
    if (st != OK)
        return st;
    struct process *p = NULL;
    st = rights_check(rights, g.rights & PROCESS_RIGHTS);
    if (st == OK && !(p = job_find(CONTAINER(g.obj, struct job, obj), pid)))
        st = -ENOENT;
    grant_drop(&g);
    return p ? handle_give(&p->obj, rights) : st;
}

int64_t sys_job_limit(handle_t job, uint32_t kind, uint64_t value)
{
    struct job *j;
    status_t st = get_job(job, RIGHT_MANAGE, &j);
    if (st != OK)
        return st;
    st = job_limit(j, kind, value);
    object_put(&j->obj);
    return st;
}

int64_t sys_job_info(handle_t job, struct user_out out)
{
    struct job *j;
    struct job_info info;
    status_t st = get_job(job, RIGHT_INSPECT, &j);
    if (st != OK)
        return st;
    job_describe(j, &info);
    object_put(&j->obj);
    return copy_to_user(out, &info, sizeof info);
}

int64_t sys_job_jobs(handle_t job, uint64_t after, struct user_out jobs, size_t n)
{
    struct job *j;
    status_t st = get_job(job, RIGHT_INSPECT, &j);
    if (st != OK)
        return st;
    struct job_record *list = kmalloc(PAGE_SIZE);
    size_t count = list ? job_jobs(j, after, list, min_u64(n, PAGE_SIZE / sizeof *list)) : 0;
    object_put(&j->obj);
    st = list ? copy_to_user(jobs, list, count * sizeof *list) : -ENOMEM;
    kfree(list);
    return st != OK ? st : (int64_t)count;
}

int64_t sys_job_open(handle_t job, uint64_t number, uint32_t rights)
{
    struct grant g;
    status_t st = handle_get_grant(job, OBJ_JOB, RIGHT_INSPECT, &g);
    if (st != OK)
        return st;
    struct job *found = NULL;
    st = rights_check(rights, g.rights & PROCESS_RIGHTS);
    if (st == OK && !(found = job_find_job(CONTAINER(g.obj, struct job, obj), number)))
        st = -ENOENT;
    grant_drop(&g);
    return found ? handle_give(&found->obj, rights) : st;
}
