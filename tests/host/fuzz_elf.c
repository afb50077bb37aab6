/*
 * libFuzzer on the check of ELF files: whatever is accepted keeps the loader's promises
 * (elf_promise.h). The input is the start of a file whose rest, a MiB, is not shown.
 *
 * SOURCES: lib/elf_check.c FLAGS: -idirafter lib
 */
#include <stdio.h>
#include <stdlib.h>

#include "elf_promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const uint8_t *data, size_t size, uint64_t file_size)
{
    struct elf_image im;

    if (elf_check(data, size, file_size, &im) != NULL)
        return;
    const char *bad = broken_promise(&im, data, file_size);
    if (bad != NULL) {
        fprintf(stderr, "accepted, but: %s\n", bad);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    judge(data, size, size);
    judge(data, size, size + (1 << 20));
    return 0;
}
