/*
 * The ELF loader. A child is built from outside: an empty process, its segments with their final
 * protection (nothing is ever writable and executable), and in one call at the end its handles, a
 * stack that holds what the System V ABI wants there, and its first thread. Until then nothing of
 * it runs, and a failure kills the empty shell.
 *
 * A program comes as bytes, which are copied (process_write stores whatever the protection is), or
 * as a memory object, whose pages the child maps: those are shared with all that run the program,
 * until it writes to one and gets a copy.
 */
#include <rugo/spawn.h>

#include <errno.h>
#include <rugo/elf.h>
#include <rugo/path.h>
#include <rugo/random.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    AT_NULL_ = 0,
    AT_PHDR_ = 3,
    AT_PHENT_ = 4,
    AT_PHNUM_ = 5,
    AT_PAGESZ_ = 6,
    AT_BASE_ = 7,
    AT_ENTRY_ = 9
};
enum { AT_RANDOM_ = 25, AT_EXECFN_ = 31, AUXV_MAX = 16 };

#define STRINGS_MAX (512ul * 1024) /* bytes of argv, envp and their pointers */

/* Where images and stacks are placed: a random page of a window of 2^40 bytes each. */
#define IMAGE_LOW 0x200000000000ull
#define STACK_LOW 0x7e0000000000ull
#define WINDOW    (1ull << 40)
_Static_assert(IMAGE_LOW + WINDOW + ELF_IMAGE_MAX <= STACK_LOW, "an image cannot reach the stacks");
_Static_assert(STACK_LOW + WINDOW + SPAWN_GUARD + SPAWN_STACK <= USER_MAX, "stacks are the user's");

struct child {
    struct spawn_args *a;
    struct elf_image image;
    const char *file; /* the program's bytes, or NULL and */
    handle_t object; /* the memory object that holds them */
    handle_t proc;
    uint64_t base; /* added to the file's addresses */
    uint64_t stack_top;
    uint64_t clock; /* where the clock page is; 0: nowhere */
};

static uint64_t random_page_below(uint64_t n)
{
    uint64_t r;

    random_bytes(&r, sizeof r);
    return r % n & ~(uint64_t)(PAGE_SIZE - 1);
}

static int fail(struct spawn_args *a, int st, const char *reason)
{
    a->reason = reason;
    return st;
}

/* ---- memory ---- */

static int store(const struct child *c, uint64_t addr, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        int64_t part = sys_process_write(c->proc, addr, p, n);
        if (part <= 0)
            return part < 0 ? (int)part : -EREMOTEIO;
        addr += (uint64_t)part;
        p += part;
        n -= (size_t)part;
    }
    return 0;
}

static uint32_t vm_prot_of(uint32_t elf)
{
    return (elf & ELF_PF_R ? VM_READ : 0u) | (elf & ELF_PF_W ? VM_WRITE | VM_READ : 0u) |
           (elf & ELF_PF_X ? VM_EXEC | VM_READ : 0u);
}

/* Private memory with the segment's bytes from the file. */
static int copy_segment(struct child *c, const struct elf_segment *s, const char *bytes)
{
    int64_t at = sys_vm_map(c->proc, c->base + s->page, s->pages, vm_prot_of(s->prot), VM_FIXED);
    int st;

    if (at < 0)
        return fail(c->a, (int)at, "a segment could not be mapped");
    st = store(c, c->base + s->vaddr, bytes, s->filesz);
    return st != 0 ? fail(c->a, st, "a segment could not be filled") : 0;
}

/* The object's pages that hold the segment: where in the object they begin, and how many bytes. */
static uint64_t first_page(const struct elf_segment *s)
{
    return s->offset - (s->vaddr - s->page);
}

static uint64_t page_bytes(const struct elf_segment *s)
{
    return (s->vaddr - s->page + s->filesz + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

/* The object's own pages, which nobody writes. */
static int share_segment(struct child *c, const struct elf_segment *s)
{
    int64_t at = sys_shm_map(c->proc, c->object, first_page(s), page_bytes(s), c->base + s->page,
                             vm_prot_of(s->prot) | VM_FIXED);

    return at < 0 ? fail(c->a, (int)at, "a segment could not be mapped") : 0;
}

/* Copies of the object's pages, made where the program writes; zeros to the end of the last one, and pages of zeros. */
static int copy_on_write(struct child *c, const struct elf_segment *s)
{
    static const char zeros[PAGE_SIZE];
    uint64_t end = s->vaddr + s->filesz, bytes = page_bytes(s), left = s->page + bytes - end;
    int64_t at = sys_shm_map(c->proc, c->object, first_page(s), bytes, c->base + s->page,
                             vm_prot_of(s->prot) | VM_PRIVATE | VM_FIXED);

    if (at >= 0 && bytes < s->pages)
        at = sys_vm_map(c->proc, c->base + s->page + bytes, s->pages - bytes, vm_prot_of(s->prot),
                        VM_FIXED);
    if (at >= 0 && s->memsz > s->filesz && left > 0)
        at = store(c, c->base + end, zeros, left);
    return at < 0 ? fail(c->a, (int)at, "a segment could not be mapped") : 0;
}

static int map_segment(struct child *c, const struct elf_segment *s)
{
    if (c->file != NULL || s->filesz == 0)
        return copy_segment(c, s, c->file != NULL ? c->file + s->offset : NULL);
    return (s->prot & ELF_PF_W) == 0 && s->memsz == s->filesz ? share_segment(c, s)
                                                              : copy_on_write(c, s);
}

static int map_segments(struct child *c)
{
    int st = 0;

    for (uint32_t i = 0; i < c->image.nsegments && st == 0; i++)
        st = map_segment(c, &c->image.segment[i]);
    return st;
}

/* Pages come as they are touched. Below it a range is reserved, so that no mapping can come to lie there. */
static int map_stack(struct child *c)
{
    uint64_t guard = STACK_LOW + random_page_below(WINDOW), low = guard + SPAWN_GUARD;
    int64_t at = sys_vm_reserve(c->proc, guard, SPAWN_GUARD, VM_FIXED);

    if (at >= 0)
        at = sys_vm_map(c->proc, low, SPAWN_STACK, VM_READ | VM_WRITE, VM_FIXED);
    if (at < 0)
        return fail(c->a, (int)at, "the stack could not be mapped");
    c->stack_top = low + SPAWN_STACK;
    return 0;
}

/* Next to the stack, so that it needs no page table of its own. */
static int map_clock(struct child *c)
{
    int64_t at = sys_clock_map(c->proc, c->stack_top);

    if (at < 0)
        return fail(c->a, (int)at, "the clock page could not be mapped");
    c->clock = (uint64_t)at;
    return 0;
}

/* ---- handles ---- */

/* What the child is given; the number of gifts. */
static uint32_t collect(const struct spawn_args *a, struct process_gift *gifts)
{
    uint32_t n = 0;

    for (int32_t i = 0; i < 3; i++) {
        if (a->fds[i] != HANDLE_NONE)
            gifts[n++] = (struct process_gift){ START_NONE, a->fds[i], RIGHT_SAME, i };
    }
    for (size_t i = 0; i < a->nhandles; i++) {
        const struct spawn_handle *s = &a->handles[i];
        gifts[n++] = (struct process_gift){ s->kind, s->handle, s->rights, -1 };
    }
    return n;
}

/* ---- the first thread's stack ---- */

/* The top of the stack as it is put together here: text grows down from the end, then the words
 * below it. */
struct frame {
    char *mem; /* size bytes; mem[size] is the child's stack top */
    size_t size;
    size_t used; /* from the top */
    const struct child *c;
};

static size_t count(char *const *list)
{
    size_t n = 0;

    while (list[n] != NULL)
        n++;
    return n;
}

static size_t bytes(char *const *list)
{
    size_t n = 0;

    for (; *list != NULL; list++)
        n += strlen(*list) + 1;
    return n;
}

/* Puts n bytes on the frame; their address in the child. */
static uint64_t push(struct frame *f, const void *data, size_t n)
{
    f->used += n;
    memcpy(f->mem + f->size - f->used, data, n);
    return f->c->stack_top - f->used;
}

static void align(struct frame *f, size_t to)
{
    f->used = (f->used + to - 1) & ~(to - 1);
}

/* Strings of a list go on the frame, their addresses and a NULL into words. */
static uint64_t *push_list(struct frame *f, char *const *list, uint64_t *words)
{
    for (; *list != NULL; list++)
        *words++ = push(f, *list, strlen(*list) + 1);
    *words++ = 0;
    return words;
}

static uint64_t *add_aux(uint64_t *words, uint64_t type, uint64_t value)
{
    *words++ = type;
    *words++ = value;
    return words;
}

/* What AT_EXECFN says, or NULL. */
static const char *program_path(const struct spawn_args *a)
{
    return a->path != NULL ? a->path : a->argv[0];
}

/* argc, argv, envp and auxv into words; what they point to onto the frame. *table: where the start
 * handles are to be stored. */
static uint64_t *make_words(struct frame *f, char *const *argv, char *const *envp, uint64_t *words,
                            uint64_t *table)
{
    const struct child *c = f->c;
    const struct elf_image *im = &c->image;
    const char *path = program_path(c->a);
    char entropy[16];
    uint64_t name, random;

    random_bytes(entropy, sizeof entropy);
    random = push(f, entropy, sizeof entropy);
    f->used += c->a->nhandles * sizeof(struct start_handle);
    *table = c->stack_top - f->used;
    name = path != NULL ? push(f, path, strlen(path) + 1) : 0;
    *words++ = count(argv);
    words = push_list(f, argv, words);
    words = push_list(f, envp, words);
    words = add_aux(words, AT_PAGESZ_, PAGE_SIZE);
    if (im->phdr != 0)
        words = add_aux(words, AT_PHDR_, c->base + im->phdr);
    words = add_aux(words, AT_PHENT_, sizeof(struct elf_phdr));
    words = add_aux(words, AT_PHNUM_, im->phdr != 0 ? im->phnum : 0);
    words = add_aux(words, AT_BASE_, 0);
    words = add_aux(words, AT_ENTRY_, c->base + im->entry);
    words = add_aux(words, AT_RANDOM_, random);
    words = add_aux(words, AT_EXECFN_, name);
    words = add_aux(words, AT_MINSIGSTKSZ, getauxval(AT_MINSIGSTKSZ)); /* the machine's, as ours */
    words = add_aux(words, AT_RUGO_CPUS, getauxval(AT_RUGO_CPUS));
    words = add_aux(words, AT_RUGO_HANDLES, *table);
    words = add_aux(words, AT_RUGO_NHANDLES, c->a->nhandles);
    words = add_aux(words, AT_RUGO_CLOCK, c->clock);
    return add_aux(words, AT_NULL_, 0);
}

/* Handles, stack and first thread, all at once. */
static int start(struct child *c)
{
    char *const *argv = c->a->argv, *const *envp = c->a->envp != NULL ? c->a->envp : environ;
    size_t nwords = 3 + count(argv) + count(envp) + 2 * AUXV_MAX;
    const char *path = program_path(c->a);
    size_t text = bytes(argv) + bytes(envp) + (path != NULL ? strlen(path) + 1 : 0);
    size_t size = text + c->a->nhandles * sizeof(struct start_handle) + nwords * 8 + 128;
    struct frame f = { NULL, size, 0, c };
    struct process_gift gifts[3 + SPAWN_HANDLE_MAX];
    struct process_start start = { .entry = c->base + c->image.entry,
                                   .image = c->base,
                                   .gifts = (uintptr_t)gifts };
    uint64_t *words, *end;
    int st = -ENOMEM;

    if (f.size > STRINGS_MAX)
        return fail(c->a, -E2BIG, "arguments and environment are too long");
    f.mem = malloc(f.size);
    words = malloc(nwords * sizeof *words);
    if (f.mem != NULL && words != NULL) {
        memset(f.mem, 0, f.size);
        end = make_words(&f, argv, envp, words, &start.table);
        align(&f, 16);
        if ((end - words) % 2 != 0)
            f.used += sizeof *words; /* RSP is a multiple of 16 at the entry */
        start.stack = push(&f, words, (size_t)(end - words) * sizeof *words);
        start.data = (uintptr_t)(f.mem + f.size - f.used);
        start.data_len = f.used;
        start.ngifts = collect(c->a, gifts);
        st = sys_process_start(c->proc, &start);
    }
    free(words);
    free(f.mem);
    return st;
}

/* ---- all of it ---- */

static int make_process(struct child *c)
{
    char name[NAME_LEN];
    const char *from = c->a->name;

    if (from == NULL)
        from = c->a->argv[0] != NULL ? c->a->argv[0] : "?";
    path_last(from, name, sizeof name);
    c->proc = sys_process_create(c->a->job, name, strlen(name));
    return c->proc < 0 ? c->proc : 0;
}

static int fill_process(struct child *c)
{
    int st = map_segments(c);

    if (st == 0)
        st = map_stack(c);
    if (st == 0)
        st = map_clock(c);
    if (st == 0 && c->a->ready != NULL)
        st = c->a->ready(c->proc, c->a->ready_arg);
    return st == 0 ? start(c) : st;
}

/* head: the beginning of the program's size bytes. */
static int spawn(struct child *c, const void *head, size_t head_size, size_t size, handle_t *proc)
{
    struct spawn_args *a = c->a;
    int st;

    a->reason = elf_check(head, head_size, size, &c->image);
    if (a->reason != NULL)
        return -ENOEXEC;
    if (a->nhandles > SPAWN_HANDLE_MAX)
        return fail(a, -E2BIG, "too many start handles");
    if (c->image.pie)
        c->base = IMAGE_LOW + random_page_below(WINDOW);
    st = make_process(c);
    if (st != 0)
        return st;
    st = fill_process(c);
    if (st != 0) {
        (void)sys_process_kill(c->proc, 9);
        (void)sys_handle_close(c->proc);
        return st;
    }
    *proc = c->proc;
    return 0;
}

int spawn_image(struct spawn_args *a, const void *image, size_t size, handle_t *proc)
{
    struct child c = { .a = a, .proc = HANDLE_NONE, .file = image, .object = HANDLE_NONE };

    return spawn(&c, image, size, size, proc);
}

int spawn_object(struct spawn_args *a, handle_t object, size_t size, const void *head,
                 size_t head_size, handle_t *proc)
{
    struct child c = { .a = a, .proc = HANDLE_NONE, .object = object };

    return spawn(&c, head, head_size, size, proc);
}
