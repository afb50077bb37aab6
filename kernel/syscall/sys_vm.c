/* System calls on memory: address spaces and memory objects. */
#include "mm/clock_page.h"
#include "mm/heap.h"
#include "proc/process.h"
#include <syscall_table.h>

#define PROT_ALL  (VM_READ | VM_WRITE | VM_EXEC)
#define SEALS_ALL (SHM_SEAL_SHRINK | SHM_SEAL_GROW | SHM_SEAL_WRITE | SHM_SEAL_SEAL)

static status_t get_other(handle_t h, struct process **p)
{
    status_t st = process_get(h, RIGHT_MANAGE, p);
    if (st != OK)
        return st;
    st = process_hold(*p);
    if (st != OK)
        object_put(&(*p)->obj);
    return st;
}

/*
 * The process whose memory a call works on, to be given back with put_target. A process that is ending has no address
 * space to work on; a hold keeps another one from ending meanwhile. The caller's own stays while it is in the call.
 */
static inline status_t get_target(handle_t h, struct process **p)
{
    if (UNLIKELY(h != HANDLE_SELF))
        return get_other(h, p);
    *p = process_current();
    return OK;
}

static inline void put_target(handle_t h, struct process *p)
{
    if (LIKELY(h == HANDLE_SELF))
        return;
    process_release(p);
    object_put(&p->obj);
}

HOT int64_t sys_vm_map(handle_t proc, uintptr_t addr, size_t len, uint32_t prot, uint32_t flags)
{
    struct process *p;
    uintptr_t at;
    status_t st = get_target(proc, &p);
    if (st != OK)
        return st;
    struct vm_map_args a = {
        .addr = addr, .len = len, .prot = prot, .max_prot = PROT_ALL, .fixed = flags & VM_FIXED
    };
    st = flags & ~VM_FIXED ? -EINVAL : vm_map(p->aspace, &a, &at);
    put_target(proc, p);
    return st != OK ? st : (int64_t)at;
}

HOT int64_t sys_vm_unmap(handle_t proc, uintptr_t addr, size_t len)
{
    struct process *p;
    status_t st = get_target(proc, &p);
    if (st != OK)
        return st;
    st = vm_unmap(p->aspace, addr, len);
    put_target(proc, p);
    return st;
}

int64_t sys_vm_protect(handle_t proc, uintptr_t addr, size_t len, uint32_t prot)
{
    struct process *p;
    status_t st = get_target(proc, &p);
    if (st != OK)
        return st;
    st = vm_protect(p->aspace, addr, len, prot);
    put_target(proc, p);
    return st;
}

int64_t sys_vm_reserve(handle_t proc, uintptr_t addr, size_t len, uint32_t flags)
{
    return sys_vm_map(proc, addr, len, 0, flags);
}

int64_t sys_vm_commit(handle_t proc, uintptr_t addr, size_t len)
{
    struct process *p;
    status_t st = get_target(proc, &p);
    if (st != OK)
        return st;
    st = vm_commit(p->aspace, addr, len);
    put_target(proc, p);
    return st;
}

int64_t sys_vm_decommit(handle_t proc, uintptr_t addr, size_t len)
{
    struct process *p;
    status_t st = get_target(proc, &p);
    if (st != OK)
        return st;
    st = vm_decommit(p->aspace, addr, len);
    put_target(proc, p);
    return st;
}

int64_t sys_shm_create(size_t size, uint32_t flags)
{
    if (flags || size == 0 || size > SHM_MAX_PAGES << PAGE_SHIFT)
        return -EINVAL;
    struct shm *s = shm_create(size);
    return s ? handle_give(&s->obj,
                           RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC | RIGHT_DUP | RIGHT_TRANSFER)
             : -ENOMEM;
}

int64_t sys_shm_map(handle_t proc, handle_t shm, uint64_t offset, size_t len, uintptr_t addr,
                    uint32_t prot_flags)
{
    struct process *p;
    struct grant g;
    uintptr_t at;
    uint32_t prot = prot_flags & PROT_ALL;
    bool copy = prot_flags & VM_PRIVATE;
    uint32_t needed = RIGHT_READ | (prot & (copy ? VM_EXEC : VM_WRITE | VM_EXEC));
    status_t st = handle_get_grant(shm, OBJ_SHM, needed, &g);
    if (st != OK)
        return st;
    st = get_target(proc, &p);
    if (st == OK) {
        struct vm_map_args a = { .addr = addr,
                                 .len = len,
                                 .prot = prot,
                                 .max_prot = (g.rights & PROT_ALL) | (copy ? VM_WRITE : 0),
                                 .copy = copy,
                                 .offset = offset,
                                 .fixed = prot_flags & VM_FIXED,
                                 .shm = CONTAINER(g.obj, struct shm, obj) };
        st =
            prot_flags & ~(PROT_ALL | VM_FIXED | VM_PRIVATE) ? -EINVAL : vm_map(p->aspace, &a, &at);
        put_target(proc, p);
    }
    grant_drop(&g);
    return st != OK ? st : (int64_t)at;
}
_Static_assert(RIGHT_READ == VM_READ && RIGHT_WRITE == VM_WRITE && RIGHT_EXEC == VM_EXEC,
               "rights bound protections");

int64_t sys_shm_size(handle_t shm)
{
    struct object *o;
    status_t st = handle_get(shm, OBJ_SHM, 0, &o);
    if (st != OK)
        return st;
    int64_t size = (int64_t)shm_size_of(CONTAINER(o, struct shm, obj));
    object_put(o);
    return size;
}

int64_t sys_clock_map(handle_t proc, uintptr_t addr)
{
    struct process *p;
    uintptr_t at;
    status_t st = get_target(proc, &p);
    if (st != OK)
        return st;
    st = clock_page_map(p->aspace, addr, &at);
    put_target(proc, p);
    return st != OK ? st : (int64_t)at;
}

int64_t sys_shm_resize(handle_t shm, size_t size)
{
    struct object *o;
    status_t st = handle_get(shm, OBJ_SHM, RIGHT_WRITE, &o);
    if (st != OK)
        return st;
    st = shm_resize(CONTAINER(o, struct shm, obj), size);
    object_put(o);
    return st;
}

int64_t sys_shm_seal(handle_t shm, uint32_t seals)
{
    struct object *o;
    status_t st = handle_get(shm, OBJ_SHM, RIGHT_WRITE, &o);
    if (st != OK)
        return st;
    st = seals & ~SEALS_ALL ? -EINVAL : shm_seal(CONTAINER(o, struct shm, obj), seals);
    object_put(o);
    return st;
}

int64_t sys_shm_info(handle_t shm, struct user_out info)
{
    struct object *o;
    struct shm_info i;
    status_t st = handle_get(shm, OBJ_SHM, 0, &o);
    if (st != OK)
        return st;
    shm_describe(CONTAINER(o, struct shm, obj), &i);
    object_put(o);
    return copy_to_user(info, &i, sizeof i);
}

int64_t sys_shm_users(handle_t shm)
{
    struct object *o;
    status_t st = handle_get(shm, OBJ_SHM, 0, &o);
    if (st != OK)
        return st;
    int64_t refs =
        __atomic_load_n(&o->refs, __ATOMIC_ACQUIRE); /* the handle's and ours among them */
    object_put(o);
    return refs - 2;
}

int64_t sys_process_write(handle_t proc, uintptr_t addr, struct user_in buf, size_t len)
{
    struct process *p;
    size_t done = 0;
    status_t st = get_target(proc, &p);
    if (st != OK)
        return st;
    char *piece = kmalloc(PAGE_SIZE);
    st = piece ? OK : -ENOMEM;
    while (st == OK && done < len) {
        size_t n = min_u64(len - done, PAGE_SIZE);
        st = copy_from_user(piece, user_in_at(buf, done), n);
        if (st != OK)
            break;
        st = vm_write_foreign(p->aspace, addr + done, piece, n, true);
        if (st == -EFAULT)
            st = -EREMOTEIO;
        done += n;
    }
    kfree(piece);
    put_target(proc, p);
    return st != OK ? st : (int64_t)done;
}
