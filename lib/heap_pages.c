/* Where malloc's memory comes from. */
#include "heap_pages.h"

#include "last_words.h"

#include <rugo/syscall.h>
#include <rugo/thread.h>
#include <signal.h>
#include <stdint.h>

static struct mutex lock = MUTEX_INIT;

void heap_lock(void)
{
    mutex_lock(&lock);
}

void heap_unlock(void)
{
    mutex_unlock(&lock);
}

void heap_broken(const char *what)
{
    last_words(what);
    (void)sys_process_kill(HANDLE_SELF, SIGABRT);
    sys_process_exit(128 + SIGABRT);
}

/* The kernel promises page alignment only: what is too much on both sides is given back. */
static void *map_trimmed(size_t size, size_t align)
{
    int64_t at = sys_vm_map(HANDLE_SELF, 0, size + align, VM_READ | VM_WRITE, 0);
    uintptr_t low, high;

    if (at < 0)
        return NULL;
    low = ((uintptr_t)at + align - 1) & ~(align - 1);
    high = (uintptr_t)at + size + align;
    if (low > (uintptr_t)at)
        (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)at, low - (uintptr_t)at);
    if (high > low + size)
        (void)sys_vm_unmap(HANDLE_SELF, low + size, high - (low + size));
    return (void *)low;
}

void *heap_pages_map(size_t size, size_t align)
{
    static uintptr_t hint; /* behind the last one: likely free and aligned */
    int64_t at;

    if (hint != 0 && (hint & (align - 1)) == 0) {
        at = sys_vm_map(HANDLE_SELF, hint, size, VM_READ | VM_WRITE, VM_FIXED);
        if (at >= 0) {
            hint += (size + align - 1) & ~(align - 1);
            return (void *)at;
        }
    }
    void *p = map_trimmed(size, align);
    if (p != NULL)
        hint = ((uintptr_t)p + size + align - 1) & ~(align - 1);
    return p;
}

void heap_pages_unmap(void *p, size_t size)
{
    (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)p, size);
}
