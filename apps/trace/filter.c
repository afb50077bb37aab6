/* Which calls of a trace are shown (filter.h). Names come from the tables that tools/abigen.py makes of the contract. */
#include "apps/trace/filter.h"

#include <rugo/calls.h>
#include <rugo/syscall.h>
#include <string.h>

enum { CALLS_MAX = 256, OPS_MAX = 256, ERRORS_MAX = 4096 };

static bool by_name, but; /* but: what is listed is not shown */
static bool calls[CALLS_MAX], operations[OPS_MAX]; /* listed, by place in abi_calls and abi_ops */
static bool by_error;
static bool errors[ERRORS_MAX]; /* wanted, by number */

/* "file.open" or "file". */
static bool names_operation(const struct abi_op *op, const char *name)
{
    size_t len = strlen(op->protocol);

    return strncmp(op->protocol, name, len) == 0 &&
           (name[len] == '\0' || (name[len] == '.' && strcmp(op->name, name + len + 1) == 0));
}

static bool list_name(const char *name)
{
    bool known = false;

    for (size_t i = 0; i < abi_ncalls && i < CALLS_MAX; i++)
        if (abi_calls[i].name != NULL && strcmp(abi_calls[i].name, name) == 0)
            known = calls[i] = true;
    for (size_t i = 0; i < abi_nops && i < OPS_MAX; i++)
        if (names_operation(&abi_ops[i], name))
            known = operations[i] = true;
    return known;
}

const char *filter_names(char *list)
{
    char *name;

    by_name = true;
    but |= *list == '!';
    list += *list == '!';
    while ((name = strsep(&list, ",")) != NULL)
        if (!list_name(name))
            return name;
    return NULL;
}

static bool list_error(const char *name)
{
#define LIST(number, word, text)  \
    if (strcmp(name, #word) == 0) \
        return errors[number] = true;
    ERROR_TABLE(LIST)
#undef LIST
    return false;
}

const char *filter_errors(char *list)
{
    char *name;

    by_error = true;
    if (list == NULL)
        memset(errors, true, sizeof errors);
    while (list != NULL && (name = strsep(&list, ",")) != NULL)
        if (!list_error(name))
            return name;
    return NULL;
}

static uint32_t first_word(const struct trace_record *r)
{
    uint32_t word = 0;

    if (r->len >= sizeof word)
        memcpy(&word, r->data, sizeof word);
    return word;
}

static bool is_listed(const struct trace_record *enter)
{
    uint64_t place = enter->number - SYS_BASE;
    const struct abi_op *op = NULL;

    if (place < CALLS_MAX && calls[place])
        return true;
    if (enter->kind == TRACE_ENTER &&
        (enter->number == SYS_ipc_call || enter->number == SYS_ipc_send))
        op = abi_op_find(first_word(enter));
    return op != NULL && op - abi_ops < OPS_MAX && operations[op - abi_ops];
}

bool filter_wants(const struct trace_record *enter)
{
    return !by_name || is_listed(enter) != but;
}

static bool is_wanted_error(int64_t result)
{
    return result < 0 && result > -ERRORS_MAX && errors[-result];
}

bool filter_wants_end(const struct trace_record *leave)
{
    return !by_error || is_wanted_error(leave->result) ||
           (leave->number == SYS_ipc_call && leave->result == 0 &&
            is_wanted_error((int32_t)first_word(leave)));
}

bool filter_needs_end(void)
{
    return by_error;
}
