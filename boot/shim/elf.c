/*
 * The kernel's ELF file. Everything is checked before the first byte is loaded, with sums that
 * cannot wrap: offsets and sizes are compared with what is left, never added first.
 */
#include "cpu.h"
#include "shim.h"

#define TOP_2GIB  UINT64_C(0xffffffff80000000) /* the Limine protocol wants kernels here */
#define MAX_IMAGE (UINT64_C(64) << 20)

enum { EM_X86_64 = 62, ET_EXEC = 2, ET_DYN = 3 };
enum { PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3, PF_X = 1, PF_W = 2 };
enum { DT_NULL = 0, DT_RELA = 7, DT_RELASZ = 8, DT_RELAENT = 9 };
enum { DT_REL = 17, DT_JMPREL = 23, DT_RELR = 36, DT_FLAGS_1 = 0x6ffffffb };
enum { DF_1_PIE = 0x08000000 };
enum { R_X86_64_NONE = 0, R_X86_64_RELATIVE = 8 };

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_dyn {
    uint64_t tag, value;
};

struct elf_rela {
    uint64_t offset, info, addend;
};

#define REFUSE(...) fail("kernel ELF: " __VA_ARGS__)

static bool inside(uint64_t offset, uint64_t size, uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

static const struct elf_phdr *check_header(const struct elf_header *h, uint64_t file_size)
{
    static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 }; /* 64-bit, little, version 1 */

    if (file_size < sizeof *h)
        REFUSE("the file is shorter than an ELF header (%u bytes)", file_size);
    for (uint32_t i = 0; i < sizeof ident; i++) {
        if (h->ident[i] != ident[i])
            REFUSE("not a 64-bit little-endian ELF file (byte %u of the header)", (uint64_t)i);
    }
    if (h->machine != EM_X86_64)
        REFUSE("not for x86-64 (machine %u)", (uint64_t)h->machine);
    if (h->type != ET_EXEC && h->type != ET_DYN)
        REFUSE("not executable (type %u)", (uint64_t)h->type);
    if (h->phentsize != sizeof(struct elf_phdr))
        REFUSE("program headers of %u bytes", (uint64_t)h->phentsize);
    if (h->phoff % 8 != 0 ||
        !inside(h->phoff, (uint64_t)h->phnum * sizeof(struct elf_phdr), file_size))
        REFUSE("the program headers lie outside the file");
    return (const struct elf_phdr *)((const char *)h + h->phoff);
}

static void check_segment(const struct elf_phdr *p, uint64_t file_size)
{
    if (!inside(p->offset, p->filesz, file_size))
        REFUSE("the segment at 0x%x reaches past the end of the file", p->vaddr);
    if (p->filesz > p->memsz)
        REFUSE("the segment at 0x%x is longer in the file than in memory", p->vaddr);
    if (p->vaddr < TOP_2GIB || !inside(p->vaddr - TOP_2GIB, p->memsz, MAX_IMAGE))
        REFUSE("the segment at 0x%x is not in the first 64 MiB of the top 2 GiB", p->vaddr);
    if (p->vaddr % PAGE_SIZE != 0)
        REFUSE("the segment at 0x%x is not page-aligned", p->vaddr);
    if ((p->flags & PF_W) != 0 && (p->flags & PF_X) != 0)
        REFUSE("the segment at 0x%x is writable and executable", p->vaddr);
}

static uint64_t segment_end(const struct segment *s)
{
    return s->virt + ((s->mem_size + PAGE_SIZE - 1) & -PAGE_SIZE);
}

static void add_segment(struct kernel_image *image, const struct elf_phdr *p)
{
    uint32_t i = image->segment_count;

    if (p->memsz == 0)
        return;
    if (i == MAX_SEGMENTS)
        REFUSE("more than %u segments", (uint64_t)MAX_SEGMENTS);
    for (; i > 0 && image->segment[i - 1].virt > p->vaddr; i--)
        image->segment[i] = image->segment[i - 1];
    image->segment[i] = (struct segment){
        .virt = p->vaddr,
        .file_offset = p->offset,
        .file_size = p->filesz,
        .mem_size = p->memsz,
        .flags = p->flags,
    };
    image->segment_count++;
}

static void check_layout(struct kernel_image *image)
{
    bool entry_found = false;

    if (image->segment_count == 0)
        REFUSE("nothing to load");
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const struct segment *s = &image->segment[i];
        if (i > 0 && segment_end(s - 1) > s->virt)
            REFUSE("the segments at 0x%x and 0x%x overlap", (s - 1)->virt, s->virt);
        if ((s->flags & PF_X) != 0 && image->entry - s->virt < s->file_size)
            entry_found = true;
    }
    if (!entry_found)
        REFUSE("the entry point 0x%x is not in an executable segment", image->entry);
    image->virt = image->segment[0].virt;
    image->size = segment_end(&image->segment[image->segment_count - 1]) - image->virt;
}

/* The file's bytes of [virt, virt + size), which must lie in what one segment has in the file. */
static const void *file_bytes(const struct kernel_image *image, const struct module *file,
                              uint64_t virt, uint64_t size)
{
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const struct segment *s = &image->segment[i];
        if (virt >= s->virt && inside(virt - s->virt, size, s->file_size))
            return (const void *)(file->base + s->file_offset + (virt - s->virt));
    }
    REFUSE("the dynamic section or a relocation table lies outside the segments (0x%x)", virt);
}

struct relocations {
    const struct elf_rela *table;
    uint64_t count;
};

/* Looks through the dynamic section: the relocation table, and whether the image may slide. */
static struct relocations read_dynamic(struct kernel_image *image, const struct module *file)
{
    uint64_t table = 0, size = 0, entry_size = sizeof(struct elf_rela);
    uint64_t count = image->dynamic_size / sizeof(struct elf_dyn);
    const struct elf_dyn *dyn =
        count == 0 ? NULL : file_bytes(image, file, image->dynamic, image->dynamic_size);

    for (uint64_t i = 0; i < count && dyn[i].tag != DT_NULL; i++) {
        switch (dyn[i].tag) {
        case DT_RELA: table = dyn[i].value; break;
        case DT_RELASZ: size = dyn[i].value; break;
        case DT_RELAENT: entry_size = dyn[i].value; break;
        case DT_FLAGS_1: image->relocatable = (dyn[i].value & DF_1_PIE) != 0; break;
        case DT_REL:
        case DT_JMPREL:
        case DT_RELR:
            REFUSE("relocations of a kind that no static PIE has (dynamic tag %u)", dyn[i].tag);
        default: break;
        }
    }
    if (size == 0)
        return (struct relocations){ .count = 0 };
    if (entry_size != sizeof(struct elf_rela) || table % 8 != 0)
        REFUSE("a malformed relocation table (entries of %u bytes)", entry_size);
    return (struct relocations){ .table = file_bytes(image, file, table, size),
                                 .count = size / sizeof(struct elf_rela) };
}

static void check_relocation(const struct kernel_image *image, const struct elf_rela *r)
{
    if (r->info != R_X86_64_RELATIVE && r->info != R_X86_64_NONE)
        REFUSE("a relocation of type %u", r->info);
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const struct segment *s = &image->segment[i];
        if (r->offset >= s->virt && inside(r->offset - s->virt, 8, s->mem_size))
            return;
    }
    REFUSE("a relocation outside the segments (0x%x)", r->offset);
}

void elf_check(struct kernel_image *image, const struct module *file)
{
    const struct elf_header *header = (const void *)file->base;
    const struct elf_phdr *phdr = check_header(header, file->size);

    *image = (struct kernel_image){ .entry = header->entry };
    for (uint32_t i = 0; i < header->phnum; i++) {
        if (phdr[i].type == PT_INTERP)
            REFUSE("it asks for a dynamic linker");
        if (phdr[i].type == PT_DYNAMIC) {
            image->dynamic = phdr[i].vaddr;
            image->dynamic_size = phdr[i].filesz;
        }
        if (phdr[i].type == PT_LOAD) {
            check_segment(&phdr[i], file->size);
            add_segment(image, &phdr[i]);
        }
    }
    check_layout(image);
    struct relocations relocations = read_dynamic(image, file);
    for (uint64_t i = 0; i < relocations.count; i++)
        check_relocation(image, &relocations.table[i]);
}

/* Whole pages: the file's bytes, then zeros up to the end of the last page. By 8 bytes a step. */
static void load_segment(const struct kernel_image *image, const struct segment *s,
                         const struct module *file)
{
    char *to = (char *)(image->phys + (s->virt - image->virt));
    const char *from = (const char *)(file->base + s->file_offset);
    uint64_t size = segment_end(s) - s->virt;
    uint64_t done = s->file_size & -UINT64_C(8);

    copy_quads(to, from, done / 8);
    zero_quads(to + done, (size - done) / 8);
    for (uint64_t i = done; i < s->file_size; i++)
        to[i] = from[i];
}

void elf_load(const struct kernel_image *image, const struct module *file)
{
    struct kernel_image copy = *image;
    struct relocations relocations = read_dynamic(&copy, file);

    for (uint32_t i = 0; i < image->segment_count; i++)
        load_segment(image, &image->segment[i], file);
    for (uint64_t i = 0; i < relocations.count; i++) {
        const struct elf_rela *r = &relocations.table[i];
        if (r->info == R_X86_64_RELATIVE)
            *(uint64_t *)(image->phys + (r->offset - image->virt)) = r->addend + image->slide;
    }
}
