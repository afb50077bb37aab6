/* The clock page as programs see it (clock_page.h). */
#include "mm/clock_page.h"
#include "mm/pagetable.h"
#include "x86/clock.h"

static struct shm *object; /* [I] */

void clock_page_init(void)
{
    paddr_t at = pt_lookup(kernel_root(), (uintptr_t)clock_page()) & PTE_ADDR;
    object = shm_create_contiguous(at, PAGE_SIZE);
    if (!object)
        panic(PANIC_MEMORY, "no memory for the clock page");
}

status_t clock_page_map(struct aspace *as, uintptr_t hint, uintptr_t *at)
{
    struct vm_map_args a = {
        .addr = hint, .len = PAGE_SIZE, .prot = VM_READ, .max_prot = VM_READ, .shm = object
    };
    return vm_map(as, &a, at);
}
