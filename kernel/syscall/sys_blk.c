/* System calls on block devices. */
#include "dev/blk.h"
#include "proc/process.h"
#include <syscall_table.h>

static struct blk *blk_of(struct object *o)
{
    return CONTAINER(o, struct blk, obj);
}

int64_t sys_blk_info(handle_t h, struct user_out uinfo)
{
    struct object *o;
    struct blk_info info;
    status_t st = handle_get(h, OBJ_BLK, RIGHT_READ, &o);
    if (st != OK)
        return st;
    blk_describe(blk_of(o), &info);
    object_put(o);
    return copy_to_user(uinfo, &info, sizeof info);
}

/*
 * Which rights a request needs: it reads or changes the disk, and it writes or reads the memory. A
 * flush concerns those who write. An unknown operation is left to blk_submit.
 */
static uint32_t disk_right(uint32_t op)
{
    return op == BLK_READ ? RIGHT_READ : RIGHT_WRITE;
}
static uint32_t memory_right(uint32_t op)
{
    return op == BLK_READ ? RIGHT_WRITE : RIGHT_READ;
}

/* The request itself says which right the handle must have, so it is copied in between. */
int64_t sys_blk_submit(handle_t h, struct user_in ureq)
{
    struct object *o, *s = NULL;
    struct blk_request req;
    status_t st = handle_get(h, OBJ_BLK, 0, &o);
    if (st != OK)
        return st;
    object_put(o);
    st = copy_from_user(&req, ureq, sizeof req);
    if (st == OK)
        st = handle_get(h, OBJ_BLK, disk_right(req.op), &o);
    if (st != OK)
        return st;
    if (req.op == BLK_READ || req.op == BLK_WRITE)
        st = handle_get(req.shm, OBJ_SHM, memory_right(req.op), &s);
    else if (req.shm != HANDLE_NONE)
        st = -EINVAL;
    if (st == OK)
        st = blk_submit(blk_of(o), &process_current()->obj, &req,
                        s ? CONTAINER(s, struct shm, obj) : NULL);
    object_put(s);
    object_put(o);
    return st;
}

/* Reap one batch into the array at udone; how many completions it was, or an error. */
static int64_t reap_batch(struct blk *b, struct user_out udone, size_t n, uint64_t deadline)
{
    struct blk_batch batch;
    status_t st =
        blk_reap(b, &process_current()->obj, n < BLK_REAP_MAX ? n : BLK_REAP_MAX, deadline, &batch);
    if (st != OK)
        return st;
    st = copy_to_user(udone, batch.done, batch.count * sizeof batch.done[0]);
    if (st != OK) {
        blk_reap_return(b, &batch);
        return st;
    }
    blk_reap_accept(b, &batch);
    return (int64_t)batch.count;
}

int64_t sys_blk_reap(handle_t h, struct user_out udone, size_t n, int64_t timeout)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_BLK, RIGHT_READ, &o);
    if (st != OK)
        return st;
    uint64_t deadline = timeout ? deadline_from(timeout) : 0;
    size_t total = 0;
    int64_t got = n ? 0 : -EINVAL;
    while (got >= 0 && total < n) {
        struct user_out to = user_out_at(udone, total * sizeof(struct blk_completion));
        got = reap_batch(blk_of(o), to, n - total, total ? 0 : deadline);
        total += got > 0 ? (size_t)got : 0;
    }
    object_put(o);
    if (total || (got == -ETIMEDOUT && timeout == 0))
        return (int64_t)total;
    return got;
}
