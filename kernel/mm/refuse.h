/*
 * A kernel with DEBUG can be made to refuse memory that there is, so that tests reach what happens when there is none
 * (proc/fail.h). In an ordinary kernel all of this is nothing.
 */
#ifndef MM_REFUSE_H
#define MM_REFUSE_H

#include "klib/types.h"

#ifdef DEBUG
/* Asked at each allocation, with locks of any rank held. Handed down by an upper room before others run; NULL: no. */
extern bool (*memory_refuser)(void);

static inline bool memory_refused(void)
{
    return memory_refuser && memory_refuser();
}
#else
static inline bool memory_refused(void)
{
    return false;
}
#endif

#endif
