/* Looking at and ending processes of a job. */
#ifndef RUGO_PROCESSES_H
#define RUGO_PROCESSES_H

#include <stddef.h>
#include <rugo/abi.h>

/* Numbers of all processes in a job, lowest first; *pids is malloc'ed and the caller's. Their
 * number, or negative errno. */
int64_t job_pids(handle_t job, uint64_t **pids);

#endif
