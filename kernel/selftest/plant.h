/* Bugs that a kernel with DEBUG and -fsanitize=undefined must find, each of its own kind. */
#ifndef SELFTEST_PLANT_H
#define SELFTEST_PLANT_H

#include "klib/types.h"

/* Do it. It returns when nobody noticed (true), or when there is no such kind in this build (false). */
bool plant_bug(const char *kind);

#endif
