/*
 * Memory of an address space, current or not, for the rest of the kernel: pages kept in place, copies, and which object
 * lies somewhere (vm.h).
 */
#include "klib/string.h"
#include "mm/pages.h"

struct shm *vm_object_at(struct aspace *as, uintptr_t va, uint64_t *offset)
{
    spin_lock(&as->lock);
    struct region *r = region_at(as, va);
    struct shm *s = r && !r->copy ? r->shm : NULL;
    if (s) {
        object_get(&s->obj);
        *offset = (r->shm_page << PAGE_SHIFT) + (va - start_of(r));
    }
    spin_unlock(&as->lock);
    return s;
}

/* Pin the page of r at va, with entry e. */
static status_t pin_page(const struct region *r, uintptr_t va, pte_t e, uint32_t access,
                         struct vm_pin *pin)
{
    bool own = e & PTE_OWN;
    pin->shm = writes_shared(r, access) ? r->shm : NULL;
    if (pin->shm) {
        status_t st = shm_pin(pin->shm, true);
        if (st != OK)
            return st;
        object_get(&pin->shm->obj);
    }
    pin->frame = !own && shm_is_static(r->shm) ? 0 : e & PTE_ADDR;
    pin->at = (char *)phys_to_virt(e & PTE_ADDR) + (va & PAGE_MASK);
    if (pin->frame)
        frame_pin(pin->frame);
    return OK;
}

status_t vm_pin(struct aspace *as, uintptr_t va, uint32_t access, struct vm_pin *pin)
{
    const struct want w = { .access = access };
    struct region *r;
    pte_t *e;
    spin_lock(&as->lock);
    status_t st = page_get(as, va, &w, &r, &e);
    if (st == OK)
        st = pin_page(r, va, *e, access, pin);
    spin_unlock(&as->lock);
    return st;
}

void vm_unpin(const struct vm_pin *pin)
{
    if (pin->frame)
        frame_unpin(pin->frame);
    if (!pin->shm)
        return;
    shm_unpin(pin->shm, true);
    object_put(&pin->shm->obj);
}

static status_t foreign(struct aspace *as, uintptr_t va, void *buf, size_t n, const struct want *w)
{
    char *at = buf;
    if (!user_range_ok(va, n))
        return n ? -EFAULT : OK;
    while (n) {
        size_t piece = min_u64(n, PAGE_SIZE - (va & PAGE_MASK));
        struct region *r;
        pte_t *e;
        spin_lock(&as->lock);
        status_t st = page_get(as, va, w, &r, &e);
        if (st == OK) {
            char *page = (char *)phys_to_virt(*e & PTE_ADDR) + (va & PAGE_MASK);
            bool write = w->access & VM_WRITE;
            memcpy(write ? page : at, write ? at : page, piece);
        }
        spin_unlock(&as->lock);
        if (st != OK)
            return st == -ENOMEM ? st : -EFAULT;
        va += piece;
        at += piece;
        n -= piece;
    }
    return OK;
}

status_t vm_read_foreign(struct aspace *as, uintptr_t va, void *dst, size_t n)
{
    const struct want w = { .access = VM_READ };
    return foreign(as, va, dst, n, &w);
}

status_t vm_write_foreign(struct aspace *as, uintptr_t va, const void *src, size_t n,
                          bool ignore_prot)
{
    const struct want w = { .access = VM_WRITE, .loading = ignore_prot };
    return foreign(as, va, (void *)(uintptr_t)src, n, &w);
}
