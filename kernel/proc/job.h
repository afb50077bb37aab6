/* What process.c needs of job.c and nobody else does. */
#ifndef PROC_JOB_H
#define PROC_JOB_H

#include "proc/process.h"

void job_init(void);
/* -ESRCH: the job was killed. */
status_t job_add_process(struct job *j, struct process *p) MUST_CHECK;
/* Signals EV_EXITED when the job is empty then. */
void job_remove_process(struct job *j, struct process *p);

#endif
