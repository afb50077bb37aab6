/*
 * The system log: a ring of text, echoed to the serial line, and a ring that tells of its pieces: who wrote them, when, how
 * important they are. Positions count all bytes ever written.
 */
#ifndef KLIB_KLOG_H
#define KLIB_KLOG_H

#include "klib/types.h"
#include <rugo/abi.h>

#define KLOG_SIZE    16384u
#define KLOG_RECORDS 512u

/* level: enum log_level; pid: who writes, 0: the kernel. */
void klog_write(uint32_t level, uint64_t pid, const char *text, size_t n);
/* Copy up to n bytes from position *from (moved up to the oldest byte kept) into buf; *from becomes the position after. */
size_t klog_read(uint64_t *from, char *buf, size_t n);
/* Describe up to n pieces that end after position from, oldest first; how many. */
size_t klog_records(uint64_t from, struct log_record *out, size_t n);
/* Stop taking the log's lock: the machine is dying and its holder may never run again. */
void klog_panic_mode(void);

#endif
