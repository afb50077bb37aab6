/*
 * The shim from start to end: hear the loader, check and place the kernel, map it, answer its
 * requests, leave the machine as the Limine protocol wants it, and go.
 */
#include "cpu.h"
#include "shim.h"

#include "entry/limine.h"

#define STACK_SIZE (UINT64_C(64) * 1024)

#define HHDM_DEFAULT UINT64_C(0xffff800000000000)
#define HHDM_END     UINT64_C(0xffffff8000000000) /* the last 512 GiB are the kernel's */

#define SLIDE_RANGE     GIB            /* of an ordinary boot */
#define SLIDE_RANGE_ALL (2 * GIB)  /* all that the protocol allows */

void shim_main(uint32_t magic, uint32_t info);

/* How far above its link address the kernel goes: whole pages; 0 if it cannot or must not move. */
static uint64_t choose_slide(const struct kernel_image *image, const struct boot_source *source)
{
    uint64_t range = source->hostile ? SLIDE_RANGE_ALL : SLIDE_RANGE;
    uint64_t used = image->virt + image->size + SLIDE_RANGE_ALL; /* from the start of the range */

    if (!image->relocatable || cmdline_has(source, "nokaslr"))
        return 0;
    return random_below((range - used) / PAGE_SIZE) * PAGE_SIZE;
}

/* A multiple of 1 GiB, as Limine's is; a hostile one anywhere it fits in the upper half. */
static uint64_t choose_hhdm(const struct boot_source *source)
{
    uint64_t span = mem_top() > TOP_OF_LOW ? (mem_top() + GIB - 1) & -GIB : TOP_OF_LOW;

    if (!source->hostile)
        return HHDM_DEFAULT;
    return HHDM_DEFAULT + random_below((HHDM_END - HHDM_DEFAULT - span) / GIB) * GIB;
}

/* The memory types that the protocol promises, by index: WB, WT, UC-, UC, WP, WC. */
static void set_pat(void)
{
    const uint32_t ia32_pat = 0x277;
    wrmsr(ia32_pat, 0x010500070406);
}

/* Masks both PICs and the first IO APIC; where there is none, its version reads as all ones. */
static void mask_interrupts(void)
{
    volatile uint32_t *select = (volatile uint32_t *)0xfec00000;
    volatile uint32_t *window = (volatile uint32_t *)0xfec00010;
    const uint32_t masked = 1 << 16;

    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    *select = 1;
    uint32_t version = *window;
    if (version == UINT32_MAX)
        return;
    for (uint32_t pin = 0; pin <= (version >> 16 & 0xff); pin++) {
        *select = 0x10 + 2 * pin;
        *window |= masked;
    }
}

static void report_hostile(const struct kernel_image *image, uint64_t hhdm)
{
    say("SHIM: hostile addresses: direct map at 0x%x, kernel at 0x%x (slide 0x%x)\n", hhdm,
        image->virt + image->slide, image->slide);
    say("SHIM: hostile answers: no RSDP, no boot time\n");
}

void shim_main(uint32_t magic, uint32_t info)
{
    static struct boot_source source;
    static struct kernel_image image;

    multiboot_read(&source, magic, info);
    random_seed(&source);

    elf_check(&image, &source.kernel);
    image.phys = (uint64_t)mem_alloc(image.size, LIMINE_MEMMAP_KERNEL_AND_MODULES);
    image.slide = choose_slide(&image, &source);
    elf_load(&image, &source.kernel);

    uint64_t hhdm = choose_hhdm(&source);
    uint64_t pml4 = paging_build(&image, hhdm);
    uint64_t stack_top = (uint64_t)loader_alloc(STACK_SIZE) + STACK_SIZE + hhdm;
    if (source.hostile) {
        report_hostile(&image, hhdm);
        hostile_firmware();
    }
    answer_requests(&image, &source, hhdm);

    set_pat();
    mask_interrupts();
    if (source.hostile)
        hostile_devices();
    enter_kernel(image.entry + image.slide, stack_top, pml4, hhdm);
}
