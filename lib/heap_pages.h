/* Where malloc's memory comes from. The host tests have their own. */
#ifndef LIB_HEAP_PAGES_H
#define LIB_HEAP_PAGES_H

#include <stddef.h>

/* size bytes of zeroed memory at a multiple of align (both multiples of pages, align a power of
 * two), or NULL. */
void *heap_pages_map(size_t size, size_t align);
void heap_pages_unmap(void *p, size_t size);
/* One lock for the heap. */
void heap_lock(void);
void heap_unlock(void);
/* A broken heap or a wrong free: says what and ends the program. */
_Noreturn void heap_broken(const char *what);

#endif
