/*
 * What the loader may rely on once elf_check has accepted a file, checked in another way than
 * elf_check does: in 128 bits, every pair of segments, from the raw bytes.
 */
#ifndef TESTS_HOST_ELF_PROMISE_H
#define TESTS_HOST_ELF_PROMISE_H

#include <rugo/abi.h>
#include <rugo/elf.h>
#include <string.h>

typedef unsigned __int128 u128;

static const char *broken_segment(const struct elf_segment *s, int pie, uint64_t file_size)
{
    if (s->memsz == 0 || s->filesz > s->memsz)
        return "sizes";
    if ((u128)s->offset + s->filesz > file_size)
        return "outside the file";
    if ((u128)s->vaddr + s->memsz > USER_MAX || (u128)s->page + s->pages > USER_MAX)
        return "above the user's addresses";
    if (!pie && s->page < USER_MIN)
        return "below the user's addresses";
    if (s->page % PAGE_SIZE != 0 || s->pages % PAGE_SIZE != 0 || s->page > s->vaddr ||
        (u128)s->page + s->pages < (u128)s->vaddr + s->memsz)
        return "pages";
    if ((s->vaddr - s->offset) % PAGE_SIZE != 0)
        return "alignment";
    if ((s->prot & ELF_PF_W) && (s->prot & ELF_PF_X))
        return "W^X";
    return s->prot == 0 || s->prot > 7 ? "protection" : NULL;
}

static const char *broken_pair(const struct elf_segment *a, const struct elf_segment *b)
{
    int apart = (u128)a->page + a->pages <= b->page || (u128)b->page + b->pages <= a->page;

    return apart ? NULL : "overlap";
}

/* Only what must be so whatever the rest: NULL, or what is wrong. file: at least the headers. */
static const char *broken_promise(const struct elf_image *im, const unsigned char *file,
                                  uint64_t file_size)
{
    const char *bad = NULL;
    uint16_t phnum, type;
    uint64_t phoff;
    uint32_t kind;
    int entry = 0;

    if (memcmp(file, "\177ELF\2\1\1", 7) != 0 || file[18] != 62 || file[19] != 0)
        return "identification";
    memcpy(&type, file + 16, 2);
    memcpy(&phoff, file + 32, 8);
    memcpy(&phnum, file + 56, 2);
    if (im->pie != (type == 3) || (type != 2 && type != 3) || im->phnum != phnum)
        return "header";
    for (unsigned i = 0; i < phnum; i++) {
        memcpy(&kind, file + phoff + i * 56u, 4);
        if (kind == 3)
            return "PT_INTERP";
    }
    if (im->high - im->low > 1ull << 40)
        return "too large";
    if (im->nsegments == 0 || im->nsegments > ELF_SEGMENT_MAX)
        return "segments";
    for (uint32_t i = 0; i < im->nsegments && bad == NULL; i++) {
        const struct elf_segment *s = &im->segment[i];
        bad = broken_segment(s, im->pie, file_size);
        for (uint32_t j = 0; j < i && bad == NULL; j++)
            bad = broken_pair(s, &im->segment[j]);
        entry |= (s->prot & ELF_PF_X) && im->entry >= s->vaddr && im->entry - s->vaddr < s->memsz;
        if (s->page < im->low || s->page + s->pages > im->high)
            bad = "range";
    }
    return bad != NULL || entry ? bad : "entry";
}

#endif
