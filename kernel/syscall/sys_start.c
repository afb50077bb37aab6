/*
 * process_start: what ends the making of a process, in one call: handles, the top of the stack, the first thread.
 *
 * It prepares everything that can fail (gifts, thread, bytes), then adds the handles, which is taken back when one
 * finds no room, and starts the thread at the end.
 */
#include "klib/string.h"
#include "mm/heap.h"
#include "proc/process.h"
#include <syscall_table.h>

struct work {
    struct process *p;
    struct process_start start;
    struct process_gift gifts[GIFT_MAX];
    struct grant grants[GIFT_MAX];
    handle_t given[GIFT_MAX];
    uint32_t grabbed, added; /* grants taken, handles made */
    struct start_handle table[GIFT_MAX];
    char piece[512];
};
_Static_assert(sizeof(struct work) <= PAGE_SIZE, "kmalloc gives no more");

static status_t read_arguments(struct work *w, struct user_in in)
{
    status_t st = copy_from_user(&w->start, in, sizeof w->start);
    const struct process_start *s = &w->start;
    if (st != OK)
        return st;
    if (s->flags || s->ngifts > GIFT_MAX || !user_range_ok(s->entry, 1) || s->tls >= USER_MAX ||
        s->image >= USER_MAX || !user_range_ok(s->stack, s->data_len))
        return -EINVAL;
    return copy_from_user(w->gifts, (struct user_in){ s->gifts }, s->ngifts * sizeof w->gifts[0]);
}

/* Look the gifts up, with the rights that they are to have. */
static status_t grab(struct work *w)
{
    for (uint32_t i = 0; i < w->start.ngifts; i++) {
        const struct process_gift *gift = &w->gifts[i];
        struct grant *g = &w->grants[i];
        status_t st = handle_get_grant(gift->handle, 0, RIGHT_TRANSFER, g);
        if (st != OK)
            return st;
        w->grabbed++;
        if (gift->rights != RIGHT_SAME)
            st = rights_check(gift->rights, g->rights);
        if (st == OK && (gift->at < -1 || gift->at >= (int32_t)HANDLE_FD_MAX))
            st = -EINVAL;
        if (st == OK)
            st = object_adopt(g->obj, &w->p->job->account);
        if (st != OK)
            return st;
        if (gift->rights != RIGHT_SAME)
            g->rights = gift->rights;
    }
    return OK;
}

static status_t store(struct work *w, uintptr_t at, const void *from, size_t n)
{
    status_t st = vm_write_foreign(w->p->aspace, at, from, n, true);
    return st == -EFAULT ? -EREMOTEIO : st;
}

static status_t store_stack(struct work *w)
{
    status_t st = OK;
    for (size_t done = 0; st == OK && done < w->start.data_len;) {
        size_t n = min_u64(w->start.data_len - done, sizeof w->piece);
        st = copy_from_user(w->piece, (struct user_in){ w->start.data + done }, n);
        if (st == OK)
            st = store(w, w->start.stack + done, w->piece, n);
        done += n;
    }
    return st;
}

/* Add the handles and store the table of their numbers. */
static status_t give(struct work *w)
{
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < w->start.ngifts; i++) {
        const struct process_gift *gift = &w->gifts[i];
        handle_t h = handle_add(&w->p->handles, w->grants[i].obj, w->grants[i].rights,
                                gift->at < 0 ? 0 : HANDLE_EXACT, gift->at < 0 ? 0 : gift->at);
        if (h < 0)
            return h;
        w->given[w->added++] = h;
        if (gift->kind != START_NONE)
            w->table[kinds++] = (struct start_handle){ gift->kind, h };
    }
    return store(w, w->start.table, w->table, kinds * sizeof w->table[0]);
}

static status_t start_thread(struct work *w)
{
    const struct user_start start = { .entry = w->start.entry,
                                      .stack = w->start.stack,
                                      .tls = w->start.tls };
    status_t st;
    struct thread *t = process_thread_create(w->p, &start, &st);
    if (!t)
        return st;
    st = store_stack(w);
    if (st == OK)
        st = give(w);
    if (st == OK)
        st = process_thread_start_first(w->p, t, w->start.image);
    for (; st != OK && w->added; w->added--)
        handle_close_if(&w->p->handles, w->given[w->added - 1], w->grants[w->added - 1].obj);
    object_put(&t->obj);
    return st;
}

static status_t start(struct work *w, struct user_in in)
{
    status_t st = read_arguments(w, in);
    if (st == OK)
        st = grab(w);
    if (st == OK)
        st = process_hold(w->p);
    if (st != OK)
        return st;
    st = start_thread(w);
    process_release(w->p);
    return st;
}

int64_t sys_process_start(handle_t proc, struct user_in in)
{
    struct process *p;
    status_t st = process_get(proc, RIGHT_MANAGE, &p);
    if (st != OK)
        return st;
    struct work *w = kmalloc(sizeof *w);
    if (w) {
        w->p = p;
        w->grabbed = w->added = 0;
        st = start(w, in);
        for (uint32_t i = 0; i < w->grabbed; i++)
            grant_drop(&w->grants[i]);
    } else {
        st = -ENOMEM;
    }
    kfree(w);
    object_put(&p->obj);
    return st;
}
