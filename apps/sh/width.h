/* Columns that text takes on a terminal. Pure. */
#ifndef SH_WIDTH_H
#define SH_WIDTH_H

#include <stddef.h>

/* Of n bytes of UTF-8; a byte that is not UTF-8 counts as one column. */
size_t text_width(const char *text, size_t n);

#endif
