/* Finding things in the tables of <rugo/calls.h>. */
#include <rugo/calls.h>

#include <rugo/abi.h>

const struct abi_call *abi_call_find(uint64_t number)
{
    uint64_t row = number - SYS_BASE;

    return row < abi_ncalls && abi_calls[row].name != NULL ? &abi_calls[row] : NULL;
}

const struct abi_op *abi_op_find(uint32_t op)
{
    for (size_t i = 0; i < abi_nops; i++)
        if (abi_ops[i].op == op)
            return &abi_ops[i];
    return NULL;
}

const char *abi_value_name(const struct abi_group *g, int64_t value)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->values[i].value == value)
            return g->values[i].name;
    return NULL;
}
