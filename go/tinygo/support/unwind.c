/*
 * A reader of .eh_frame (Linux Standard Base, "Exception Frames"; DWARF 4, 6.4), as far as LLVM uses it for x86-64 code
 * without exceptions: the frame's address is RSP or RBP and an offset, and RBP lies in the frame. Functions without a
 * row, which are those in C and assembly, are taken to keep a frame pointer.
 *
 * The table is the linker's and trusted; what lies on the stack is not, so every word is read through read_word().
 */
#include "unwind.h"

#include <rugo/elf.h>
#include <string.h>

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

#define IMAGE_REACH (UINT64_C(1) << 30)

enum { PT_GNU_EH_FRAME = 0x6474e550, RBP = 6, RSP = 7, RIP = 16, SAVED_MAX = 4 };

/* How a frame lies at one instruction. */
struct rule {
    uint64_t cfa_register;
    int64_t cfa_offset;
    int64_t rbp_at; /* from the frame's address; 0: RBP is as it was */
};

struct reader {
    const uint8_t *p, *end;
};

struct header {
    uint8_t version, start_format, count_format, table_format;
    int32_t start;
    uint32_t count;
    struct {
        int32_t function, row;
    } table[];
};

struct row {
    const uint8_t *begin; /* instructions of the row */
    const uint8_t *end;
    const uint8_t *cie_begin;
    const uint8_t *cie_end;
    uint64_t function; /* first address */
    uint64_t size;
    uint64_t code_unit;
    int64_t data_unit;
};

static uint64_t uleb(struct reader *r)
{
    uint64_t value = 0;
    unsigned shift = 0;

    while (r->p < r->end) {
        uint8_t byte = *r->p++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if ((byte & 0x80) == 0)
            break;
    }
    return value;
}

static int64_t sleb(struct reader *r)
{
    const uint8_t *begin = r->p;
    uint64_t value = uleb(r);
    size_t bits = 7 * (size_t)(r->p - begin);

    if (bits > 0 && bits < 64 && (r->p[-1] & 0x40) != 0)
        value |= ~UINT64_C(0) << bits;
    return (int64_t)value;
}

static uint32_t word32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t number(struct reader *r, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n && r->p < r->end; i++)
        v |= (uint64_t)*r->p++ << (8 * i);
    return v;
}

static const struct header *find_header(void)
{
    const struct elf_header *e = (const struct elf_header *)__ehdr_start;
    const struct elf_phdr *p = (const struct elf_phdr *)(__ehdr_start + e->phoff);

    for (int i = 0; i < e->phnum; i++)
        if (p[i].type == PT_GNU_EH_FRAME)
            return (const struct header *)(__ehdr_start + p[i].vaddr);
    return NULL;
}

/* The row whose function begins at or before an address; NULL: there is none. */
static const uint8_t *find_row(uint64_t rip)
{
    const struct header *h = find_header();
    int64_t relative = (int64_t)(rip - (uintptr_t)h);
    uint32_t low = 0, high;

    if (h == NULL || h->version != 1 || h->count_format != 0x03 || h->table_format != 0x3b)
        return NULL;
    for (high = h->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (h->table[middle].function <= relative)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : (const uint8_t *)h + h->table[low - 1].row;
}

/* Addresses must be 32-bit and relative to where they stand ("zR", 0x1b), as linkers for this code model write them. */
static int read_row(const uint8_t *at, struct row *row)
{
    const uint8_t *cie = at + 4 - word32(at + 4);
    struct reader c = { cie + 9, cie + 4 + word32(cie) };
    struct reader r = { at + 16, at + 4 + word32(at) };

    if (cie[8] != 1 || strcmp((const char *)c.p, "zR") != 0)
        return 0;
    c.p += sizeof "zR";
    row->code_unit = uleb(&c);
    row->data_unit = sleb(&c);
    (void)uleb(&c);
    (void)uleb(&c);
    if (*c.p++ != 0x1b)
        return 0;
    row->cie_begin = c.p;
    row->cie_end = c.end;
    row->function = (uintptr_t)(at + 8) + (uint64_t)(int64_t)(int32_t)word32(at + 8);
    row->size = word32(at + 12);
    r.p += uleb(&r);
    row->begin = r.p;
    row->end = r.end;
    return 1;
}

static void set_offset(struct rule *rule, uint64_t reg, int64_t offset)
{
    if (reg == RBP)
        rule->rbp_at = offset;
}

/* Instructions up to the address. 0: one that is not known. */
static int run(struct reader r, const struct row *row, uint64_t rip, struct rule *rule)
{
    struct rule saved[SAVED_MAX], first = *rule;
    unsigned nsaved = 0;
    uint64_t at = row->function, reg;

    while (r.p < r.end) {
        uint8_t op = *r.p++, low = op & 0x3f;

        switch (op >> 6) {
        case 1: /* advance_loc */ at += low * row->code_unit; break;
        case 2: /* offset */ set_offset(rule, low, (int64_t)uleb(&r) * row->data_unit); continue;
        case 3: /* restore */ set_offset(rule, low, first.rbp_at); continue;
        default:
            switch (op) {
            case 0x00: /* nop */ continue;
            case 0x02: /* advance_loc1, 2, 4 */
            case 0x03:
            case 0x04: at += number(&r, (size_t)1 << (op - 2)) * row->code_unit; break;
            case 0x0a: /* remember_state */
                if (nsaved == SAVED_MAX)
                    return 0;
                saved[nsaved++] = *rule;
                continue;
            case 0x0b: /* restore_state */
                if (nsaved == 0)
                    return 0;
                *rule = saved[--nsaved];
                continue;
            case 0x0c: /* def_cfa */
                rule->cfa_register = uleb(&r);
                rule->cfa_offset = (int64_t)uleb(&r);
                continue;
            case 0x0d: /* def_cfa_register */ rule->cfa_register = uleb(&r); continue;
            case 0x0e: /* def_cfa_offset */ rule->cfa_offset = (int64_t)uleb(&r); continue;
            case 0x2e: /* GNU_args_size */ (void)uleb(&r); continue;
            case 0x07: /* undefined */
                reg = uleb(&r);
                if (reg == RIP)
                    return 0; /* the outermost frame says so */
                continue;
            default: return 0;
            }
        }
        if (at > rip)
            return 1;
    }
    return 1;
}

/* A word of the stack; where it can't be one, 0, which ends the walk. */
static uint64_t read_word(uint64_t at, uint64_t rsp)
{
    return at % 8 != 0 || at < rsp || at - rsp > (UINT64_C(1) << 20) ? 0 : *(const uint64_t *)at;
}

static int by_frame_pointer(struct unwind *u)
{
    uint64_t rbp = u->rbp;

    if (read_word(rbp, u->rsp) == 0 && read_word(rbp + 8, u->rsp) == 0)
        return 0;
    u->rip = read_word(rbp + 8, u->rsp);
    u->rbp = read_word(rbp, u->rsp);
    u->rsp = rbp + 16;
    return u->rip != 0;
}

/* A fault in a small function without a row: its return address may still be on top of the stack. */
static int by_stack_top(struct unwind *u)
{
    uint64_t caller = read_word(u->rsp, u->rsp);

    if (caller - (uintptr_t)__ehdr_start >= IMAGE_REACH || find_row(caller - 1) == NULL)
        return 0;
    u->rip = caller;
    u->rsp += 8;
    return 1;
}

int unwind_step(struct unwind *u, int exact)
{
    uint64_t rip = u->rip - !exact, cfa;
    const uint8_t *at = find_row(rip);
    struct rule rule = { .cfa_register = RSP, .cfa_offset = 8 };
    struct row row;

    if (at == NULL || !read_row(at, &row) || rip - row.function >= row.size)
        return (exact && by_stack_top(u)) || by_frame_pointer(u);
    if (!run((struct reader){ row.cie_begin, row.cie_end }, &row, ~UINT64_C(0), &rule) ||
        !run((struct reader){ row.begin, row.end }, &row, rip, &rule))
        return 0;
    cfa = (rule.cfa_register == RBP ? u->rbp : u->rsp) + (uint64_t)rule.cfa_offset;
    u->rip = read_word(cfa - 8, u->rsp);
    if (rule.rbp_at != 0)
        u->rbp = read_word(cfa + (uint64_t)rule.rbp_at, u->rsp);
    u->rsp = cfa;
    return u->rip != 0;
}
