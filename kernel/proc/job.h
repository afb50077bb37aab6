/* What process.c needs of job.c and nobody else does. */
#ifndef PROC_JOB_H
#define PROC_JOB_H

#include "proc/process.h"

void job_init(void);
/* -ESRCH: the job was killed. */
status_t job_add_process(struct job *j, struct process *p) MUST_CHECK;
/* Signals EV_EXITED when the job is empty then. */
void job_remove_process(struct job *j, struct process *p);

/*
 * The job that is to end when memory is out (oom.c tells which). *v describes it, with a reference; v->job NULL: one that
 * was chosen before has not ended yet. False: no job can be ended.
 */
struct job_victim {
    struct job *job;
    uint64_t bytes, processes, pid; /* pid and name: of its first process */
    char name[NAME_LEN];
};
bool job_choose_victim(struct job_victim *v);

#endif
