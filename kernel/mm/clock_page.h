/* The clock page (struct clock_page, x86/clock.h) as programs see it: one page of the kernel's, mapped read-only. */
#ifndef MM_CLOCK_PAGE_H
#define MM_CLOCK_PAGE_H

#include "mm/vm.h"

/* Make the object behind it; panics when memory is out. */
void clock_page_init(void);
/* Map it near hint (0: anywhere). -ENOMEM. */
status_t clock_page_map(struct aspace *as, uintptr_t hint, uintptr_t *at) MUST_CHECK;

#endif
