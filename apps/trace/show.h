/* Trace records in words. */
#ifndef TRACE_SHOW_H
#define TRACE_SHOW_H

#include <stddef.h>
#include <rugo/abi.h>

/* `name(argument=value, …) [message]` of a record of either kind; enter is the record of the call's beginning. */
void show_call(const struct trace_record *enter, char *text, size_t size);
/* `result [what was received]` of the record of a call's end. */
void show_result(const struct trace_record *leave, char *text, size_t size);

#endif
