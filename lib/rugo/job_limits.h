/* Limits of jobs (docs/jobs.md) as people write them. */
#ifndef RUGO_JOB_LIMITS_H
#define RUGO_JOB_LIMITS_H

#include <rugo/abi.h>
#include <stdbool.h>

/* "memory", "processes", …, by job_kind. */
extern const char *const job_kind_names[JOB_KINDS];

/* The kind of that name; JOB_KINDS: there is none. */
uint32_t job_kind_find(const char *name);

/*
 * A number; of memory also one with K, M or G behind it, or a percentage of `memory`, the machine's bytes; or `none`, which is
 * JOB_UNLIMITED. False: it is none of these.
 */
bool job_amount_read(const char *text, uint32_t kind, uint64_t memory, uint64_t *amount);

#endif
