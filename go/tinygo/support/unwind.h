/* Who called whom, from the table of the image that tells how each function keeps its stack (.eh_frame). */
#ifndef GO_UNWIND_H
#define GO_UNWIND_H

#include <stddef.h>
#include <stdint.h>

struct unwind {
    uint64_t rip; /* a return address, except for the first frame of a fault */
    uint64_t rsp, rbp;
};

/* Go on to the caller. exact: rip is an instruction, not a return address. 0: that was the last one. */
int unwind_step(struct unwind *u, int exact);

#endif
