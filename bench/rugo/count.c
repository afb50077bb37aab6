/*
 * Plug-in for QEMU (-plugin, interface version 1): counts the instructions a guest executes. Unlike the
 * clock under -icount it doesn't count time in which nothing is executed, such as waiting for a disk.
 *
 *   -plugin count.so,out=FILE[,mark=0xADDR]...[,last=0xADDR]...[,profile=on]
 *
 * FILE gets "mark 0xADDR N" for each mark, N instructions before the one at ADDR was first executed,
 * "last 0xADDR N", N before it was last executed, "total N", and with profile=on one line "at 0xADDR N" per piece of code: N instructions were executed in
 * the straight-line piece beginning at ADDR. Virtual addresses; one CPU.
 *
 * QEMU's header for plug-ins is in no Debian package, so the few functions used are declared here.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MARKS  8
#define PIECES (1u << 20) /* hash table of pieces of code; a power of two */

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { CB_NO_REGS = 0, INLINE_ADD_U64 = 0 };
typedef void (*tb_trans_cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*vcpu_cb)(unsigned vcpu, void *data);
typedef void (*exit_cb)(qemu_plugin_id_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_cb cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, vcpu_cb cb, int flags,
                                            void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *ptr,
                                                uint64_t imm);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, exit_cb cb, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

struct mark {
    uint64_t addr;
    uint64_t count;
    bool seen;
    bool last; /* count at the last time instead of the first */
};

struct piece {
    uint64_t addr;
    uint64_t count;
};

static uint64_t total;
static struct mark marks[MARKS];
static unsigned nmarks;
static struct piece *pieces; /* NULL without profile=on */
static const char *out_name;

static void reached(unsigned vcpu, void *data)
{
    struct mark *m = data;

    (void)vcpu;
    if (m->last || !m->seen)
        m->count = total;
    m->seen = true;
}

/* The counter of the piece at addr; the table never fills, or counting would be wrong. */
static uint64_t *counter(uint64_t addr)
{
    uint64_t at = addr * 0x9e3779b97f4a7c15u >> 44;

    for (unsigned tries = 0; tries < PIECES; tries++, at = (at + 1) % PIECES) {
        if (pieces[at].addr == 0)
            pieces[at].addr = addr;
        if (pieces[at].addr == addr)
            return &pieces[at].count;
    }
    fprintf(stderr, "count: too many pieces of code\n");
    exit(1);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t *count = pieces != NULL ? counter(qemu_plugin_tb_vaddr(tb)) : NULL;

    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        for (unsigned m = 0; m < nmarks; m++) {
            if (qemu_plugin_insn_vaddr(insn) == marks[m].addr)
                qemu_plugin_register_vcpu_insn_exec_cb(insn, reached, CB_NO_REGS, &marks[m]);
        }
        qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &total, 1);
        if (count != NULL)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, count, 1);
    }
}

static void finished(qemu_plugin_id_t id, void *data)
{
    FILE *out = fopen(out_name, "w");

    (void)id;
    (void)data;
    if (out == NULL) {
        perror(out_name);
        return;
    }
    for (unsigned m = 0; m < nmarks; m++) {
        if (marks[m].seen)
            fprintf(out, "%s 0x%" PRIx64 " %" PRIu64 "\n", marks[m].last ? "last" : "mark",
                    marks[m].addr, marks[m].count);
    }
    fprintf(out, "total %" PRIu64 "\n", total);
    for (unsigned i = 0; pieces != NULL && i < PIECES; i++) {
        if (pieces[i].count != 0)
            fprintf(out, "at 0x%" PRIx64 " %" PRIu64 "\n", pieces[i].addr, pieces[i].count);
    }
    fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0)
            out_name = strdup(argv[i] + 4);
        else if ((strncmp(argv[i], "mark=", 5) == 0 || strncmp(argv[i], "last=", 5) == 0) &&
                 nmarks < MARKS)
            marks[nmarks++] =
                (struct mark){ strtoull(argv[i] + 5, NULL, 16), 0, false, argv[i][0] == 'l' };
        else if (strcmp(argv[i], "profile=on") == 0)
            pieces = calloc(PIECES, sizeof(*pieces));
        else
            return -1;
    }
    if (out_name == NULL)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
