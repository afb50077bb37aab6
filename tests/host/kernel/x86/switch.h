/* Stands for kernel/x86/switch.h: explore.c switches between fibers. */
#ifndef X86_SWITCH_H
#define X86_SWITCH_H

#include <stdint.h>

void context_switch(uintptr_t *save, uintptr_t to);

#endif
