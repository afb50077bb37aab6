/*
 * From _start to main: relocate the image, read the auxiliary vector, make the first thread's
 * block. Until relocate() is done no pointer in initialised data is valid, so it comes first and
 * uses none. This file and mem.c are compiled without the stack protector: there is no block yet.
 */
#include <rugo/start.h>

#include "tcb.h"

#include <rugo/elf.h>
#include <rugo/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DT_RELA = 7, DT_RELASZ = 8, R_X86_64_RELATIVE = 8, AT_RANDOM_ = 25 };

struct dynamic {
    int64_t tag;
    uint64_t value;
};

struct rela {
    uint64_t offset;
    uint64_t info;
    uint64_t addend;
};

char **environ;
const char *program_name = "?";

static const uint64_t *auxv;
static const struct elf_phdr *tls; /* the program's PT_TLS, or NULL */
static char *tls_image;
static uint64_t canary;
static char first_block[256] __attribute__((aligned(64))); /* the first thread's, if it fits */

int main(int argc, char **argv, char **envp);
_Noreturn void __start(uint64_t *stack, const struct dynamic *dynamic, char *base);

static void relocate(const struct dynamic *d, char *base)
{
    const struct rela *r = NULL;
    uint64_t size = 0;

    for (; d->tag != 0; d++) {
        if (d->tag == DT_RELA)
            r = (const struct rela *)(base + d->value);
        else if (d->tag == DT_RELASZ)
            size = d->value;
    }
    for (; size >= sizeof *r; size -= sizeof *r, r++)
        if ((uint32_t)r->info == R_X86_64_RELATIVE)
            *(uint64_t *)(base + r->offset) = (uint64_t)base + r->addend;
}

unsigned long getauxval(unsigned long type)
{
    for (const uint64_t *a = auxv; a[0] != 0; a += 2)
        if (a[0] == type)
            return a[1];
    return 0;
}

static size_t round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* The ELF header is part of the image: the linker puts it into the first segment. */
static void find_tls(char *base)
{
    const struct elf_header *h = (const struct elf_header *)base;
    const struct elf_phdr *p = (const struct elf_phdr *)(base + h->phoff);

    for (int i = 0; i < h->phnum; i++) {
        if (p[i].type == ELF_PT_TLS && p[i].memsz > 0) {
            tls = &p[i];
            tls_image = base + p[i].vaddr;
        }
    }
}

/*
 * The word that the stack protector keeps between arrays and return addresses. Its lowest byte is 0: a string copied
 * too far ends before it. A program whose maker gave no random bytes takes what the CPU has.
 */
static void choose_canary(void)
{
    const void *given = (const void *)getauxval(AT_RANDOM_);

    canary = __builtin_ia32_rdtsc() * 0x9e3779b97f4a7c15u;
    if (given != NULL)
        memcpy(&canary, given, sizeof canary);
    canary <<= 8;
}

/* The tcb lies at the end, 64-aligned; the block ends right below it (ABI's variant II). */
size_t __tls_size(void)
{
    size_t block = tls == NULL ? 0 : round_up(tls->memsz, tls->align < 64 ? 64 : tls->align);

    return block + round_up(sizeof(struct tcb), 64) + (tls == NULL ? 0 : tls->align);
}

struct tcb *__tcb_make(char *end)
{
    uintptr_t align = tls == NULL || tls->align < 64 ? 64 : tls->align;
    struct tcb *t = (struct tcb *)(((uintptr_t)end - sizeof *t) & ~(align - 1));

    if (tls != NULL) {
        char *block = (char *)t - round_up(tls->memsz, tls->align == 0 ? 1 : tls->align);
        memcpy(block, tls_image, tls->filesz);
        memset(block + tls->filesz, 0, tls->memsz - tls->filesz);
    }
    memset(t, 0, sizeof *t);
    t->self = t;
    t->canary = canary;
    return t;
}

static void first_thread(void)
{
    char *block = first_block;
    size_t size = sizeof first_block;

    if (__tls_size() > size) {
        size = round_up(__tls_size(), PAGE_SIZE);
        int64_t at = sys_vm_map(HANDLE_SELF, 0, size, VM_READ | VM_WRITE, 0);
        if (at < 0)
            sys_process_exit(127);
        block = (char *)at;
    }
    (void)sys_thread_set_tls((uintptr_t)__tcb_make(block + size));
}

_Noreturn void __start(uint64_t *stack, const struct dynamic *dynamic, char *base)
{
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);

    relocate(dynamic, base);
    environ = argv + argc + 1;
    char **end = environ;
    while (*end != NULL)
        end++;
    auxv = (const uint64_t *)(end + 1);
    find_tls(base);
    choose_canary();
    first_thread();
    if (argc > 0) {
        const char *slash = strrchr(argv[0], '/');
        program_name = slash != NULL ? slash + 1 : argv[0];
    }
    exit(main(argc, argv, environ));
}
