/* Describing a crash (rugo/crash.h). */
#include <rugo/crash.h>

#include <errno.h>
#include <rugo/syscall.h>
#include <stdio.h>

#define IMAGE_REACH (UINT64_C(1) << 30) /* an address further above the image is not of it */

static void describe_frame(const struct crash_info *c, const char *program, const struct symbols *s,
                           uint32_t i, void (*line)(const char *text))
{
    uint64_t rel = c->frames[i] - c->image, offset;
    char text[160], name[64];

    if (c->image == 0 || rel >= IMAGE_REACH)
        snprintf(text, sizeof text, "  #%u 0x%lx", i, c->frames[i]);
    /* A return address belongs to the call before it, which may be the last instruction of its function. */
    else if (s == NULL || symbols_find(s, program, rel - (i > 0), name, sizeof name, &offset) != 0)
        snprintf(text, sizeof text, "  #%u 0x%lx [%s+0x%lx]", i, c->frames[i], program, rel);
    else
        snprintf(text, sizeof text, "  #%u 0x%lx %s+0x%lx [%s+0x%lx]", i, c->frames[i], name,
                 offset + (i > 0), program, rel);
    line(text);
}

int crash_describe(handle_t proc, const char *program, const struct symbols *s,
                   void (*line)(const char *text))
{
    struct process_info info;
    struct crash_info c;
    char text[160];
    int st = sys_process_info(proc, &info);

    if (st == 0)
        st = sys_process_crash(proc, &c);
    if (st != 0)
        return st;
    snprintf(text, sizeof text,
             "%s (pid %lu) was ended by a fault: %s at 0x%lx, address 0x%lx, signal %u",
             (const char *)info.name, info.pid, (const char *)c.cause, c.rip, c.address, c.signal);
    line(text);
    if ((c.flags & CRASH_STACK) != 0)
        line("  its stack ran over its end");
    for (uint32_t i = 0; i < c.nframes && i < CRASH_FRAMES; i++)
        describe_frame(&c, program != NULL ? program : (const char *)info.name, s, i, line);
    return 0;
}
