/* The check of an ELF file that nobody vouches for. Every number is looked at before it is used;
 * sums cannot overflow. */
#include <rugo/elf.h>

#include <rugo/abi.h>
#include <string.h>

#define PAGE_MASK ((uint64_t)PAGE_SIZE - 1)

static const char *check_ident(const struct elf_header *h)
{
    static const uint8_t magic[4] = { 0x7f, 'E', 'L', 'F' };

    if (memcmp(h->ident, magic, sizeof magic) != 0)
        return "not an ELF file";
    if (h->ident[4] != 2)
        return "not a 64-bit ELF file";
    if (h->ident[5] != 1)
        return "not a little-endian ELF file";
    if (h->ident[6] != 1 || h->version != 1)
        return "unknown ELF version";
    if (h->ident[7] != 0 && h->ident[7] != 3)
        return "ELF file for another system"; /* System V or GNU */
    return NULL;
}

static const char *check_header(const struct elf_header *h, size_t head_size, uint64_t file_size)
{
    const char *why = check_ident(h);

    if (why != NULL)
        return why;
    if (h->machine != 62)
        return "not for x86-64";
    if (h->type != ELF_ET_EXEC && h->type != ELF_ET_DYN)
        return "not an executable (neither ET_EXEC nor ET_DYN)";
    if (h->flags != 0)
        return "unknown processor flags";
    if (h->ehsize != sizeof(struct elf_header))
        return "ELF header has a wrong size";
    if (h->phentsize != sizeof(struct elf_phdr))
        return "program headers have a wrong size";
    if (h->phnum == 0)
        return "no program headers";
    if (h->phnum > ELF_PHDR_MAX)
        return "too many program headers";
    if (h->phoff % 8 != 0)
        return "program headers are misaligned";
    if (h->phoff > file_size || file_size - h->phoff < h->phnum * sizeof(struct elf_phdr))
        return "program headers lie outside the file";
    if (h->phoff > head_size || head_size - h->phoff < h->phnum * sizeof(struct elf_phdr))
        return "program headers lie too far from the start of the file";
    return NULL;
}

static const char *check_protection(uint32_t flags)
{
    if (flags & ~(uint32_t)(ELF_PF_R | ELF_PF_W | ELF_PF_X))
        return "segment has unknown flags";
    if ((flags & ELF_PF_W) && (flags & ELF_PF_X))
        return "segment is writable and executable";
    if (flags == 0)
        return "segment has no access rights";
    return NULL;
}

static const char *check_range(const struct elf_phdr *p, uint64_t low, uint64_t file_size)
{
    if (p->offset > file_size || file_size - p->offset < p->filesz)
        return "segment lies outside the file";
    if (p->filesz > p->memsz)
        return "segment is larger in the file than in memory";
    if (p->memsz > USER_MAX || p->vaddr > USER_MAX - p->memsz)
        return "segment lies outside the user's addresses";
    if (p->vaddr < low)
        return "segment lies below the user's addresses";
    return NULL;
}

static const char *check_alignment(const struct elf_phdr *p)
{
    if (p->align & (p->align - 1))
        return "segment alignment is not a power of two";
    if (p->align > 1 && (p->vaddr - p->offset) % p->align != 0)
        return "segment address and file offset do not agree";
    if (((p->vaddr - p->offset) & PAGE_MASK) != 0)
        return "segment is not aligned to pages";
    return NULL;
}

/* Takes one PT_LOAD into the image. low: the least address allowed. */
static const char *take_segment(struct elf_image *im, const struct elf_phdr *p, uint64_t low,
                                uint64_t file_size)
{
    const char *why = check_range(p, low, file_size);

    if (why == NULL)
        why = check_alignment(p);
    if (why == NULL)
        why = check_protection(p->flags);
    if (why != NULL || p->memsz == 0)
        return why;
    if (im->nsegments == ELF_SEGMENT_MAX)
        return "too many segments";

    uint64_t page = p->vaddr & ~PAGE_MASK;
    uint64_t end = (p->vaddr + p->memsz + PAGE_MASK) & ~PAGE_MASK;
    if (end > USER_MAX)
        return "segment lies outside the user's addresses";
    if (im->nsegments > 0 && page < im->high)
        return p->vaddr < im->segment[im->nsegments - 1].vaddr
                   ? "segments are not in ascending order"
                   : "segments overlap";
    im->segment[im->nsegments++] = (struct elf_segment){
        .vaddr = p->vaddr,
        .memsz = p->memsz,
        .offset = p->offset,
        .filesz = p->filesz,
        .page = page,
        .pages = end - page,
        .prot = p->flags,
    };
    if (im->nsegments == 1)
        im->low = page;
    im->high = end;
    return im->high - im->low > ELF_IMAGE_MAX ? "image is too large" : NULL;
}

static const char *check_other(const struct elf_phdr *p, uint64_t file_size)
{
    switch (p->type) {
    case ELF_PT_INTERP: return "needs a dynamic linker (PT_INTERP); link with -static-pie";
    case ELF_PT_TLS:
        if (p->filesz > p->memsz)
            return "thread-local storage is larger in the file than in memory";
        if (p->memsz > 1024 * 1024)
            return "thread-local storage is too large";
        if (p->align & (p->align - 1) || p->align > PAGE_SIZE)
            return "thread-local storage has a bad alignment";
        if (p->offset > file_size || file_size - p->offset < p->filesz)
            return "thread-local storage lies outside the file";
        break;
    }
    return NULL;
}

/* The segment that holds [addr, addr + n) of the memory image, or NULL. */
static const struct elf_segment *segment_of(const struct elf_image *im, uint64_t addr, uint64_t n)
{
    for (uint32_t i = 0; i < im->nsegments; i++) {
        const struct elf_segment *s = &im->segment[i];
        if (addr >= s->vaddr && addr - s->vaddr < s->memsz && s->memsz - (addr - s->vaddr) >= n)
            return s;
    }
    return NULL;
}

/* Where in memory the program headers come to lie: AT_PHDR. */
static uint64_t phdr_address(const struct elf_image *im, uint64_t phoff, uint64_t n)
{
    for (uint32_t i = 0; i < im->nsegments; i++) {
        const struct elf_segment *s = &im->segment[i];
        if (phoff >= s->offset && phoff - s->offset <= s->filesz &&
            s->filesz - (phoff - s->offset) >= n)
            return s->vaddr + (phoff - s->offset);
    }
    return 0;
}

/* Thread-local storage is copied by the program from its own memory: it must lie there. */
static const char *check_tls(const struct elf_image *im, const struct elf_phdr *p)
{
    if (p->filesz > 0 && segment_of(im, p->vaddr, p->filesz) == NULL)
        return "thread-local storage lies outside the segments";
    return NULL;
}

static const char *check_whole(struct elf_image *im, const struct elf_header *h)
{
    const struct elf_segment *s;

    if (im->nsegments == 0)
        return "nothing to load";
    s = segment_of(im, h->entry, 1);
    if (s == NULL)
        return "entry point lies outside the segments";
    if ((s->prot & ELF_PF_X) == 0)
        return "entry point is not in an executable segment";
    im->entry = h->entry;
    im->phnum = h->phnum;
    im->phdr = phdr_address(im, h->phoff, h->phnum * sizeof(struct elf_phdr));
    return NULL;
}

const char *elf_check(const void *head, size_t head_size, uint64_t file_size,
                      struct elf_image *image)
{
    struct elf_header h;
    struct elf_phdr p;
    const char *why;

    memset(image, 0, sizeof *image);
    if (head_size < sizeof h || file_size < sizeof h)
        return "too short for an ELF file";
    memcpy(&h, head, sizeof h);
    why = check_header(&h, head_size, file_size);
    image->pie = h.type == ELF_ET_DYN;
    for (uint32_t i = 0; why == NULL && i < h.phnum; i++) {
        memcpy(&p, (const char *)head + h.phoff + i * sizeof p, sizeof p);
        why = p.type == ELF_PT_LOAD ? take_segment(image, &p, image->pie ? 0 : USER_MIN, file_size)
                                    : check_other(&p, file_size);
    }
    if (why == NULL)
        why = check_whole(image, &h);
    for (uint32_t i = 0; why == NULL && i < h.phnum; i++) {
        memcpy(&p, (const char *)head + h.phoff + i * sizeof p, sizeof p);
        if (p.type == ELF_PT_TLS)
            why = check_tls(image, &p);
    }
    return why;
}
