/* Formatted text. Conversions: %d %u %x %p %c %s %% with l, ll, z, width, precision of %s, and flags - and, without a sign, 0. */
#ifndef KLIB_PRINTF_H
#define KLIB_PRINTF_H

#include "klib/types.h"
#include <stdarg.h>

/* Format into buf (size bytes, NUL included); the length the whole text would have. */
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int ksnprintf(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4);
/* Format one piece of text (at most 511 bytes are kept) to the log and the serial line, as LOG_INFO. */
void kprintf(const char *fmt, ...) PRINTF(1, 2);
/* With a level (enum log_level). */
void kprintf_at(uint32_t level, const char *fmt, ...) PRINTF(2, 3);

#endif
