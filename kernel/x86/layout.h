/*
 * The kernel's half of every address space.
 *
 *   ffff8000_00000000  HHDM: all physical memory, linear, not executable
 *   ffffc000_00000000  kernel mappings handed out by mm/kmap.c: stacks with guard pages, device registers
 *   ffffd000_00000000  the frame database, mapped as far as memory was ever used (mm/frame.c)
 *   ffffffff_80000000  kernel image, plus the loader's slide
 */
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

#define KERNEL_HALF  0xffff800000000000ull
#define HHDM_BASE    0xffff800000000000ull
#define HHDM_MAX     (1ull << 45) /* bytes of physical memory that fit */
#define KMAP_BASE    0xffffc00000000000ull
#define KMAP_SIZE    (1ull << 38)
#define FRAMEDB_BASE 0xffffd00000000000ull

#endif
