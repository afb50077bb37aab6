/* Raw copy that survives page faults, by quadwords: 0, or nonzero when an access failed. */
#ifndef X86_USERCOPY_H
#define X86_USERCOPY_H

#include <stddef.h>
#include <stdint.h>

int usercopy_raw(void *dst, const void *src, size_t n);
/* The same for one aligned word, in one access. */
int usercopy_peek32(uint32_t *dst, const void *src);

#endif
