/* The contract with the kernel as data, for programs that show it to people; made by tools/abigen.py of abi. */
#ifndef RUGO_CALLS_H
#define RUGO_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct abi_value {
    const char *name;
    int64_t value;
};

/* An `enum` or `flags` of abi/syscall.def; each is there as abi_group_NAME. */
struct abi_group {
    const char *name;
    bool flags;
    const struct abi_value *values;
    size_t n;
};

enum abi_kind {
    ABI_HANDLE,
    ABI_SIGNED,
    ABI_UNSIGNED,
    ABI_SIZE,
    ABI_ADDR,
    ABI_IN,
    ABI_OUT,
    ABI_STATUS,
    ABI_NEVER
};

#define ABI_GROUPS \
    3 /* groups of flags or values that an argument may be made of, at most (tools/abigen.py) */

struct abi_arg {
    const char *name;
    enum abi_kind kind;
    uint8_t bits; /* 32 or 64 of the register count */
    const struct abi_group *groups[ABI_GROUPS]; /* what its value is made of, NULL: just a number */
};

struct abi_call {
    const char *name; /* NULL: there is no such call */
    enum abi_kind result;
    uint8_t nargs;
    struct abi_arg args[6];
};

/* By number minus SYS_BASE. */
extern const struct abi_call abi_calls[];
extern const size_t abi_ncalls;

/* An operation of a protocol between programs. */
struct abi_op {
    uint32_t op; /* as the request begins */
    uint16_t size; /* of the request without its strings, which follow it */
    uint16_t string_at; /* offset of the u16 that is the first string's length; 0: it has none */
    const char *protocol, *name;
};
extern const struct abi_op abi_ops[];
extern const size_t abi_nops;

/* The call with that number, or NULL. */
const struct abi_call *abi_call_find(uint64_t number);
const struct abi_op *abi_op_find(uint32_t op);
/* Name of the value in the group, or NULL. */
const char *abi_value_name(const struct abi_group *g, int64_t value);

extern const struct abi_group abi_group_object_type, abi_group_right, abi_group_event;

#endif
