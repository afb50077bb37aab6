/* Address space of the heap, and stacks of goroutines: a guard page, then what can be used. */
#include "support.h"

#include <rugo/syscall.h>

enum { STACKS_KEPT = 32 };

static void *kept[STACKS_KEPT]; /* stacks of goroutines that have ended */
static size_t nkept;
static size_t stack_size; /* of all stacks */

int64_t support_reserve(size_t size)
{
    return sys_vm_reserve(HANDLE_SELF, 0, size, 0);
}

int64_t support_commit(uintptr_t addr, size_t size)
{
    return sys_vm_commit(HANDLE_SELF, addr, size);
}

void *support_stack_get(size_t size)
{
    int64_t at;

    stack_size = size;
    if (nkept > 0)
        return kept[--nkept];
    at = sys_vm_reserve(HANDLE_SELF, 0, PAGE_SIZE + size, 0);
    if (at < 0)
        return NULL;
    if (sys_vm_commit(HANDLE_SELF, (uintptr_t)at + PAGE_SIZE, size) != 0) {
        (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE + size);
        return NULL;
    }
    return (char *)at + PAGE_SIZE;
}

void support_stack_put(void *low)
{
    if (nkept < STACKS_KEPT)
        kept[nkept++] = low;
    else
        (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)low - PAGE_SIZE, PAGE_SIZE + stack_size);
}
