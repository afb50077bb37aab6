/*
 * The stack protector: functions with arrays, or with variables whose address is taken, keep a word that nobody can
 * guess between those and their return address, and look before they return whether it is still there.
 */
#ifndef KLIB_STACK_GUARD_H
#define KLIB_STACK_GUARD_H

#include "klib/types.h"

/* Set the word, which is random. The caller never returns, so that no function sees it change. */
void stack_guard_init(uint64_t word);

#endif
