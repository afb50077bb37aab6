/* Which calls of a trace are shown: by name, by operation of a protocol, by failure. */
#ifndef TRACE_FILTER_H
#define TRACE_FILTER_H

#include <rugo/abi.h>
#include <stdbool.h>

/*
 * Show only what is in the list (names with commas between): a system call ("futex_wait"), an operation of a protocol
 * ("file.open"), or all of a protocol ("file"); with '!' before the list, all but that. Lists add up. NULL, or a name that is
 * none of these.
 */
const char *filter_names(char *list);
/* Show only what fails, by the call or by the answer to a request; with these errors (ENOENT,EPIPE), or NULL: with any. As above. */
const char *filter_errors(char *list);

/* Whether a call is wanted, as far as its beginning tells. */
bool filter_wants(const struct trace_record *enter);
/* And as its end tells. */
bool filter_wants_end(const struct trace_record *leave);
/* Whether only the end of a call tells. */
bool filter_needs_end(void);

#endif
