/* The system log: a ring of text, echoed to the serial line. Positions count all bytes ever written. */
#ifndef KLIB_KLOG_H
#define KLIB_KLOG_H

#include "klib/types.h"

#define KLOG_SIZE 16384u

void klog_write(const char *text, size_t n);
/* Copy up to n bytes from position *from (moved up to the oldest byte kept) into buf; *from becomes the position after. */
size_t klog_read(uint64_t *from, char *buf, size_t n);
/* Stop taking the log's lock: the machine is dying and its holder may never run again. */
void klog_panic_mode(void);

#endif
