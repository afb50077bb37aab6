/*
 * Loading the first process (process.h). All others are loaded from user space.
 *
 * The initrd is input: every length in it is checked, and what does not fit ends in a panic that names it.
 */
#include "klib/printf.h"
#include "klib/string.h"
#include "mm/clock_page.h"
#include "mm/heap.h"
#include "proc/upcall.h"
#include "x86/random.h"

#define STACK_TOP   0x7ffffffe0000ull
#define STACK_SIZE  (1ull << 20)
#define STACK_GUARD (1ull << 16) /* below it: reserved, so that nothing can be mapped there */
#define LOAD_BASE   0x200000000000ull
#define STACK_WORDS 128u

/* ---- the archive: cpio newc, 110-byte headers of 13 fields of 8 hexadecimal digits ---- */

#define CPIO_HEADER 110u

/* The value of a digit, 16: it is none. */
static unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 32;
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

static bool cpio_field(const char *header, unsigned i, uint64_t *v)
{
    *v = 0;
    for (unsigned k = 0; k < 8; k++) {
        unsigned d = hex_digit(header[6 + i * 8 + k]);
        if (d > 15)
            return false;
        *v = *v << 4 | d;
    }
    return true;
}

static const void *cpio_find(const char *archive, uint64_t size, const char *path, uint64_t *length)
{
    for (uint64_t at = 0; at + CPIO_HEADER <= size;) {
        const char *h = archive + at;
        uint64_t file, name;
        if (memcmp(h, "070701", 6) || !cpio_field(h, 6, &file) || !cpio_field(h, 11, &name) ||
            name == 0)
            return NULL;
        uint64_t data = align_up(at + CPIO_HEADER + name, 4);
        if (data > size || file > size - data || h[CPIO_HEADER + name - 1])
            return NULL;
        if (!strcmp(h + CPIO_HEADER, path)) {
            *length = file;
            return archive + data;
        }
        at = align_up(data + file, 4);
    }
    return NULL;
}

/* ---- the program: ELF64, static-PIE ---- */

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56,
               "ELF-64 object file format");
enum { ET_DYN = 3, EM_X86_64 = 62, PT_LOAD = 1, PF_X = 1, PF_W = 2 };

static NORETURN void bad_program(const char *path, const char *why)
{
    panic(PANIC_BOOT, "first program %s: %s", path, why);
}

static void must(status_t st, const char *path, const char *what)
{
    if (st != OK)
        bad_program(path, what);
}

static void load_segment(struct process *p, const char *path, const char *image, uint64_t size,
                         const struct elf_segment *s)
{
    uint64_t start = align_down(LOAD_BASE + s->vaddr, PAGE_SIZE);
    if (s->filesz > s->memsz || s->offset > size || s->filesz > size - s->offset ||
        s->vaddr > LOAD_BASE || s->memsz > LOAD_BASE)
        bad_program(path, "bad segment");
    uint64_t end = align_up(LOAD_BASE + s->vaddr + s->memsz, PAGE_SIZE);
    uint32_t prot = VM_READ | (s->flags & PF_W ? VM_WRITE : 0) | (s->flags & PF_X ? VM_EXEC : 0);
    struct vm_map_args a = {
        .addr = start, .len = end - start, .prot = prot, .max_prot = prot, .fixed = true
    };
    uintptr_t at;
    must(vm_map(p->aspace, &a, &at), path, "segment can't be mapped");
    must(vm_write_foreign(p->aspace, LOAD_BASE + s->vaddr, image + s->offset, s->filesz, true),
         path, "no memory");
}

static uintptr_t load(struct process *p, const char *path, const char *image, uint64_t size)
{
    struct elf_header h; /* copied: files in an initrd are aligned to 4 bytes only */
    memcpy(&h, image, min_u64(size, sizeof h));
    if (size < sizeof h || memcmp(h.ident, "\177ELF\2\1\1", 7) || h.type != ET_DYN ||
        h.machine != EM_X86_64)
        bad_program(path, "not a static-PIE ELF64 program for x86-64");
    if (h.phentsize != sizeof(struct elf_segment) || h.phoff > size ||
        h.phnum > (size - h.phoff) / sizeof(struct elf_segment))
        bad_program(path, "bad program headers");
    for (unsigned i = 0; i < h.phnum; i++) {
        struct elf_segment s;
        memcpy(&s, image + h.phoff + i * sizeof s, sizeof s);
        if (s.type == PT_LOAD && s.memsz)
            load_segment(p, path, image, size, &s);
    }
    return LOAD_BASE + h.entry;
}

/* ---- its stack: System V layout, argv[0] only ---- */

static uintptr_t build_stack(struct process *p, const char *path, const struct start_handle *table,
                             size_t n)
{
    struct vm_map_args a = { .addr = STACK_TOP - STACK_SIZE,
                             .len = STACK_SIZE,
                             .prot = VM_READ | VM_WRITE,
                             .max_prot = VM_READ | VM_WRITE,
                             .fixed = true };
    struct vm_map_args guard = { .addr = a.addr - STACK_GUARD, .len = STACK_GUARD, .fixed = true };
    uintptr_t at;
    must(vm_map(p->aspace, &guard, &at), path, "no stack");
    must(vm_map(p->aspace, &a, &at), path, "no stack");
    uintptr_t strings = STACK_TOP - 64, entropy = strings - 16;
    uintptr_t handles = entropy - align_up(n * sizeof *table, 16), clock;
    char name[64] = { 0 };
    uint64_t random[2] = { random_u64(), random_u64() };
    str_copy(name, path, sizeof name);
    must(clock_page_map(p->aspace, STACK_TOP, &clock), path, "no memory");
    must(vm_write_foreign(p->aspace, entropy, random, sizeof random, false), path, "no memory");
    must(vm_write_foreign(p->aspace, strings, name, sizeof name, false), path, "no memory");
    must(vm_write_foreign(p->aspace, handles, table, n * sizeof *table, false), path, "no memory");
    const uint64_t words[] = { 1,
                               strings,
                               0,
                               0,           /* argc, argv, envp */
                               6,
                               PAGE_SIZE,               /* AT_PAGESZ */
                               31,
                               strings,                /* AT_EXECFN */
                               25,
                               entropy,                /* AT_RANDOM */
                               AT_RUGO_CLOCK,
                               clock,
                               AT_MINSIGSTKSZ,
                               upcall_frame_max(),
                               AT_RUGO_CPUS,
                               cpu_count,
                               AT_RUGO_HANDLES,
                               handles,
                               AT_RUGO_NHANDLES,
                               n,
                               0,
                               0 };
    uintptr_t sp = align_down(handles - sizeof words, 16);
    must(vm_write_foreign(p->aspace, sp, words, sizeof words, false), path, "no memory");
    return sp;
}

void process_start_first(const char *path, const void *initrd, uint64_t size,
                         const struct first_handle *h, size_t n)
{
    uint64_t length;
    struct start_handle table[16];
    const char *image = cpio_find(initrd, size, path, &length);
    if (!image)
        bad_program(path, "not in the initrd");
    ASSERT(n <= ARRAY_SIZE(table));
    status_t st;
    struct process *p = process_create(job_root(), "svcman", NULL, &st);
    must(st, path, "no memory");
    p->critical = true;
    p->image = LOAD_BASE;
    for (size_t i = 0; i < n; i++) {
        table[i].kind = h[i].kind;
        table[i].handle = handle_add(&p->handles, h[i].obj, h[i].rights, 0, 0);
        must(table[i].handle < 0 ? table[i].handle : OK, path, "no memory");
    }
    struct user_start start = { .entry = load(p, path, image, length) };
    start.stack = build_stack(p, path, table, n);
    struct thread *t = process_thread_create(p, &start, &st);
    must(st == OK ? process_thread_start(p, t) : st, path, "no memory");
    object_put(&t->obj);
    object_put(&p->obj);
}
