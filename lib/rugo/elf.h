/*
 * ELF64 as far as a loader needs it, and the check of a file nobody vouches for.
 * (System V ABI, chapters 4 and 5; gABI ELF-64.) Pure: no calls, compiled for the host as well.
 */
#ifndef RUGO_ELF_H
#define RUGO_ELF_H

#include <stddef.h>
#include <stdint.h>

#define ELF_PHDR_MAX    64 /* program headers a file may have */
#define ELF_SEGMENT_MAX 16 /* of them loadable */
#define ELF_IMAGE_MAX   (1ull << 40) /* bytes from the first segment's start to the last one's end */

struct elf_header {
    uint8_t ident[16];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t phoff;
    uint64_t shoff;
    uint32_t flags;
    uint16_t ehsize;
    uint16_t phentsize;
    uint16_t phnum;
    uint16_t shentsize;
    uint16_t shnum;
    uint16_t shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr");

struct elf_phdr {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t filesz;
    uint64_t memsz;
    uint64_t align;
};
_Static_assert(sizeof(struct elf_phdr) == 56, "Elf64_Phdr");

enum { ELF_ET_EXEC = 2, ELF_ET_DYN = 3 };
enum { ELF_PT_LOAD = 1, ELF_PT_DYNAMIC = 2, ELF_PT_INTERP = 3, ELF_PT_PHDR = 6, ELF_PT_TLS = 7 };
enum { ELF_PF_X = 1, ELF_PF_W = 2, ELF_PF_R = 4 };

/* One loadable segment. Addresses are as in the file; a position-independent image moves them all
 * by one base. */
struct elf_segment {
    uint64_t vaddr; /* of the first byte */
    uint64_t memsz; /* bytes in memory, not 0; what lies behind filesz is zero */
    uint64_t offset; /* in the file */
    uint64_t filesz;
    uint64_t page; /* vaddr rounded down to a page */
    uint64_t pages; /* bytes of pages covered from there */
    uint32_t prot; /* ELF_PF_ bits */
};

/* What elf_check found; only meaningful after it returned NULL. */
struct elf_image {
    int pie; /* may be moved (ET_DYN) */
    uint64_t entry; /* as in the file */
    uint64_t low; /* page-aligned range of all segments */
    uint64_t high;
    uint64_t phdr; /* address of the program headers in memory, 0 if no segment contains them */
    uint32_t phnum;
    uint32_t nsegments;
    struct elf_segment segment[ELF_SEGMENT_MAX]; /* in ascending order, no page in two of them */
};

/*
 * Checks every field of a 64-bit x86 program that the loader will rely on. head: the first
 * head_size bytes of the file (with fewer than the program headers need, the file is refused),
 * file_size: bytes of the whole file. NULL if it can be loaded, *image filled; else why not, as a
 * phrase ("segment is writable and executable").
 */
const char *elf_check(const void *head, size_t head_size, uint64_t file_size,
                      struct elf_image *image);

#endif
