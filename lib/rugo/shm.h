/* Memory objects, mapped. */
#ifndef RUGO_SHM_H
#define RUGO_SHM_H

#include <stddef.h>
#include <rugo/abi.h>

/* Makes a memory object of size bytes (rounded up to pages) and maps all of it readable and
 * writable. On success the caller owns *shm and the mapping at *addr. 0 or negative errno. */
int shm_new(size_t size, handle_t *shm, void **addr);
/* Maps all of an object with prot (VM_READ, VM_WRITE, VM_EXEC); *size (may be NULL) is its size. */
int shm_attach(handle_t shm, uint32_t prot, void **addr, size_t *size);
/* Unmaps what shm_new or shm_attach mapped; the handle stays. */
void shm_detach(void *addr, size_t size);

#endif
