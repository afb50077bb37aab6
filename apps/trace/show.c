/* Trace records in words (show.h), from the tables that tools/abigen.py makes of the contract. */
#include "apps/trace/show.h"

#include <rugo/calls.h>
#include <rugo/look.h>
#include <stdio.h>
#include <string.h>

static void add(char *text, size_t size, const char *what)
{
    (void)strlcat(text, what, size);
}

static const char *error_name(int64_t error)
{
#define NAME(number, name, words) \
    case number: return #name;
    switch (error) {
        ERROR_TABLE(NAME)
    default: return NULL;
    }
#undef NAME
}

/* Bytes as a string of C; more says that there were more than these. */
static void add_bytes(char *text, size_t size, const uint8_t *data, size_t n, int more)
{
    char one[8];

    add(text, size, "\"");
    for (size_t i = 0; i < n; i++) {
        const char *form = data[i] == '"' || data[i] == '\\' ? "\\%c"
                           : data[i] < ' ' || data[i] > '~'  ? "\\x%02x"
                                                             : "%c";
        snprintf(one, sizeof one, data[i] == '\n' ? "\\n" : form, data[i]);
        add(text, size, one);
    }
    add(text, size, more ? "\"..." : "\"");
}

static uint32_t word_at(const struct trace_record *r, size_t offset)
{
    uint32_t word = 0;

    if (offset + sizeof word <= r->len)
        memcpy(&word, r->data + offset, sizeof word);
    return word;
}

/* A request: the operation of its protocol and its first string. */
static void add_request(char *text, size_t size, const struct trace_record *r)
{
    const struct abi_op *op = r->len >= 4 ? abi_op_find(word_at(r, 0)) : NULL;
    size_t len, shown;

    if (op == NULL)
        return;
    add(text, size, " [");
    add(text, size, op->protocol);
    add(text, size, ".");
    add(text, size, op->name);
    if (op->string_at != 0 && op->size <= r->len) {
        len = word_at(r, op->string_at) & 0xffff;
        shown = len < r->len - op->size ? len : r->len - op->size;
        add(text, size, " ");
        add_bytes(text, size, r->data + op->size, shown, shown < len);
    }
    add(text, size, "]");
}

/* An answer begins with a status. */
static void add_answer(char *text, size_t size, const struct trace_record *r)
{
    int32_t status = (int32_t)word_at(r, 0);
    const char *name = status < 0 ? error_name(-(int64_t)status) : NULL;
    char word[40];

    if (r->len < 4)
        return;
    if (name != NULL)
        snprintf(word, sizeof word, " [answer -%s]", name);
    else
        snprintf(word, sizeof word, " [answer %d]", status);
    add(text, size, word);
}

void show_call(const struct trace_record *enter, char *text, size_t size)
{
    const struct abi_call *c = abi_call_find(enter->number);
    char word[96];

    if (c == NULL) {
        snprintf(text, size, "call 0x%x(0x%lx, 0x%lx, 0x%lx)", enter->number, enter->args[0],
                 enter->args[1], enter->args[2]);
        return;
    }
    snprintf(text, size, "%s(", c->name);
    for (uint8_t i = 0; i < c->nargs; i++) {
        const struct abi_arg *a = &c->args[i];

        add(text, size, i > 0 ? ", " : "");
        add(text, size, a->name);
        add(text, size, "=");
        if (a->kind == ABI_IN && enter->len > 0 && i + 1 < c->nargs) {
            add_bytes(text, size, enter->data, enter->len, enter->len < enter->args[i + 1]);
            continue;
        }
        look_argument(a, enter->args[i], word, sizeof word);
        add(text, size, word);
    }
    add(text, size, ")");
    if (enter->number == SYS_ipc_call || enter->number == SYS_ipc_send)
        add_request(text, size, enter);
    else if (enter->number == SYS_ipc_reply ||
             (enter->number == SYS_ipc_reply_recv && enter->args[1] != 0))
        add_answer(text, size, enter);
}

void show_result(const struct trace_record *leave, char *text, size_t size)
{
    const struct abi_call *c = abi_call_find(leave->number);
    const char *name = leave->result < 0 ? error_name(-leave->result) : NULL;

    if (name != NULL)
        snprintf(text, size, "-%s", name);
    else if (c != NULL && (c->result == ABI_ADDR ||
                           (c->result == ABI_HANDLE && (leave->result & HANDLE_HIGH) != 0)))
        snprintf(text, size, "0x%lx", (uint64_t)leave->result);
    else
        snprintf(text, size, "%ld", (long)leave->result);
    if (leave->number == SYS_ipc_call)
        add_answer(text, size, leave);
    else if (leave->number == SYS_ipc_recv || leave->number == SYS_ipc_reply_recv)
        add_request(text, size, leave);
}
