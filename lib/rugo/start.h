/* The handles this process was started with; which they are is its parent's decision. */
#ifndef RUGO_START_H
#define RUGO_START_H

#include <stddef.h>
#include <rugo/abi.h>

/* The first handle of a kind (START_…), or HANDLE_NONE. The process owns it; closing it does not
 * change the table. */
handle_t start_handle(uint32_t kind);
/* The n-th one (from 0) of a kind that may repeat. */
handle_t start_handle_nth(uint32_t kind, size_t n);
/* The whole table; *n elements. */
const struct start_handle *start_table(size_t *n);

/* Value of an auxv entry (AT_…), 0 if there is none. */
unsigned long getauxval(unsigned long type);

/* start_handle for utilities: without it prints "ps: this program was not given the job handle"
 * and exits with 1. */
handle_t start_need(uint32_t kind, const char *what);

/* Last component of argv[0], for messages. */
extern const char *program_name;

#endif
