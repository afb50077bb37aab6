/* Memory and string functions of the kernel. Bytes are moved by quadwords: emulators run `rep movsb` a byte a step. */
#ifndef KLIB_STRING_H
#define KLIB_STRING_H

#include "klib/types.h"

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
/* Copy at most size-1 bytes of s and end dst with NUL; size is not 0. */
void str_copy(char *dst, const char *s, size_t size);
/* Decimal, or hexadecimal after 0x, up to the first other character. Saturates at UINT64_MAX. */
uint64_t str_to_u64(const char *s);

#endif
