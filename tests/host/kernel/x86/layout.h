/* In place of kernel/x86/layout.h for the explorer: physical memory is an array, and so is the frame database. */
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

#include <stdint.h>

#define HOST_FRAMES 32
extern char host_memory[], host_frames[];

#define HHDM_BASE    ((uint64_t)(uintptr_t)host_memory)
#define FRAMEDB_BASE ((uint64_t)(uintptr_t)host_frames)
#define KERNEL_HALF  0xffff800000000000ull

#endif
