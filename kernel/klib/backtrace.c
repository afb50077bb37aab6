/* Backtraces with names, from the table that tools/ksyms.py links in (declared in klib/panic.h). */
#include "klib/panic.h"
#include "klib/printf.h"
#include "x86/cpu.h"

#define BACKTRACE_DEPTH 24

extern const uint32_t ksyms_count;
extern const uint32_t ksyms_offsets[];
extern const uint32_t ksyms_name_offsets[];
extern const char ksyms_names[];
extern char kernel_start[], text_start[], text_end[];

const char *symbol_find(uintptr_t a, uintptr_t *offset)
{
    if (a < (uintptr_t)text_start || a >= (uintptr_t)text_end)
        return NULL;
    uintptr_t rel = a - (uintptr_t)kernel_start;
    uint32_t lo = 0, hi = ksyms_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (ksyms_offsets[mid] <= rel)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    *offset = rel - ksyms_offsets[lo - 1];
    return ksyms_names + ksyms_name_offsets[lo - 1];
}

/* A return address lies behind its call, which may be the last instruction of its function. */
static void print_frame(int n, uintptr_t rip)
{
    uintptr_t offset;
    const char *name = symbol_find(rip - 1, &offset);
    if (name)
        kprintf("  #%d 0x%lx %s+0x%lx\n", n, rip, name, offset + 1);
    else
        kprintf("  #%d 0x%lx\n", n, rip);
}

/* A frame pointer is followed only upwards on the stack it was found on, which is at most 16 KiB big. */
void backtrace_print(uintptr_t rip, uintptr_t rbp)
{
    uintptr_t low = rbp, high = rbp + 16384;
    print_frame(0, rip);
    for (int n = 1; n < BACKTRACE_DEPTH && rbp >= low && rbp < high - 16 && rbp % 8 == 0; n++) {
        if (rbp < KERNEL_HALF || !cpu_can_read(rbp) || !cpu_can_read(rbp + 8))
            break;
        uintptr_t *frame = (uintptr_t *)rbp;
        if (frame[1] == 0)
            break;
        print_frame(n, frame[1]);
        low = rbp + 1;
        rbp = frame[0];
    }
}
